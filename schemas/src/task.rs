//! `task.toml`: what a submission is judged by. Its JSON Schema is made from
//! these types (`fairframe schema task`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::{Bootstrap, TaskForm};
use crate::sample::text_enum;
use crate::source::{SourceTomlError, toml_error};

text_enum! {
    /// How a video's score is made of its frames' scores.
    #[derive(Default)]
    Pooling {
        /// Their mean.
        #[default]
        Mean = "mean",
        /// The highest.
        Max = "max",
        /// The middle one, or the mean of the two in the middle.
        Median = "median",
    }
}

/// A task. What is left out has the default of the command line, whose
/// options override what stands here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskToml {
    /// What a submission answers.
    pub form: TaskForm,
    /// The column with the ids, in both files; found by its usual names when absent.
    pub id: Option<String>,
    /// Score only rows of the solution with this usage; all but `Ignored` when absent.
    pub usage: Option<String>,
    /// Columns to report by; up to three cross with `+`, such as `country+method`.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Column whose values are resampled whole (video, uploader, subject).
    pub cluster: Option<String>,
    /// Columns within whose values groups are compared too.
    #[serde(default)]
    pub controls: Vec<String>,
    /// Groups that rest on fewer are suppressed; 30 when absent.
    pub min_n: Option<u64>,
    #[serde(default)]
    pub metric: MetricOptions,
    #[serde(default)]
    pub intervals: IntervalOptions,
}

/// What bears on the values of `detection`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricOptions {
    /// A score at or over it is called fake; 0.5 when absent.
    pub threshold: Option<f64>,
    /// Log loss clips scores to [eps, 1 - eps]; 1e-15 when absent.
    pub eps: Option<f64>,
    /// A truth at or over it is fake, where labels are smoothed.
    pub truth_threshold: Option<f64>,
    /// How a video's score is made of its frames' scores; their mean when absent.
    pub pooling: Option<Pooling>,
    /// The score of what has none, such as a video in which no face was found; 0.5 when absent.
    pub no_score: Option<f64>,
    /// Bins of the calibration error; 15 when absent.
    pub calibration_bins: Option<u32>,
}

/// Uncertainty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntervalOptions {
    /// Seed of all resampling; 0 when absent.
    pub seed: Option<u64>,
    /// Resamples of each group; 1000 when absent.
    pub resamples: Option<u32>,
    /// Nominal coverage; 0.95 when absent.
    pub level: Option<f64>,
    /// Kind of the bootstrap intervals; percentile when absent.
    pub bootstrap: Option<Bootstrap>,
    /// Permutations that say what a gap is by chance, 0 for none; 1000 when absent.
    pub permutations: Option<u32>,
}

impl TaskToml {
    /// A task of which only the form is said.
    pub fn of_form(form: TaskForm) -> Self {
        Self {
            form,
            id: None,
            usage: None,
            groups: Vec::new(),
            cluster: None,
            controls: Vec::new(),
            min_n: None,
            metric: MetricOptions::default(),
            intervals: IntervalOptions::default(),
        }
    }

    /// Parses a `task.toml`; an unknown key is an error that names the nearest
    /// known one. Ranges are checked where the options are used.
    pub fn parse(text: &str) -> Result<Self, SourceTomlError> {
        toml::from_str(text).map_err(|error| toml_error(text, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_enough_and_all_can_be_said() {
        let task = TaskToml::parse("form = \"recognition\"\n").unwrap();
        assert_eq!(task.form, TaskForm::Recognition);
        assert_eq!(task.metric, MetricOptions::default());
        let text = "form = \"detection\"\nid = \"clip\"\ngroups = [\"country+method\"]\nmin_n = 50\n\
                    [metric]\npooling = \"median\"\nno_score = 0.0\n[intervals]\nlevel = 0.9\n";
        let task = TaskToml::parse(text).unwrap();
        assert_eq!(task.metric.pooling, Some(Pooling::Median));
        assert_eq!((task.min_n, task.intervals.level), (Some(50), Some(0.9)));
    }

    #[test]
    fn an_unknown_key_or_word_names_the_nearest_and_its_line() {
        for (text, words) in [
            (
                "form = \"detection\"\n[metric]\npoolin = 1\n",
                "line 3, column 1: ",
            ),
            (
                "form = \"detection\"\n[metric]\npoolin = 1\n",
                "did you mean `pooling`?",
            ),
            ("form = \"detectoin\"\n", "did you mean `detection`?"),
            (
                "form = \"detection\"\ngroup = []\n",
                "did you mean `groups`?",
            ),
        ] {
            let error = TaskToml::parse(text).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(
            TaskToml::parse("")
                .unwrap_err()
                .to_string()
                .contains("form")
        );
    }
}
