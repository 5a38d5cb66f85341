//! Control columns: groups compared among items that are alike in something
//! else, such as countries within one income band (fairlearn's control features).

use fairframe_schemas::report::{Estimate, GapNull};

use crate::groups::{GroupColumn, JudgedCell, Judging, judge_groups};
use crate::metrics::Form;
use crate::permutation::nulls;

/// The groups of one level of the controls.
pub struct JudgedLevel {
    pub level: Vec<String>,
    /// All items of the level, per metric.
    pub overall: Vec<Estimate>,
    /// Named by the grouping's columns alone.
    pub cells: Vec<JudgedCell>,
    pub nulls: Vec<Option<GapNull>>,
}

/// Judges a grouping within every level of the controls, levels in the order
/// of their names; nothing where there are no controls.
pub fn judge_within<F: Form>(
    form: &F,
    controls: &[&GroupColumn],
    crossed: &[&GroupColumn],
    judging: &Judging<'_>,
    permutations: u32,
) -> Vec<JudgedLevel> {
    let apart = |control: &&&GroupColumn| crossed.iter().all(|c| c.name != control.name);
    let controls: Vec<&GroupColumn> = controls.iter().filter(apart).copied().collect();
    if controls.is_empty() {
        return Vec::new();
    }
    let all: Vec<&GroupColumn> = controls.iter().chain(crossed).copied().collect();
    let mut cells = judge_groups(form, &all, judging).into_iter().peekable();
    judge_groups(form, &controls, judging)
        .into_iter()
        .map(|whole| {
            // Both are in the order of their names, so a level's cells stand together.
            let mut here = Vec::new();
            while let Some(mut cell) =
                cells.next_if(|cell| cell.group[..controls.len()] == whole.group[..])
            {
                cell.group.drain(..controls.len());
                here.push(cell);
            }
            let mut key: Vec<String> = all.iter().map(|column| column.name.clone()).collect();
            key.extend(whole.group.iter().cloned());
            JudgedLevel {
                nulls: nulls(form, &key, &here, judging, permutations),
                level: whole.group,
                overall: whole.estimates,
                cells: here,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intervals::Resampling;
    use crate::metrics::detection::{Detection, METRICS, Options, Scored};

    /// Simpson: group a does worse overall and as well within each method,
    /// as it has more of the hard one.
    #[test]
    fn a_gap_that_the_control_explains_is_none_within_it() {
        let mut items = Vec::new();
        let (mut groups, mut methods) = (Vec::new(), Vec::new());
        for (group, method, n, right) in [
            ("a", "easy", 40, 36),
            ("a", "hard", 160, 80),
            ("b", "easy", 160, 144),
            ("b", "hard", 40, 20),
        ] {
            for at in 0..n {
                items.push(Scored {
                    score: if at < right { 0.9 } else { 0.1 },
                    fake: true,
                });
                groups.push(Some(group));
                methods.push(Some(method));
            }
        }
        let form = Detection {
            items: items.into_iter().collect(),
            options: Options::default(),
        };
        let group = GroupColumn::new("g", groups.into_iter());
        let method = GroupColumn::new("method", methods.into_iter());
        let judging = Judging {
            min_n: 30,
            resampling: Resampling {
                resamples: 0,
                seed: 0,
                level: 0.95,
                kind: Default::default(),
            },
            level: "sample",
            clusters: None,
        };
        let at = METRICS.iter().position(|m| m.name == "accuracy").unwrap();
        let value = |cell: &JudgedCell| cell.estimates[at].value.unwrap();
        let overall = judge_groups(&form, &[&group], &judging);
        assert!((value(&overall[1]) - value(&overall[0]) - 0.24).abs() < 1e-12);
        let levels = judge_within(&form, &[&method], &[&group], &judging, 200);
        let names: Vec<&str> = levels.iter().map(|l| l.level[0].as_str()).collect();
        assert_eq!(names, ["easy", "hard"]);
        for (level, share) in levels.iter().zip([0.9, 0.5]) {
            assert_eq!(level.cells[0].group, ["a"]);
            assert_eq!(level.overall[at].value, Some(share));
            assert!(level.cells.iter().all(|cell| value(cell) == share));
            assert_eq!(level.nulls[at].as_ref().unwrap().p, 1.0);
        }
        // A column does not control for itself.
        assert!(judge_within(&form, &[&group], &[&group], &judging, 200).is_empty());
    }
}
