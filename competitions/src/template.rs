//! Competitions to begin with: folders that lack only the truth and a sample submission.

use std::{
    fs,
    io::{self, Cursor, Write as _},
    path::Path,
};

use chrono::{Days, NaiveDate};
use zip::{ZipWriter, result::ZipError, write::SimpleFileOptions};

use crate::vault::{self, VaultError};

/// A folder of texts that is built in.
#[derive(Debug)]
pub struct Template {
    /// What it is asked for by.
    pub name: &'static str,
    pub title: &'static str,
    /// One sentence: what is asked of whom.
    pub about: &'static str,
    files: &'static [(&'static str, &'static str)],
    /// What the host adds: the file, and what it looks like.
    pub adds: &'static [(&'static str, &'static str)],
    /// A few rows of each of those, to look at and to try.
    examples: &'static [(&'static str, &'static str)],
}

/// The day on which what nobody has given a day for opens.
const OPENS: &str = "2030-01-07";

macro_rules! files {
    ($name:literal) => {
        &[
            (
                "competition.toml",
                include_str!(concat!("../templates/", $name, "/competition.toml")),
            ),
            (
                "overview.md",
                include_str!(concat!("../templates/", $name, "/overview.md")),
            ),
            (
                "evaluation.md",
                include_str!(concat!("../templates/", $name, "/evaluation.md")),
            ),
            ("rules.md", include_str!("../templates/rules.md")),
        ]
    };
}

macro_rules! examples {
    ($name:literal: $($file:literal),+) => {
        &[$(($file, include_str!(concat!("../templates/", $name, "/", $file)))),+]
    };
}

/// All of them, in the order they are listed.
pub const ALL: &[Template] = &[
    Template {
        name: "inclusive-images",
        title: "Inclusive Images",
        about: "Labels for images, in two stages with other geographies each; mean F2.",
        files: files!("inclusive-images"),
        adds: &[
            (
                "stage-1/solution.csv",
                "image_id,labels[,Usage][,country ...]",
            ),
            ("stage-1/sample_submission.csv", "image_id,labels"),
            ("stage-2/solution.csv", "image_id,labels[,country ...]"),
            ("stage-2/sample_submission.csv", "image_id,labels"),
        ],
        examples: examples!("inclusive-images": "stage-1/solution.csv", "stage-1/sample_submission.csv", "stage-2/solution.csv", "stage-2/sample_submission.csv"),
    },
    Template {
        name: "dfdc",
        title: "Deepfake detection",
        about: "Real against fake by video, as the Deepfake Detection Challenge asks; log loss.",
        files: files!("dfdc"),
        adds: &[
            ("solution.csv", "filename,label[,method ...], label 0 or 1"),
            (
                "sample_submission.csv",
                "filename,label, label a probability of fake",
            ),
        ],
        examples: examples!("dfdc": "solution.csv", "sample_submission.csv"),
    },
    Template {
        name: "faceforensics",
        title: "FaceForensics benchmark",
        about: "Real against fake by image, a column a method; one submission in two weeks.",
        files: files!("faceforensics"),
        adds: &[
            (
                "solution.csv",
                "image,method, method `pristine` where it is real",
            ),
            ("sample_submission.json", "{\"0000.png\": \"real\", ...}"),
        ],
        examples: examples!("faceforensics": "solution.csv", "sample_submission.json"),
    },
    Template {
        name: "landmark-recognition",
        title: "Landmark recognition",
        about: "The landmark of a photo, if any, with a confidence; GAP.",
        files: files!("landmark-recognition"),
        adds: &[
            ("solution.csv", "id,landmarks[,region ...]"),
            (
                "sample_submission.csv",
                "id,landmarks, a class and a confidence",
            ),
        ],
        examples: examples!("landmark-recognition": "solution.csv", "sample_submission.csv"),
    },
    Template {
        name: "landmark-retrieval",
        title: "Landmark retrieval",
        about: "All images that show the same landmark as a query; mAP@100.",
        files: files!("landmark-retrieval"),
        adds: &[
            ("solution.csv", "id,images[,region ...]"),
            ("sample_submission.csv", "id,images"),
        ],
        examples: examples!("landmark-retrieval": "solution.csv", "sample_submission.csv"),
    },
    Template {
        name: "few-shot",
        title: "Few-shot classification",
        about: "Frozen episodes over several datasets, as Meta-Dataset draws them; accuracy.",
        files: files!("few-shot"),
        adds: &[
            (
                "episodes.csv",
                "dataset,episode,sample_id,class,role, role support or query",
            ),
            ("sample_submission.csv", "dataset,episode,sample_id,class"),
        ],
        examples: examples!("few-shot": "episodes.csv", "sample_submission.csv"),
    },
];

/// Why a template could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("`{0}` is not an empty folder; name one that is not there yet")]
    Taken(std::path::PathBuf),
    #[error("`{path}`: {error}")]
    Io {
        path: std::path::PathBuf,
        error: io::Error,
    },
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// The template of that name.
pub fn find(name: &str) -> Option<&'static Template> {
    ALL.iter().find(|template| template.name == name)
}

impl Template {
    /// Writes its files to a folder that is empty or not there yet. It opens on a day that is
    /// far off; what [`Template::adds`] names is still to be put there. `seed` is of its draws, and
    /// nobody else's.
    ///
    /// # Errors
    /// [`TemplateError`]; files that were written before the disk failed are left.
    pub fn write(&self, folder: &Path, seed: u64) -> Result<(), TemplateError> {
        let day = NaiveDate::parse_from_str(OPENS, "%Y-%m-%d").unwrap_or_default();
        self.write_opening(folder, day, seed)
    }

    /// As [`Template::write`]; its first stage opens on that day, and all other times follow.
    ///
    /// # Errors
    /// As [`Template::write`].
    pub fn write_opening(
        &self,
        folder: &Path,
        opens: NaiveDate,
        seed: u64,
    ) -> Result<(), TemplateError> {
        empty(folder)?;
        for (name, text) in self.texts(opens, seed) {
            vault::put(&folder.join(name), text.as_bytes())?;
        }
        Ok(())
    }

    fn texts(&self, opens: NaiveDate, seed: u64) -> impl Iterator<Item = (&'static str, String)> {
        let seed = seed.to_string();
        let filled = move |text| dated(text, opens).replace("{{seed}}", &seed);
        self.files
            .iter()
            .map(move |(name, text)| (*name, filled(text)))
    }

    /// The same and its examples as a zip archive; its first stage opens on that day.
    ///
    /// # Errors
    /// Where it cannot be packed, which has no reason known to us.
    pub fn pack(&self, opens: NaiveDate, seed: u64) -> Result<Vec<u8>, ZipError> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let examples = self.examples.iter();
        let examples = examples.map(|(name, text)| (*name, (*text).to_owned()));
        for (name, text) in self.texts(opens, seed).chain(examples) {
            let name = format!("{}/{name}", self.name);
            zip.start_file(name, SimpleFileOptions::default())?;
            zip.write_all(text.as_bytes())?;
        }
        Ok(zip.finish()?.into_inner())
    }

    /// Writes a few rows of what the host adds, so that the folder can be opened as it is.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn write_examples(&self, folder: &Path) -> Result<(), TemplateError> {
        for (name, text) in self.examples {
            vault::put(&folder.join(name), text.as_bytes())?;
        }
        Ok(())
    }
}

/// Refuses a folder that has anything in it.
pub(crate) fn empty(folder: &Path) -> Result<(), TemplateError> {
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(TemplateError::Taken(folder.to_owned())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(TemplateError::Taken(folder.to_owned()))
        }
        Err(error) => Err(TemplateError::Io {
            path: folder.to_owned(),
            error,
        }),
    }
}

/// A text whose `{{day N}}` are dates.
fn dated(text: &str, opens: NaiveDate) -> String {
    let mut parts = text.split("{{day ");
    let mut dated = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (days, rest) = part.split_once("}}").unwrap_or(("0", part));
        let days = days.trim().parse().unwrap_or(0);
        let day = opens.checked_add_days(Days::new(days)).unwrap_or(opens);
        dated.push_str(&day.format("%Y-%m-%d").to_string());
        dated.push_str(rest);
    }
    dated
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Competition, DefinitionError};

    const SEED: u64 = 1_234_567_890_123;

    #[test]
    fn every_template_is_a_competition_once_its_tables_are_there() {
        for template in ALL {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path().join("new");
            template.write(&folder, SEED).unwrap();
            // Until then exactly they are missing.
            let Err(DefinitionError::Defects { defects, .. }) = Competition::read(&folder) else {
                panic!("{} lacks nothing", template.name);
            };
            let missing: Vec<&str> = template.adds.iter().map(|(name, _)| *name).collect();
            assert_eq!(
                defects.len(),
                missing.len(),
                "{}: {defects:?}",
                template.name
            );
            for (defect, name) in defects.iter().zip(&missing) {
                assert!(
                    defect.problem.contains(name),
                    "{}: {defect:?}",
                    template.name
                );
            }
            for name in missing {
                vault::put(&folder.join(name), b"").unwrap();
            }
            let competition = Competition::read(&folder).unwrap_or_else(|error| panic!("{error}"));
            assert!(competition.merge_until > competition.stages[0].opens);
            let year = competition.stages[0].opens.format("%Y-%m-%d").to_string();
            assert_eq!(year, OPENS);
        }
    }

    #[test]
    fn with_its_examples_a_template_can_be_opened_as_it_is() {
        for template in ALL {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path().join("new");
            template.write(&folder, SEED).unwrap();
            template.write_examples(&folder).unwrap();
            let wanted: Vec<&str> = template.adds.iter().map(|(name, _)| *name).collect();
            let there: Vec<&str> = template.examples.iter().map(|(name, _)| *name).collect();
            assert_eq!(wanted, there, "{}", template.name);
            let checked = crate::check::check(&folder);
            let checked = checked.unwrap_or_else(|error| panic!("{}: {error}", template.name));
            for stage in checked.stages {
                let facts = &stage.facts;
                assert!(facts.public > 0 && facts.private > 0, "{}", template.name);
                let misfits = facts.without_truth.count + facts.not_asked.count;
                assert_eq!(misfits, 0, "{}", template.name);
                assert!(!stage.baselines.is_empty(), "{}", template.name);
                assert!(stage.sample.public.is_some(), "{}", template.name);
            }
        }
    }

    #[test]
    fn no_file_is_overwritten_and_days_follow_the_first() {
        let folder = tempfile::tempdir().unwrap();
        vault::put(&folder.path().join("mine.txt"), b"x").unwrap();
        let template = find("dfdc").unwrap();
        let error = template.write(folder.path(), SEED).unwrap_err();
        assert!(matches!(error, TemplateError::Taken(_)), "{error}");
        let file = folder.path().join("mine.txt");
        assert!(matches!(
            template.write(&file, SEED),
            Err(TemplateError::Taken(_))
        ));
        assert!(find("none").is_none());
        let day = NaiveDate::from_ymd_opt(2027, 2, 27).unwrap();
        assert_eq!(
            dated("a {{day 0}} b {{day 2}}.", day),
            "a 2027-02-27 b 2027-03-01."
        );
    }

    #[test]
    fn pages_of_templates_are_shown_whole() {
        for template in ALL {
            for (name, text) in template
                .files
                .iter()
                .filter(|(name, _)| name.ends_with(".md"))
            {
                let html = crate::markdown::html(text);
                assert!(html.starts_with("<h2>"), "{} {name}: {html}", template.name);
                assert!(!html.contains("{{"), "{} {name}", template.name);
            }
        }
    }
}
