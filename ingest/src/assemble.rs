//! From what the stages know of a sample to its row: pure, the same journal
//! gives the same row.

use fairframe_schemas::{
    MediaType, PlaceOrigin, Reason, Sample, Status, Timestamp,
    source::{Policy, SourceToml},
};

use crate::{
    admit::{ConsentLedger, admit},
    journal::{Entry, FactsRecord, FetchOutcome},
    media::{ExifPlace, Facts},
    place::{Gazetteer, distance_km},
    source::MediaRef,
};

#[cfg(test)]
mod tests;

/// What judging a source's samples needs.
pub struct Rules<'a> {
    pub source: &'a SourceToml,
    pub ledger: &'a ConsentLedger,
    pub as_of: Timestamp,
}

/// Whether anything known before fetching already refuses the sample: what may
/// not be kept is not fetched.
pub fn refused_before_fetching(entry: &Entry, rules: &Rules<'_>) -> bool {
    let mut sample = entry.listed.sample.clone();
    admit(&mut sample, &rules.source.policy, rules.ledger, rules.as_of);
    matches!(sample.status, Status::Rejected | Status::Withdrawn)
}

/// The sample's row but for what only the whole dataset decides (duplicates, split).
pub fn assemble(entry: Entry, rules: &Rules<'_>) -> Sample {
    let mut sample = entry.listed.sample;
    let listed_type = sample.media_type;
    if let Some(record) = entry.fetched {
        match record.outcome {
            FetchOutcome::Stored {
                sha256,
                bytes,
                content_type,
                opt_out,
            } => {
                sample.media_sha256 = Some(sha256);
                sample.bytes = i64::try_from(bytes).ok();
                sample.retrieved_at = Some(record.at);
                note_opt_outs(&mut sample, opt_out);
                match entry.facts {
                    Some(FactsRecord::Facts(facts)) => {
                        let media = &entry.listed.media;
                        if is_other_type(&sample, content_type.as_deref(), media, &facts) {
                            sample.add_reason(Reason::MediaTypeMismatch);
                        }
                        describe(&mut sample, *facts, rules);
                    }
                    Some(FactsRecord::Failed { reason, .. }) => sample.add_reason(reason),
                    None => {}
                }
            }
            FetchOutcome::Failed {
                reason, opt_out, ..
            } => {
                note_opt_outs(&mut sample, opt_out);
                sample.add_reason(reason);
            }
        }
    }
    if sample.media_type != listed_type {
        sample.add_reason(Reason::MediaTypeMismatch);
    }
    locate(&mut sample, &rules.source.policy);
    admit(&mut sample, &rules.source.policy, rules.ledger, rules.as_of);
    if sample.status == Status::Withdrawn {
        scrub(&mut sample);
    } else if sample.reasons.iter().any(|r| NO_CONSENT.contains(r)) {
        // Rows that were not accepted stand in the release too.
        sample.subject_attributes.clear();
    }
    sample
}

/// Nobody may say of the people shown what they said of themselves.
const NO_CONSENT: [Reason; 6] = [
    Reason::ConsentMissing,
    Reason::ConsentInvalid,
    Reason::ConsentNotYetValid,
    Reason::ConsentExpired,
    Reason::ConsentRefused,
    Reason::ConsentPurposeMissing,
];

fn note_opt_outs(sample: &mut Sample, words: Vec<String>) {
    sample.opt_out.extend(words);
    sample.opt_out.sort();
    sample.opt_out.dedup();
}

/// Whether the source, the server's header or the file's name says another type
/// than the content has.
fn is_other_type(sample: &Sample, header: Option<&str>, media: &MediaRef, found: &Facts) -> bool {
    // Of headers and names only what they say of pictures: of others too many are vague.
    let header = header.filter(|mime| mime.starts_with("image/"));
    let said = [sample.mime.as_deref(), header, promised(media)];
    let mut said = said.into_iter().flatten();
    said.any(|mime| usual_name(mime) != found.mime)
}

/// The picture type that a file name's ending promises.
fn promised(media: &MediaRef) -> Option<&'static str> {
    let name = match media {
        MediaRef::None => return None,
        MediaRef::Url(url) => url.split(['?', '#']).next()?,
        MediaRef::File { path, .. } => path.to_str()?,
        MediaRef::Member { name, .. } => name,
    };
    let (_, ending) = name.rsplit_once('.')?;
    match ending.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => Some("image/jpeg"),
        "png" => Some("image/png"),
        "gif" => Some("image/gif"),
        "webp" => Some("image/webp"),
        "tif" | "tiff" => Some("image/tiff"),
        "bmp" => Some("image/bmp"),
        _ => None,
    }
}

/// Some types go by several names; MediaWiki and servers use the others.
fn usual_name(mime: &str) -> &str {
    match mime {
        "application/ogg" => "video/ogg",
        "image/jpg" | "image/pjpeg" => "image/jpeg",
        "image/x-bmp" | "image/x-ms-bmp" => "image/bmp",
        other => other,
    }
}

fn describe(sample: &mut Sample, facts: Facts, rules: &Rules<'_>) {
    // A clip or frame stays what its source says; a picture that is a video does not.
    if matches!(sample.media_type, MediaType::Image | MediaType::Video) {
        sample.media_type = facts.media_type;
    }
    sample.mime = Some(facts.mime);
    sample.width = i32::try_from(facts.width).ok();
    sample.height = i32::try_from(facts.height).ok();
    sample.duration_s = facts.duration_s;
    sample.frame_rate = facts.frame_rate;
    let ratio = |(numerator, denominator)| format!("{numerator}/{denominator}");
    sample.frame_rate_ratio = facts.frame_rate_ratio.map(ratio);
    sample.frame_count = facts.frame_count.and_then(|n| i64::try_from(n).ok());
    sample.variable_frame_rate = facts.variable_frame_rate;
    sample.has_audio = (facts.media_type == MediaType::Video).then_some(facts.has_audio);
    sample.video_codec = facts.video_codec;
    sample.perceptual_hash = facts.perceptual_hash;
    sample.sharpness = facts.sharpness;
    sample.luminance = facts.luminance;
    note_opt_outs(sample, facts.c2pa_opt_out);
    for reason in facts.reasons {
        sample.add_reason(reason);
    }
    let policy = &rules.source.policy;
    if facts.width.min(facts.height) < policy.min_side {
        sample.add_reason(Reason::MediaTooSmall);
    }
    if let (None, Some(time)) = (sample.captured_at, facts.exif_captured_at) {
        sample.captured_at = Some(time.at);
        sample.captured_precision = Some(time.precision);
    }
    if let Some(place) = facts.exif_place {
        merge_exif_place(sample, place, rules);
    }
}

/// EXIF fills a place that is missing, contradicts one too far away, and
/// replaces one that the source's order of trust puts behind it.
fn merge_exif_place(sample: &mut Sample, exif: ExifPlace, rules: &Rules<'_>) {
    let trusted_more = |origin: Option<PlaceOrigin>| {
        let order = rules.source.wikimedia.as_ref().map(|w| &w.place_trust);
        let rank = |o: PlaceOrigin| order.and_then(|list| list.iter().position(|x| *x == o));
        match (rank(PlaceOrigin::Exif), origin.and_then(rank)) {
            (Some(exif), Some(stated)) => exif < stated,
            _ => false,
        }
    };
    let replace = match (sample.latitude, sample.longitude) {
        (Some(latitude), Some(longitude)) => {
            let apart = distance_km((latitude, longitude), (exif.latitude, exif.longitude));
            let slack =
                (sample.place_precision_m.unwrap_or(0.0) + exif.precision_m.unwrap_or(0.0)) / 1e3;
            if apart > rules.source.policy.place_tolerance_km + slack {
                sample.add_reason(Reason::PlaceContradiction);
            }
            trusted_more(sample.place_origin)
        }
        _ => true,
    };
    if replace {
        sample.latitude = Some(exif.latitude);
        sample.longitude = Some(exif.longitude);
        sample.place_precision_m = exif.precision_m;
        sample.place_origin = Some(PlaceOrigin::Exif);
    }
}

/// Country, subregion and region from coordinates, else from the declared country.
fn locate(sample: &mut Sample, policy: &Policy) {
    let gazetteer = Gazetteer::bundled();
    let at = match (sample.latitude, sample.longitude) {
        (Some(latitude), Some(longitude)) => gazetteer.at(latitude, longitude),
        _ => None,
    };
    let declared = sample.country.as_deref().and_then(|c| gazetteer.by_code(c));
    if let (Some(at), Some(declared)) = (at, declared) {
        // Borders are drawn coarsely: near one, the declaration stands.
        let near = policy.place_tolerance_km / 111.0;
        let (lat, lon) = (
            sample.latitude.unwrap_or(0.0),
            sample.longitude.unwrap_or(0.0),
        );
        let around = [(0.0, near), (0.0, -near), (near, 0.0), (-near, 0.0)];
        let touches = around.iter().any(|(dlat, dlon)| {
            let stretch = lat.to_radians().cos().max(0.1);
            gazetteer
                .at(lat + dlat, lon + dlon / stretch)
                .is_some_and(|c| c.alpha2 == declared.alpha2)
        });
        if at.alpha2 != declared.alpha2 && !touches {
            sample.add_reason(Reason::PlaceContradiction);
        }
    }
    if let Some(country) = declared.or(at) {
        sample.country = Some(country.alpha2.clone());
        sample.subregion = country.subregion.clone();
        sample.region = country.region.clone();
        if sample.place_origin.is_none() {
            sample.place_origin = Some(PlaceOrigin::Declared);
        }
    }
}

/// Leaves of a withdrawn sample what is needed to recall it, nothing about the person.
pub fn scrub(sample: &mut Sample) {
    let kept = sample.clone();
    *sample = Sample::new(&kept.source, &kept.source_key, kept.media_type);
    sample.licence = kept.licence;
    sample.consent_id = kept.consent_id;
    sample.consent_state = kept.consent_state;
    sample.status = kept.status;
    sample.reasons = kept.reasons;
}
