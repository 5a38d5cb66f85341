//! Structured data: dates, creators, licences, places and their ranks.

use super::*;

#[test]
fn recorded_dates_have_their_precision() {
    assert_eq!(date_of(&["date_taken_YYYY-MM-DD"]), "2023-02-20 day");
    assert_eq!(date_of(&["date_taken_YYYY-MM"]), "1970-03-01 month");
    assert_eq!(date_of(&["date_taken_YYYY"]), "1950-01-01 year");
    assert_eq!(date_of(&["date_taken_circa"]), "Some(None)");
    // When it was posted is not when it was taken.
    assert_eq!(date_of(&["date_posted_to_flickr"]), "None");
    // An uncertain date is not made certain by the page's text.
    let mut page = page("image_data_example.json");
    let circa = entity(&["date_taken_circa"]);
    assert_eq!(listed(&page, Some(&circa)).sample.captured_at, None);
    // The page may be more exact about the same day, and not about another.
    let day = entity(&["date_taken_YYYY-MM-DD"]);
    let other = listed(&page, Some(&day)).sample;
    assert_eq!(other.captured_precision, Some(CapturedPrecision::Day));
    page["imageinfo"][0]["extmetadata"]["DateTimeOriginal"]["value"] = json!("2023-02-20 10:11:12");
    let same = listed(&page, Some(&day)).sample;
    assert_eq!(same.captured_precision, Some(CapturedPrecision::Second));
}

#[test]
fn recorded_creators_licences_status_and_places() {
    for (name, who, url) in [
        (
            "creator_AlexChan",
            "Alex Chan",
            "https://www.flickr.com/people/199246608@N02/",
        ),
        (
            "creator_ObamaWhiteHouse",
            "Obama White House Archived",
            "https://www.flickr.com/people/obamawhitehouse/",
        ),
        (
            "creator_WNDC",
            "WNDC",
            "https://www.flickr.com/people/west_northamptonshire_development_corporation/",
        ),
    ] {
        let creator = entity(&[name]).creator.unwrap();
        assert_eq!(creator.name.as_deref(), Some(who));
        assert_eq!(creator.url.as_deref(), Some(url));
    }
    assert_eq!(entity(&["license_cc0"]).licences, ["Q6938433"]);
    assert_eq!(entity(&["license_cc_by_2.0"]).licences, ["Q19125117"]);
    assert_eq!(entity(&["license_usgov"]).licences, ["Q60671452"]);
    assert_eq!(
        entity(&["copyright_status_copyrighted"]).status,
        ["Q50423863"]
    );
    assert_eq!(
        entity(&["copyright_status_public_domain"]).status,
        ["Q88088423"]
    );
    assert_eq!(entity(&["copyright_status_usgov"]).status, ["Q19652"]);
    let place = entity(&["location_ethiopia"]).place.unwrap().unwrap();
    assert_eq!((place.latitude, place.longitude), (9.135158, 40.083811));
    assert!((place.precision_m.unwrap() - 1.11).abs() < 0.01);
    for name in ["photo_source_data", "photo_source_data_without_date"] {
        let nothing = entity(&[name]);
        assert!(
            nothing.licences.is_empty() && nothing.creator.is_none() && nothing.taken.is_none()
        );
    }
}

#[test]
fn recorded_photos_with_structured_data_only() {
    let bare = object(
        json!({"pageid": 7, "ns": 6, "title": "File:A.jpg", "imageinfo": [
            {"url": "https://upload.wikimedia.org/a.jpg", "mediatype": "BITMAP"}
        ]}),
    );
    for (name, who, licence, taken) in [
        (
            "photo_53234140350",
            "Maryland GovPics",
            Some("CC-BY-2.0"),
            Some("2023-10-03"),
        ),
        ("photo_53248015596", "Alex Chan", Some("CC-BY-2.0"), None),
        (
            "photo_15602283025",
            "Jonathan Palombo",
            None,
            Some("2014-07-14"),
        ),
    ] {
        let entity = Entity::read(&object(recorded(&format!("structured-data/{name}.json"))));
        let sample = listed(&bare, Some(&entity)).sample;
        assert_eq!(sample.creator.as_deref(), Some(who), "{name}");
        assert_eq!(sample.licence.as_deref(), licence, "{name}");
        let date = sample.captured_at.map(|t| t.date_naive().to_string());
        assert_eq!(date.as_deref(), taken, "{name}");
        if licence.is_some() {
            assert_eq!(
                sample.licence_evidence.as_deref(),
                Some("{\"P275\":[\"Q19125117\"],\"P6216\":[\"Q50423863\"]}")
            );
        }
    }
}

#[test]
fn ranks_globes_and_empty_entities() {
    let statement = |id: &str, rank: &str| {
        json!({"rank": rank, "mainsnak": {"property": "P6216", "snaktype": "value",
            "datavalue": {"value": {"id": id}}}})
    };
    let read = |list: Vec<Value>| Entity::read(&object(json!({"statements": {"P6216": list}})));
    let status = read(vec![
        statement("Q1", "normal"),
        statement("Q2", "preferred"),
        statement("Q3", "deprecated"),
        statement("not an id", "preferred"),
    ])
    .status;
    assert_eq!(status, ["Q2"]);
    // An entity without statements says `[]`.
    let none = Entity::read(&object(json!({"id": "M1", "statements": []})));
    assert!(none.status.is_empty() && none.place.is_none());
    let mut moon = recorded("structured-data/location_ethiopia.json");
    moon["mainsnak"]["datavalue"]["value"]["globe"] = json!("http://www.wikidata.org/entity/Q405");
    assert!(
        Entity::read(&object(json!({"claims": [moon]})))
            .place
            .is_none()
    );
}
