//! What the name of a video says in the corpora of face swaps: who is shown, what it was
//! made from.

/// What a name says. A name of no known form is its own source video.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Source videos.
    pub videos: Vec<String>,
    /// People, by the corpus's own pseudonyms.
    pub subjects: Vec<String>,
    /// Target and source of a swap.
    pub pair: Option<(String, String)>,
    /// What the target does; of actors' videos.
    pub scene: Option<String>,
    /// What the two directions of a swap of actors' videos share.
    pub code: Option<String>,
}

/// The name without folders and ending.
pub fn stem(name: &str) -> &str {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    match file.rsplit_once('.') {
        // A number behind a dot belongs to the name.
        Some((stem, ending))
            if !stem.is_empty()
                && ending.len() <= 4
                && ending.bytes().any(|b| b.is_ascii_alphabetic()) =>
        {
            stem
        }
        _ => file,
    }
}

/// Reads the name of an actors' video, `01__exit_phone_room` or, of a swap,
/// `01_02__exit_phone_room__YVGY8LOK`: target, source, scene and code. A person's name is of
/// ASCII letters, digits and `-`.
pub fn actors(name: &str) -> Option<Named> {
    let stem = stem(name);
    let (people, rest) = stem.split_once("__")?;
    let (scene, code) = match rest.rsplit_once("__") {
        Some((scene, code)) => (scene, Some(code)),
        None => (rest, None),
    };
    let sound = !scene.is_empty() && !scene.contains("__") && code.is_none_or(is_code);
    let people: Vec<&str> = people.split('_').collect();
    if !sound || !people.iter().all(|p| pseudonym(p)) {
        return None;
    }
    let mut named = Named {
        subjects: people.iter().map(|p| (*p).to_owned()).collect(),
        scene: Some(scene.to_owned()),
        code: code.map(str::to_owned),
        ..Named::default()
    };
    match (people.as_slice(), code) {
        ([_], None) => named.videos = vec![stem.to_owned()],
        ([target, source], _) => {
            named.videos = vec![format!("{target}__{scene}")];
            named.pair = Some(((*target).to_owned(), (*source).to_owned()));
        }
        _ => return None,
    }
    Some(named)
}

/// Reads a name by the forms of
/// FaceForensics++ (`000_003`, `000`), DeepFakeDetection (`01_02__exit_phone_room__YVGY8LOK`,
/// `01__exit_phone_room`), Celeb-DF (`id0_id16_0003`, `id0_0003`), DeeperForensics
/// (`000_M101`) and DFDC's preview (`1848521_1152039_A_000`, `1848521_A_000`).
pub fn read(name: &str) -> Named {
    let stem = stem(name);
    let own = |videos: &[&str]| videos.iter().map(|v| (*v).to_owned()).collect();
    let swap = |target: &str, source: &str| Some((target.to_owned(), source.to_owned()));
    if stem.contains("__") {
        // Where there is no code, two digits tell a person from any other word.
        let sure = |n: &Named| n.code.is_some() || n.subjects.iter().all(|s| digits(s, 2));
        return actors(stem).filter(sure).unwrap_or_else(|| Named {
            videos: own(&[stem]),
            ..Named::default()
        });
    }
    match stem.split('_').collect::<Vec<_>>().as_slice() {
        [a, b] if digits(a, 3) && digits(b, 3) => Named {
            videos: own(&[a, b]),
            subjects: Vec::new(),
            pair: swap(a, b),
            ..Named::default()
        },
        [a, b] if digits(a, 3) && actor(b) => Named {
            videos: own(&[a]),
            subjects: own(&[b]),
            pair: swap(a, b),
            ..Named::default()
        },
        [a, n] if celebrity(a) && digits(n, 4) => Named {
            videos: own(&[stem]),
            subjects: own(&[a]),
            pair: None,
            ..Named::default()
        },
        [a, b, n] if celebrity(a) && celebrity(b) && digits(n, 4) => Named {
            videos: vec![format!("{a}_{n}")],
            subjects: own(&[a, b]),
            pair: swap(a, b),
            ..Named::default()
        },
        [a, take, n] if person(a) && letter(take) && digits(n, 3) => Named {
            videos: own(&[stem]),
            subjects: own(&[a]),
            pair: None,
            ..Named::default()
        },
        [a, b, take, n] if person(a) && person(b) && letter(take) && digits(n, 3) => Named {
            videos: own(&[stem]),
            subjects: own(&[a, b]),
            pair: swap(a, b),
            ..Named::default()
        },
        _ => Named {
            videos: own(&[stem]),
            ..Named::default()
        },
    }
}

fn digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|b| b.is_ascii_digit())
}

/// `YVGY8LOK`
fn is_code(text: &str) -> bool {
    let digit = |b: u8| b.is_ascii_digit() || b.is_ascii_uppercase();
    text.len() == 8 && text.bytes().all(digit)
}

/// `01`, `person-a`
fn pseudonym(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !text.is_empty() && text.bytes().all(plain)
}

/// `id16`
fn celebrity(text: &str) -> bool {
    text.strip_prefix("id")
        .is_some_and(|n| (1..=3).any(|count| digits(n, count)))
}

/// `M101`, `W006`
fn actor(text: &str) -> bool {
    text.strip_prefix(['M', 'W']).is_some_and(|n| digits(n, 3))
}

/// `1152039`
fn person(text: &str) -> bool {
    (6..=8).any(|count| digits(text, count))
}

fn letter(text: &str) -> bool {
    text.len() == 1 && text.bytes().all(|b| b.is_ascii_uppercase())
}
