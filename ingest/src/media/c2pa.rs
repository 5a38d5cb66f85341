//! C2PA content credentials: whether they reserve training and data mining.
//!
//! Read are the assertions `c2pa.training-mining` (C2PA 1.x) and
//! `cawg.training-mining` (CAWG 1.x): entries such as `c2pa.ai_training` with
//! `use` = `allowed`, `notAllowed` or `constrained`. A reservation counts even
//! where the signature cannot be trusted: refusing use costs us a sample,
//! ignoring a refusal costs someone else.

use std::io::{Read, Seek};

use c2pa::{Context, Reader};

/// Whether bytes of a C2PA store may stand in a file: a cheap look before parsing.
pub fn may_be_in(bytes: &[u8]) -> bool {
    // PNG `caBX`, WebP `C2PA`, and the description box every store begins with.
    [&b"jumdc2pa"[..], b"caBX", b"C2PA"]
        .iter()
        .any(|mark| find(bytes, mark))
}

fn find(bytes: &[u8], mark: &[u8]) -> bool {
    let Some((first, rest)) = mark.split_first() else {
        return true;
    };
    let mut left = bytes;
    while let Some(at) = left.iter().position(|b| b == first) {
        left = &left[at + 1..];
        if left.starts_with(rest) {
            return true;
        }
    }
    false
}

/// `c2pa:notAllowed` and `c2pa:constrained`, sorted; empty when nothing is reserved or readable.
pub fn opt_outs(mime: &str, stream: impl Read + Seek + Send) -> Vec<String> {
    let reader = Reader::from_context(Context::new()).with_stream(mime, stream);
    let Ok(reader) = reader else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for assertion in reader
        .iter_manifests()
        .flat_map(|manifest| manifest.assertions())
    {
        if !assertion.label().ends_with(".training-mining") {
            continue;
        }
        let entries = assertion
            .value()
            .ok()
            .and_then(|v| v.get("entries")?.as_object());
        for entry in entries.into_iter().flat_map(|map| map.values()) {
            match entry.get("use").and_then(|u| u.as_str()) {
                Some("notAllowed") => found.push("c2pa:notAllowed".to_owned()),
                Some("constrained") => found.push("c2pa:constrained".to_owned()),
                _ => {}
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use c2pa::{Builder, BuilderIntent, DigitalSourceType, EphemeralSigner};

    use super::*;

    const PHOTO: &[u8] = include_bytes!("../../../datasets/drop/media/Canon_40D.jpg");

    /// The photo with content credentials, signed by a throw-away key.
    fn signed(label: &str, entries: serde_json::Value) -> Vec<u8> {
        let definition = serde_json::json!({
            "title": "photo", "format": "image/jpeg",
            "claim_generator_info": [{"name": "test", "version": "1"}],
            "assertions": [{"label": label, "data": {"entries": entries}}],
        });
        let mut builder = Builder::from_context(Context::new())
            .with_definition(definition.to_string())
            .unwrap();
        builder.set_intent(BuilderIntent::Create(DigitalSourceType::DigitalCapture));
        let signer = EphemeralSigner::new("test.local").unwrap();
        let mut out = Cursor::new(Vec::new());
        builder
            .sign(&signer, "image/jpeg", &mut Cursor::new(PHOTO), &mut out)
            .unwrap();
        out.into_inner()
    }

    #[test]
    fn reservations_are_read_from_signed_photos() {
        let all = signed(
            "cawg.training-mining",
            serde_json::json!({
                "cawg.ai_generative_training": {"use": "notAllowed"},
                "cawg.data_mining": {"use": "constrained", "constraint_info": "ask"},
                "cawg.ai_inference": {"use": "allowed"},
            }),
        );
        assert!(super::super::jpeg::markers(&all).jumbf);
        assert!(may_be_in(&all));
        assert_eq!(
            opt_outs("image/jpeg", Cursor::new(&all[..])),
            ["c2pa:constrained", "c2pa:notAllowed"]
        );
        let old = signed(
            "c2pa.training-mining",
            serde_json::json!({"c2pa.ai_training": {"use": "notAllowed"}}),
        );
        assert_eq!(
            opt_outs("image/jpeg", Cursor::new(&old[..])),
            ["c2pa:notAllowed"]
        );
        let allowed = signed(
            "c2pa.training-mining",
            serde_json::json!({"c2pa.ai_training": {"use": "allowed"}}),
        );
        assert!(opt_outs("image/jpeg", Cursor::new(&allowed[..])).is_empty());
        // A changed pixel breaks the signature, not the reservation.
        let mut changed = old;
        let last = changed.len() - 100;
        changed[last] ^= 1;
        assert_eq!(
            opt_outs("image/jpeg", Cursor::new(&changed[..])),
            ["c2pa:notAllowed"]
        );
    }

    #[test]
    fn photos_without_and_garbage() {
        assert!(!may_be_in(PHOTO));
        assert!(!super::super::jpeg::markers(PHOTO).jumbf);
        assert!(opt_outs("image/jpeg", Cursor::new(PHOTO)).is_empty());
        assert!(opt_outs("image/png", Cursor::new(&b"caBX jumdc2pa"[..])).is_empty());
    }
}
