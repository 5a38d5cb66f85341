use super::*;

fn pairs(text: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
    text.iter().map(owned).collect()
}

fn parse(text: &[(&str, &str)]) -> Result<Filter, FilterError> {
    Filter::parse(&pairs(text), &["page", "sort"])
}

#[test]
fn a_filter_is_one_text_whatever_its_order() {
    let filter = parse(&[
        ("text", " old  \"city wall\" "),
        ("country", "IT"),
        ("country!", "DE"),
        ("page", "7"),
        ("country", "FR"),
        ("label", ""),
        ("width-min", "1e3"),
        ("width-max", ""),
        ("captured-max", "2016"),
        ("captured-min", "2015-06"),
        ("box", "43, 10,45.5,12"),
    ])
    .unwrap();
    let text = "country=FR&country=IT&country!=DE&label=&text=old%20%20%22city%20wall%22\
                &width-min=1000&captured-min=2015-06-01&captured-max=2016-12-31&box=43,10,45.5,12";
    assert_eq!(filter.to_string(), text);
    assert_eq!(filter.needles(), ["old", "city wall"]);
}

#[test]
fn what_is_not_known_is_named_with_its_neighbour() {
    let said = |text: &[(&str, &str)]| parse(text).unwrap_err().to_string();
    assert_eq!(
        said(&[("contry", "IT")]),
        "`contry` is nothing that samples can be filtered by; did you mean `country`?"
    );
    assert_eq!(
        said(&[("sorted", "x")]),
        "`sorted` is nothing that samples can be filtered by; did you mean `sort`?"
    );
    assert_eq!(
        said(&[("status", "acepted")]),
        "`acepted` is no status; did you mean `accepted`?"
    );
    assert!(said(&[("reason!", "licence")]).starts_with("`licence` is no reason"));
    assert!(said(&[("width-min", "wide")]).ends_with("which is no number"));
    for text in ["NaN", "inf", "1e999"] {
        assert!(parse(&[("width-min", text)]).is_err(), "{text}");
    }
    for text in [
        "15",
        "2015-13",
        "2015-02-30",
        "2015-1-1",
        "+015",
        "2015-01-01-01",
        "今年",
    ] {
        assert!(parse(&[("captured-min", text)]).is_err(), "{text}");
    }
}

#[test]
fn boxes_are_within_the_world() {
    for text in [
        "NaN,0,1,1",
        "0,0,1",
        "0,0,1,1,1",
        "2,0,1,1",
        "-91,0,1,1",
        "0,-181,1,1",
        "0,0,inf,1",
        "x,0,1,1,1",
    ] {
        assert!(parse(&[("box", text)]).is_err(), "{text}");
    }
    let pacific: Area = "-20,170,-10,-170".parse().unwrap();
    assert!(pacific.holds(-15.0, 179.0) && pacific.holds(-15.0, -179.0));
    assert!(!pacific.holds(-15.0, 0.0));
    assert!(!pacific.holds(f64::NAN, f64::NAN));
}

#[test]
fn there_is_an_end_to_everything() {
    let long = "x".repeat(10_000);
    assert!(matches!(
        parse(&[("text", &long)]),
        Err(FilterError::TooMuch { .. })
    ));
    let long = "x".repeat(MAX_TEXT + 1);
    assert!(matches!(
        parse(&[("text", &long)]),
        Err(FilterError::TooMuch { .. })
    ));
    let many = vec![("text", "a b c d e f g h i")];
    assert!(matches!(parse(&many), Err(FilterError::TooMuch { .. })));
    assert!(matches!(
        parse(&[("label", &long)]),
        Err(FilterError::TooMuch { .. })
    ));
    let values: Vec<String> = (0..=MAX_VALUES).map(|n| n.to_string()).collect();
    let many: Vec<(&str, &str)> = values.iter().map(|v| ("label", v.as_str())).collect();
    assert!(matches!(parse(&many), Err(FilterError::TooMuch { .. })));
    // What is said of a stranger's text is short.
    let said = parse(&[(&"k".repeat(5000), "v")]).unwrap_err().to_string();
    assert!(said.len() < 200, "{said}");
}

#[test]
fn links_put_words_in_and_out() {
    let filter = parse(&[("country", "IT")]).unwrap();
    assert_eq!(
        filter.toggled(Facet::Country, "FR").to_string(),
        "country=FR&country=IT"
    );
    assert!(filter.toggled(Facet::Country, "IT").is_empty());
    assert_eq!(
        filter.excluding(Facet::Country, "IT").to_string(),
        "country!=IT"
    );
    assert!(
        filter
            .excluding(Facet::Country, "IT")
            .excluding(Facet::Country, "IT")
            .is_empty()
    );
}
