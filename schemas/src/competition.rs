//! `competition.toml`: a task that many answer, when, how often, and what a leaderboard
//! shows of it. Its JSON Schema is made from these types (`fairframe schema competition`).
//!
//! Times stand as text, such as `2018-09-05 00:00` (in the competition's time zone) or
//! `2018-09-05T00:00:00+02:00`; `competitions` reads them, since a zone's rules are not
//! for a leaf crate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sample::text_enum;
use crate::source::{Name, SourceTomlError, toml_error};
use crate::task::TaskToml;

/// A competition as its host declares it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CompetitionToml {
    /// Its name in addresses.
    pub competition: Name,
    /// Its title for people.
    pub title: String,
    /// One sentence, for lists.
    #[serde(default)]
    pub summary: String,
    /// IANA name of the zone that times without an offset, and days, are meant in.
    pub timezone: String,
    /// What a submission answers, and how it is judged.
    pub task: TaskToml,
    pub board: BoardToml,
    #[serde(default)]
    pub limits: LimitsToml,
    #[serde(default)]
    pub teams: TeamsToml,
    /// What must be accepted before anything can be submitted.
    pub rules: Option<RulesToml>,
    #[serde(default)]
    pub external_data: ExternalDataToml,
    /// One after the other; the last one's private board is final.
    #[serde(rename = "stage")]
    pub stages: Vec<StageToml>,
    /// Texts in Markdown, shown as pages in this order.
    #[serde(default, rename = "page")]
    pub pages: Vec<PageToml>,
}

/// A time with data of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageToml {
    /// Its name in addresses.
    pub name: Name,
    pub title: String,
    /// Submissions are taken from here on.
    pub opens: String,
    /// The first moment at which none is taken any more.
    pub closes: String,
    /// When the private board and the truth's share of it are shown; `closes` when absent.
    pub reveals: Option<String>,
    /// The truth, beside this file: `Usage` says which rows are public, private, ignored.
    /// Never leaves the server.
    pub solution: String,
    /// A well-formed answer to every item: says what ids there are.
    pub sample_submission: String,
    /// Where the solution has no `Usage`: the share of items whose score is public, drawn by
    /// id with `seed`. All are private and public at once when absent.
    pub public_share: Option<f64>,
    /// Seed of that draw, drawn at random and kept to oneself: whoever knows it knows which ids are
    /// public. At least 2^32.
    pub seed: Option<u64>,
    /// Column whose values are drawn whole (video, uploader), so that none stands on both sides.
    pub drawn_by: Option<String>,
    /// Days during which a team that submitted may not submit again (FaceForensics: 14).
    pub block_days: Option<u32>,
}

text_enum! {
    /// Who shares a rank.
    #[derive(Default)]
    TieRule {
        /// Teams whose scores do not differ by a paired test at 95% from the first of the rank.
        #[default]
        Paired = "paired",
        /// Equal scores only.
        Equal = "equal",
        /// Nobody: of equal scores the earlier one stands before.
        Earlier = "earlier",
    }
}

/// What is shown of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shows {
    /// The value overall.
    #[default]
    Overall,
    /// The value of one group (`grouping`, `group`).
    Group,
    /// The worst value of a grouping's groups that are not suppressed, and which it is.
    WorstGroup,
    /// The largest difference between a grouping's groups that are not suppressed.
    Difference,
}

/// A leaderboard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BoardToml {
    /// The metric that ranks, as `report.json` names it, such as `f2_mean`. With weights on
    /// columns, their weighted mean ranks instead.
    pub metric: String,
    #[serde(default)]
    pub ties: TieRule,
    /// A guard against fitting the board; none when absent.
    pub ladder: Option<LadderToml>,
    /// Columns beside the ranking one.
    #[serde(default, rename = "column")]
    pub columns: Vec<BoardColumnToml>,
    /// Weight of the ranking metric itself, where columns have weights.
    pub weight: Option<f64>,
    /// Whether everybody sees the board, or people who log in; true when absent.
    pub public: Option<bool>,
}

/// A column of a leaderboard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BoardColumnToml {
    pub title: String,
    /// The board's own metric when absent.
    pub metric: Option<String>,
    #[serde(default)]
    pub shows: Shows,
    /// Column or crossing of the task's groups, such as `country` or `region+method`.
    pub grouping: Option<String>,
    /// Of `shows = "group"`: its values, in the order of the grouping's columns.
    #[serde(default)]
    pub group: Vec<String>,
    /// Its share in what ranks.
    pub weight: Option<f64>,
    /// Hidden from everybody but hosts until then; never when absent.
    pub hidden_until: Option<String>,
}

/// The Ladder (Blum and Hardt 2015): a public score changes only where the new one is
/// better by more than chance would make it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, tag = "form", rename_all = "kebab-case")]
pub enum LadderToml {
    /// Better by `step` at least; scores are shown rounded to it.
    Step { step: f64 },
    /// Better by the standard error of the paired difference of the items' scores.
    ParameterFree,
}

/// How much may be handed in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsToml {
    /// Submissions of a team in a day of the competition's zone.
    pub per_day: u32,
    /// Submissions of a team in a stage; no limit when absent.
    pub total: Option<u32>,
    /// Most bytes of a submission's file, as sent.
    pub file_bytes: u64,
    /// Submissions a team may choose to be judged by in private.
    pub selections: u32,
    /// Whether a submission that is refused for its defects uses up the limits.
    pub count_invalid: bool,
    /// Most seconds a submission is scored for.
    pub score_seconds: u32,
    /// Most megabytes (10^6 bytes) of memory a submission is scored in.
    pub score_megabytes: u32,
}

impl Default for LimitsToml {
    fn default() -> Self {
        Self {
            per_day: 5,
            total: None,
            file_bytes: 100_000_000,
            selections: 2,
            count_invalid: false,
            score_seconds: 120,
            score_megabytes: 4_000,
        }
    }
}

/// Who plays together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TeamsToml {
    /// Most people of a team.
    pub size: u32,
    /// The first moment at which teams neither merge nor take anybody in; the last stage's
    /// `closes` when absent.
    pub merge_until: Option<String>,
}

impl Default for TeamsToml {
    fn default() -> Self {
        Self {
            size: 5,
            merge_until: None,
        }
    }
}

/// Rules to accept. Another version must be accepted anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RulesToml {
    pub version: String,
    /// Markdown file beside this one.
    pub file: String,
}

/// What is asked about data from outside, before a submission is scored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExternalDataToml {
    /// Whether each submission must say what outside data it was made with, or none.
    pub declare: bool,
    /// SPDX expressions outside data may have; any when empty.
    pub licences: Vec<String>,
    /// Whether a declaration must say what people shown in the data consented to.
    pub consent: bool,
}

/// A text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageToml {
    /// Its name in addresses.
    pub name: Name,
    pub title: String,
    /// Markdown file beside this one.
    pub file: String,
}

impl CompetitionToml {
    /// Parses a `competition.toml`; an unknown key is an error that names the nearest
    /// known one. What keys say is checked where they are used.
    pub fn parse(text: &str) -> Result<Self, SourceTomlError> {
        toml::from_str(text).map_err(|error| toml_error(text, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "competition = \"c\"\ntitle = \"C\"\ntimezone = \"UTC\"\n\
        [task]\nform = \"detection\"\n[board]\nmetric = \"log_loss\"\n\
        [[stage]]\nname = \"one\"\ntitle = \"One\"\nopens = \"2026-01-01\"\ncloses = \"2026-02-01\"\n\
        solution = \"s.csv\"\nsample_submission = \"a.csv\"\n";

    #[test]
    fn what_is_left_out_has_its_usual_value() {
        let toml = CompetitionToml::parse(LEAST).unwrap();
        assert_eq!(toml.limits, LimitsToml::default());
        assert_eq!(toml.board.ties, TieRule::Paired);
        assert_eq!(toml.stages[0].reveals, None);
    }

    #[test]
    fn a_ladder_is_of_one_form_and_an_unknown_key_names_the_nearest() {
        let ladder = |text: &str| {
            CompetitionToml::parse(&LEAST.replace(
                "metric = \"log_loss\"\n",
                &format!("metric = \"log_loss\"\n{text}\n"),
            ))
        };
        let step = ladder("ladder = { form = \"step\", step = 0.001 }").unwrap();
        assert_eq!(step.board.ladder, Some(LadderToml::Step { step: 0.001 }));
        let free = ladder("ladder = { form = \"parameter-free\" }").unwrap();
        assert_eq!(free.board.ladder, Some(LadderToml::ParameterFree));
        assert!(ladder("ladder = { form = \"step\" }").is_err());
        let error = ladder("tie = \"paired\"").unwrap_err().to_string();
        assert!(error.contains("did you mean `ties`?"), "{error}");
    }
}
