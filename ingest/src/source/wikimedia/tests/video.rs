//! Pages of videos.

use fairframe_schemas::{MediaType, Reason};
use serde_json::{Map, Value, json};
use url::Url;

use super::{Asked, Context, listed, object, page, source_toml};
use crate::source::MediaRef;

/// No video was recorded: the recorded photo's page with the facts of a video
/// in the places where MediaWiki has them.
fn video_page(facts: Value) -> Map<String, Value> {
    let mut page = page("image_data_example.json");
    let info = page["imageinfo"][0].as_object_mut().unwrap();
    info.remove("mime");
    info.remove("mediatype");
    info.extend(object(facts));
    page
}

#[test]
fn a_video_page_is_listed_as_a_video() {
    let at = |name: &str| format!("https://upload.wikimedia.org/wikipedia/commons/a/ab/{name}");
    let photo = listed(&page("image_data_example.json"), None);
    for facts in [
        json!({"mediatype": "VIDEO", "mime": "video/webm", "url": at("A.webm")}),
        json!({"mediatype": "VIDEO", "mime": "application/ogg", "url": at("A.ogv")}),
        // A wiki that does not say, or says only what the container is.
        json!({"mime": "video/mp4", "url": at("A.mp4")}),
        json!({"mediatype": "MULTIMEDIA", "mime": "application/ogg", "url": at("A.ogg")}),
        json!({"url": at("A.webm")}),
    ] {
        let mut all = facts.clone();
        let more = json!({"width": 1920, "height": 1080, "size": 12_345_678, "duration": 61.24});
        all.as_object_mut().unwrap().extend(object(more));
        let row = listed(&video_page(all), None);
        let sample = &row.sample;
        assert_eq!(sample.media_type, MediaType::Video, "{facts}");
        assert_eq!(
            row.media,
            MediaRef::Url(facts["url"].as_str().unwrap().to_owned())
        );
        assert_eq!(row.expected.bytes, Some(12_345_678), "{facts}");
        assert_eq!(sample.duration_s, Some(61.24), "{facts}");
        // Who made it, under which licence and where is read as of a photo.
        assert_eq!(sample.status, photo.sample.status, "{:?}", sample.reasons);
        assert_eq!(sample.licence, photo.sample.licence);
        assert_eq!(sample.creator, photo.sample.creator);
        assert_eq!(sample.reasons, photo.sample.reasons);
    }
}

#[test]
fn a_video_is_refused_where_only_images_are_wanted() {
    let page = video_page(json!({"mediatype": "VIDEO", "mime": "video/webm"}));
    let toml = source_toml("media_types = [\"image\"]");
    let api = Url::parse("https://commons.wikimedia.org/w/api.php").unwrap();
    let context = Context {
        source: "commons",
        wiki: toml.wikimedia.as_ref().unwrap(),
        api: &api,
    };
    let row = context.listed(&page, None, &Asked::default());
    assert_eq!(row.sample.reasons, [Reason::MediaTypeNotWanted]);
    assert_eq!(row.media, MediaRef::None);
}
