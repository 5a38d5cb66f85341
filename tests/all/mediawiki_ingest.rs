//! A real MediaWiki ingested by the real binary, again and again while it
//! changes: a page deleted and restored, a file replaced, one renamed, one
//! added, one taken out of its category.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::support::mediawiki::{Import, TestWiki, photo, replayed};
use crate::support::{fairframe, ok, text, tree};
use fairframe_ingest::manifest::ReleaseReader;
use fairframe_schemas::{Digest, Reason, Sample, Status, recall::RecallList};

const PAGE: &str = "; License : cc-by-sa-4.0\n; LicenseShortName : CC BY-SA 4.0\n\
    ; Artist : somebody\n[[Category:Photos]]";

/// A data folder and the source that fills it.
struct House {
    folder: tempfile::TempDir,
    source: PathBuf,
}

impl House {
    fn new(wiki: &TestWiki) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source.toml");
        let declared = format!(
            "dataset = \"wiki\"\nsource = \"wiki\"\n[policy]\nlicences = [\"CC-BY-SA-4.0\"]\n\
             [fetch]\nallow_private = [\"127.0.0.1\"]\n\
             [wikimedia]\napi = \"{}\"\ncategories = [\"Photos\"]\nbatch = 2\n",
            wiki.api()
        );
        fs::write(&source, declared).unwrap();
        Self { folder, source }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn release(&self, version: &str) -> PathBuf {
        self.root().join("manifests/wiki").join(version)
    }

    /// Ingests on a day of 2026 and says what was said.
    fn ingest(&self, day: &str) -> String {
        let at = format!("2026-{day}T00:00:00Z");
        let mut command = fairframe(&self.root());
        command.arg("ingest").arg(&self.source).args(["--at", &at]);
        text(&ok(&mut command).stdout)
    }

    /// Its rows by title; what is withdrawn has none and goes by its id.
    fn rows(&self, version: &str) -> BTreeMap<String, Sample> {
        let reader = ReleaseReader::open(&self.release(version)).unwrap();
        let rows = reader.accepted().chain(reader.excluded());
        rows.flat_map(Result::unwrap)
            .map(|s| {
                let id = s.sample_id.to_string();
                (s.title.clone().unwrap_or(id), s)
            })
            .collect()
    }

    fn recall(&self, version: &str) -> RecallList {
        let path = self.release(version).join("recall.json");
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    /// Sound, media included.
    fn verify(&self, version: &str) {
        let mut command = fairframe(&self.root());
        command.arg("verify").arg(self.release(version));
        let said = text(&ok(command.arg("--media")).stdout);
        assert!(said.contains(" media checked"), "{said}");
    }

    fn diff(&self, before: &str, after: &str) -> String {
        let mut command = fairframe(&self.root());
        let folders = [self.release(before), self.release(after)];
        text(&ok(command.arg("diff").args(folders)).stdout)
    }

    /// Whether the store or the thumbnails hold these bytes.
    fn holds(&self, digest: &Digest) -> bool {
        let name = digest.to_string();
        let files = ["store", "thumbnails"].map(|f| self.root().join(f));
        let files = files.iter().filter(|f| f.exists()).flat_map(|f| tree(f));
        files.into_iter().any(|(path, _)| path.contains(&name))
    }
}

fn digest(path: &Path) -> Digest {
    Digest::of(&fs::read(path).unwrap())
}

fn fill(wiki: &TestWiki) {
    let files = [
        ("Kept.jpg", photo("DSCN0010.jpg")),
        ("Deleted.jpg", photo("DSCN0012.jpg")),
        ("Replaced.jpg", photo("Canon_40D.jpg")),
        ("Old name.jpg", photo("landscape_6.jpg")),
        ("Set aside.jpg", replayed("flower.jpg")),
    ];
    let imports: Vec<Import<'_>> = files
        .iter()
        .map(|(name, from)| Import {
            from,
            name,
            page: PAGE,
        })
        .collect();
    wiki.import(&imports);
}

fn change(wiki: &TestWiki) {
    wiki.delete("File:Deleted.jpg");
    wiki.replace("Replaced.jpg", &replayed("china.jpg"));
    wiki.rename("File:Old name.jpg", "File:New name.jpg");
    wiki.edit("File:Set aside.jpg", &PAGE.replace("Photos", "Others"));
    wiki.import(&[Import {
        from: &replayed("rocket.jpg"),
        name: "Added.jpg",
        page: PAGE,
    }]);
}

#[test]
fn a_wiki_that_changes_between_ingests() {
    let Some(wiki) = TestWiki::start() else {
        return;
    };
    fill(&wiki);
    let house = House::new(&wiki);
    let said = house.ingest("01-01");
    assert!(said.contains("5 accepted"), "{said}");
    house.verify("1.0.0");
    let first = house.rows("1.0.0");
    assert!(
        first
            .values()
            .all(|s| s.status == Status::Accepted && s.reasons.is_empty())
    );
    assert!(house.holds(&digest(&photo("DSCN0012.jpg"))));

    change(&wiki);
    let said = house.ingest("02-01");
    assert!(said.contains("wiki 2.0.0\n"), "{said}");
    assert!(said.contains("6 listed"), "{said}");
    house.verify("2.0.0");
    let second = house.rows("2.0.0");
    assert_eq!(second.len(), 6);
    what_became_of_each(&first, &second);
    the_deleted_one_is_recalled(&house, &first);
    what_the_diff_says(&house, &first, &second);

    // Nothing has happened since.
    let before = tree(&house.root().join("manifests"));
    let said = house.ingest("03-01");
    assert!(
        said.contains("2.0.0 (nothing changed: no new version)"),
        "{said}"
    );
    assert!(before == tree(&house.root().join("manifests")));

    // The page comes back with its id, and the one set aside is deleted.
    wiki.restore("File:Deleted.jpg");
    wiki.delete("File:Set aside.jpg");
    let said = house.ingest("04-01");
    assert!(said.contains("wiki 3.0.0\n"), "{said}");
    house.verify("3.0.0");
    what_was_recalled_stays_so(&house, &first);
}

fn what_became_of_each(first: &BTreeMap<String, Sample>, second: &BTreeMap<String, Sample>) {
    let kept = &second["Kept.jpg"];
    assert_eq!(kept, &first["Kept.jpg"]);

    let gone = &second[&first["Deleted.jpg"].sample_id.to_string()];
    assert_eq!(gone.status, Status::Withdrawn);
    assert!(gone.reasons.contains(&Reason::UpstreamDeleted), "{gone:?}");
    assert_eq!((&gone.media_sha256, &gone.creator), (&None, &None));

    let replaced = &second["Replaced.jpg"];
    assert_eq!(replaced.sample_id, first["Replaced.jpg"].sample_id);
    assert_eq!(replaced.status, Status::Accepted);
    assert_eq!(replaced.reasons, [Reason::UpstreamReplaced]);
    assert_eq!(replaced.media_sha256, Some(digest(&replayed("china.jpg"))));
    assert_ne!(replaced.upstream_sha1, first["Replaced.jpg"].upstream_sha1);

    let renamed = &second["New name.jpg"];
    let old = &first["Old name.jpg"];
    assert_eq!(
        renamed.sample_id, old.sample_id,
        "the sample keeps its identity"
    );
    assert_eq!(renamed.media_sha256, old.media_sha256);
    assert_eq!(renamed.status, Status::Accepted);
    assert_eq!(renamed.reasons, [Reason::UpstreamRenamed]);
    assert_ne!(renamed.landing_url, old.landing_url);

    let aside = &second["Set aside.jpg"];
    assert_eq!(aside.status, Status::Rejected);
    assert_eq!(aside.reasons, [Reason::UpstreamUnlisted]);

    let added = &second["Added.jpg"];
    assert_eq!(added.status, Status::Accepted);
    assert!(added.reasons.is_empty(), "{:?}", added.reasons);
    // Nobody who stayed has changed sides.
    for (now, before) in [("Kept.jpg", "Kept.jpg"), ("New name.jpg", "Old name.jpg")] {
        assert_eq!(second[now].split, first[before].split);
    }
}

fn the_deleted_one_is_recalled(house: &House, first: &BTreeMap<String, Sample>) {
    let list = house.recall("2.0.0");
    assert_eq!((list.recall_version, list.entries.len()), (1, 1));
    let entry = &list.entries[0];
    let bytes = digest(&photo("DSCN0012.jpg"));
    assert_eq!(entry.sample_id, first["Deleted.jpg"].sample_id);
    assert_eq!(entry.media_sha256, Some(bytes));
    assert_eq!(entry.reason, Reason::UpstreamDeleted);
    assert_eq!(entry.withdrawn_in.to_string(), "2.0.0");
    assert_eq!(entry.at.to_rfc3339(), "2026-02-01T00:00:00+00:00");
    assert!(!house.holds(&bytes), "its bytes have left the store");

    // A copy follows.
    let copy = house.folder.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for name in ["DSCN0010.jpg", "DSCN0012.jpg"] {
        fs::copy(photo(name), copy.join(name)).unwrap();
    }
    let mut command = fairframe(&house.root());
    command.arg("recall").arg(&copy);
    ok(command.arg(house.release("2.0.0").join("recall.json")));
    assert_eq!(
        tree(&copy).into_keys().collect::<Vec<_>>(),
        ["DSCN0010.jpg"]
    );
}

fn what_the_diff_says(
    house: &House,
    first: &BTreeMap<String, Sample>,
    second: &BTreeMap<String, Sample>,
) {
    let said = house.diff("1.0.0", "2.0.0");
    let line = |start: String| {
        let found = said.lines().find(|l| l.starts_with(&start));
        found.unwrap_or_else(|| panic!("no `{start}` in\n{said}"))
    };
    line(format!("+ {}", second["Added.jpg"].sample_id));
    let gone = line(format!("- {}", first["Deleted.jpg"].sample_id));
    assert!(
        gone.contains("withdrawn") && gone.contains("upstream-deleted"),
        "{gone}"
    );
    let aside = line(format!("- {}", first["Set aside.jpg"].sample_id));
    assert!(aside.ends_with("rejected upstream-unlisted"), "{aside}");
    let replaced = line(format!("~ {}", first["Replaced.jpg"].sample_id));
    assert!(replaced.contains("media_sha256"), "{replaced}");
    let renamed = line(format!("~ {}", first["Old name.jpg"].sample_id));
    assert!(
        renamed.contains("title") && !renamed.contains("media_sha256"),
        "{renamed}"
    );
    assert!(
        said.ends_with(
            "1 added, 2 removed, 2 changed, 0 changed among the excluded, 1 unchanged: a Major change\n"
        ),
        "{said}"
    );
}

fn what_was_recalled_stays_so(house: &House, first: &BTreeMap<String, Sample>) {
    let rows = house.rows("3.0.0");
    let old = house.recall("2.0.0");
    let list = house.recall("3.0.0");
    assert_eq!((list.recall_version, list.entries.len()), (2, 2));
    assert!(list.entries.contains(&old.entries[0]), "as it was");
    for (title, bytes) in [
        ("Deleted.jpg", photo("DSCN0012.jpg")),
        ("Set aside.jpg", replayed("flower.jpg")),
    ] {
        let id = first[title].sample_id;
        assert_eq!(rows[&id.to_string()].status, Status::Withdrawn, "{title}");
        let entry = list.entries.iter().find(|e| e.sample_id == id).unwrap();
        assert_eq!(entry.media_sha256, Some(digest(&bytes)), "{title}");
        assert!(!house.holds(&digest(&bytes)), "{title}");
    }
    // What once happened to the others is still said.
    assert_eq!(rows["Replaced.jpg"].reasons, [Reason::UpstreamReplaced]);
    assert_eq!(rows["New name.jpg"].reasons, [Reason::UpstreamRenamed]);
}
