//! What a fake says of itself, read back by others' programs.

use std::path::{Path, PathBuf};

use c2pa::{Context, Reader};
use fairframe_corpus::{
    label::{ASSERTION, Label, SOURCE_TYPE, Signer},
    video::{Codec, Decoder, Encoder, Limits, Timing, X264},
};
use fairframe_schemas::Timestamp;

use crate::make::{clip, probe};

pub fn label() -> Label {
    Label {
        dataset: "demo-fakes".to_owned(),
        pair: "p-0123abcd".to_owned(),
        method: "face-swap".to_owned(),
    }
}

pub fn at() -> Timestamp {
    "2026-11-28T12:00:00Z".parse().unwrap()
}

/// Five frames of the real clip, with these tags.
fn encoded(folder: &Path, tags: &[(String, String)]) -> PathBuf {
    let out = folder.join("plain.mp4");
    let mut decoder = Decoder::open(&clip(), &Limits::default()).unwrap();
    let size = (decoder.facts().width, decoder.facts().height);
    let codec = Codec::X264(X264::crf(23));
    let mut encoder = Encoder::create(&out, size, Timing::constant(30, 1), &codec, tags).unwrap();
    for _ in 0..5 {
        let frame = decoder.next_frame().unwrap().unwrap();
        encoder.push(&frame.rgb, frame.time_s).unwrap();
    }
    encoder.finish().unwrap();
    out
}

/// The active manifest's assertions as text, and whether it stands up.
fn read(file: &Path) -> Option<(serde_json::Value, String)> {
    let stream = std::fs::File::open(file).unwrap();
    let reader = Reader::from_context(Context::new())
        .with_stream("video/mp4", stream)
        .ok()?;
    let state = format!("{:?}", reader.validation_state());
    let json: serde_json::Value = serde_json::from_str(&reader.json()).unwrap();
    let active = json["active_manifest"].as_str().unwrap().to_owned();
    Some((json["manifests"][active]["assertions"].clone(), state))
}

#[test]
fn a_fake_says_so_in_tags_and_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::of_installation(&folder.path().join("signing")).unwrap();
    let plain = encoded(folder.path(), &label().tags());
    let signed = folder.path().join("signed.mp4");
    signer.sign(&plain, &signed, &label(), at()).unwrap();

    let tags = probe(&signed, "-show_entries format_tags=title,comment").join(" ");
    for part in [
        "Manipulated video",
        "fairframe_manipulated=true",
        "pair=p-0123abcd",
        "face-swap",
    ] {
        assert!(tags.contains(part), "{tags}");
    }
    let (assertions, state) = read(&signed).unwrap();
    assert!(state.contains("Valid"), "{state}");
    let all = assertions.as_array().unwrap();
    let of = |label: &str| {
        all.iter()
            .find(|a| a["label"].as_str().unwrap().starts_with(label))
    };
    let actions = of("c2pa.actions").unwrap()["data"]["actions"]
        .as_array()
        .unwrap();
    let names: Vec<&str> = actions
        .iter()
        .map(|a| a["action"].as_str().unwrap())
        .collect();
    assert!(
        names.starts_with(&["c2pa.created", "c2pa.edited"]),
        "{names:?}"
    );
    assert_eq!(actions[0]["digitalSourceType"], SOURCE_TYPE);
    assert!(
        actions[0]["when"]
            .as_str()
            .unwrap()
            .starts_with("2026-11-28T12:00:00")
    );
    let ours = &of(ASSERTION).unwrap()["data"];
    assert_eq!(ours["pair"], "p-0123abcd");
    assert_eq!(ours["method"], "face-swap");

    // The frames are those from before.
    let frames = |file: &Path| -> Vec<_> {
        let decoder = Decoder::open(file, &Limits::default()).unwrap();
        decoder.map(|f| f.unwrap()).collect()
    };
    assert!(frames(&plain) == frames(&signed));
    // The index still comes first.
    let bytes = std::fs::read(&signed).unwrap();
    let at = |kind: &[u8]| bytes.windows(4).position(|w| w == kind).unwrap();
    assert!(at(b"moov") < at(b"mdat"));

    // A changed pixel is seen.
    let mut changed = bytes;
    let last = changed.len() - 40;
    changed[last] ^= 1;
    let path = folder.path().join("changed.mp4");
    std::fs::write(&path, changed).unwrap();
    assert!(read(&path).unwrap().1.contains("Invalid"));
}

#[test]
fn a_real_clip_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let plain = encoded(folder.path(), &[]);
    assert!(read(&plain).is_none());
    assert!(probe(&plain, "-show_entries format_tags=title,comment").is_empty());
}

#[test]
fn an_installation_keeps_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let signing = folder.path().join("signing");
    let first = Signer::of_installation(&signing).unwrap();
    let again = Signer::of_installation(&signing).unwrap();
    assert_eq!(first.certificate(), again.certificate());
    let other = Signer::of_installation(&folder.path().join("other")).unwrap();
    assert_ne!(first.certificate(), other.certificate());
    use std::os::unix::fs::PermissionsExt;
    let key = std::fs::metadata(signing.join("key.pem")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    // The key alone, or the certificates alone, sign nothing.
    std::fs::remove_file(signing.join("certificates.pem")).unwrap();
    assert!(Signer::of_installation(&signing).is_err());
    // Somebody's own.
    let pem = |name: &str| std::fs::read_to_string(folder.path().join("other").join(name)).unwrap();
    let declared = Signer::from_pem(&pem("certificates.pem"), &pem("key.pem")).unwrap();
    assert_eq!(declared.certificate(), other.certificate());
    assert!(Signer::from_pem("", "").is_err());
}
