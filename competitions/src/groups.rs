//! How submissions do in each group of a stage's private items: whom a task fails. For hosts.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::{
    board::Row,
    items::ItemsError,
    vault::{self, VaultError},
};

/// Longest file of scores by group, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// The board's metric over the private items of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupScore {
    /// Of the grouping.
    pub columns: Vec<String>,
    /// A value of each.
    pub group: Vec<String>,
    /// Items.
    pub n: u64,
    /// None where it is undefined, or rests on too few items.
    pub value: Option<f64>,
}

/// Keeps a submission's scores by group.
///
/// # Errors
/// Where the disk fails.
pub fn write(path: &Path, groups: &[GroupScore]) -> Result<(), VaultError> {
    // Numbers and text: nothing fails.
    let bytes = serde_json::to_vec(groups).unwrap_or_default();
    vault::put(path, &bytes)
}

/// Reads them; none where the submission was scored before they were kept.
///
/// # Errors
/// Where the file cannot be read, or is no such file.
pub fn read(path: &Path) -> Result<Option<Vec<GroupScore>>, ItemsError> {
    let name = || path.display().to_string();
    let bytes = match File::open(path) {
        Ok(file) => {
            let mut bytes = Vec::new();
            let whole = file.take(MAX_BYTES + 1).read_to_end(&mut bytes);
            whole.map_err(|error| ItemsError::Io {
                path: name(),
                error,
            })?;
            bytes
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(ItemsError::Io {
                path: name(),
                error,
            });
        }
    };
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ItemsError::Form(name()));
    }
    let groups = serde_json::from_slice(&bytes).map_err(|_| ItemsError::Form(name()))?;
    Ok(Some(groups))
}

/// How all teams of a board do in one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub columns: Vec<String>,
    pub group: Vec<String>,
    /// Items.
    pub n: u64,
    /// Teams with a value.
    pub teams: u32,
    /// Teams that are better than every constant answer here.
    pub better: u32,
    /// Least, quartiles, most: of teams' values, by linear interpolation (Hyndman and Fan 1996,
    /// type 7). None without a team that has one.
    pub quantiles: Option<[f64; 5]>,
    /// The best constant answer's value.
    pub constant: Option<f64>,
}

impl Spread {
    /// No team is better here than answering the same to everything.
    pub fn fails_everyone(&self) -> bool {
        self.teams > 0 && self.constant.is_some() && self.better == 0
    }
}

/// How the rows of a board do by group, in the order of groupings and groups. `scores` gives a
/// submission's; rows without are left out.
///
/// # Errors
/// What `scores` fails with.
pub fn spread<E>(
    rows: &[Row],
    higher_is_better: bool,
    scores: impl Fn(i64) -> Result<Option<Vec<GroupScore>>, E>,
) -> Result<Vec<Spread>, E> {
    #[derive(Default)]
    struct Found {
        n: u64,
        teams: Vec<f64>,
        constant: Option<f64>,
    }
    let is_better = |a: f64, b: f64| match higher_is_better {
        true => a > b,
        false => a < b,
    };
    // Groupings in the order they are met in.
    let mut order: Vec<Vec<String>> = Vec::new();
    let mut found: BTreeMap<(usize, Vec<String>), Found> = BTreeMap::new();
    for row in rows {
        for score in scores(row.submission)?.unwrap_or_default() {
            let known = order.iter().position(|columns| *columns == score.columns);
            let at = known.unwrap_or(order.len());
            if known.is_none() {
                order.push(score.columns);
            }
            let group = found.entry((at, score.group)).or_default();
            group.n = group.n.max(score.n);
            let Some(value) = score.value else {
                continue;
            };
            match row.team {
                Some(_) => group.teams.push(value),
                None if group.constant.is_none_or(|best| is_better(value, best)) => {
                    group.constant = Some(value);
                }
                None => {}
            }
        }
    }
    let spread = found.into_iter().map(|((at, group), mut of)| {
        of.teams.sort_by(f64::total_cmp);
        let better = |constant: f64| of.teams.iter().filter(|v| is_better(**v, constant)).count();
        Spread {
            columns: order[at].clone(),
            group,
            n: of.n,
            better: of.constant.map_or(of.teams.len(), better) as u32,
            teams: of.teams.len() as u32,
            quantiles: quantiles(&of.teams),
            constant: of.constant,
        }
    });
    Ok(spread.collect())
}

fn quantiles(sorted: &[f64]) -> Option<[f64; 5]> {
    let last = sorted.len().checked_sub(1)?;
    Some([0.0, 0.25, 0.5, 0.75, 1.0].map(|q| {
        let at = q * last as f64;
        let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
        low + (at - at.floor()) * (high - low)
    }))
}

/// A group in which a submission's score is another by a corrected truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub columns: Vec<String>,
    pub group: Vec<String>,
    pub before: f64,
    pub now: f64,
}

/// Where a submission's score changed most, by the items that it weighs: none where it did in no
/// group that both show.
pub fn most_changed(before: &[GroupScore], now: &[GroupScore]) -> Option<Change> {
    let changes = now.iter().filter_map(|new| {
        let same = |old: &&GroupScore| old.columns == new.columns && old.group == new.group;
        let old = before.iter().find(same)?;
        let (from, to) = (old.value?, new.value?);
        let weight = (to - from).abs() * new.n as f64;
        (weight > 0.0).then_some((weight, new, from, to))
    });
    // Among equals the first.
    let most = changes.reduce(|most, next| if next.0 > most.0 { next } else { most });
    most.map(|(_, group, before, now)| Change {
        columns: group.columns.clone(),
        group: group.group.clone(),
        before,
        now,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use chrono::DateTime;

    use super::*;

    fn score(group: &str, n: u64, value: impl Into<Option<f64>>) -> GroupScore {
        GroupScore {
            columns: vec!["country".to_owned()],
            group: vec![group.to_owned()],
            n,
            value: value.into(),
        }
    }

    fn row(team: Option<i64>, submission: i64) -> Row {
        Row {
            rank: None,
            team,
            name: String::new(),
            value: None,
            columns: Vec::new(),
            submission,
            at: DateTime::UNIX_EPOCH,
            entries: 1,
        }
    }

    #[test]
    fn a_group_that_nobody_does_better_in_than_a_constant_answer_is_told() {
        let rows = [
            row(Some(1), 10),
            row(None, 11),
            row(Some(2), 12),
            row(Some(3), 13),
        ];
        let scores = |seq: i64| -> Result<Option<Vec<GroupScore>>, ItemsError> {
            Ok(match seq {
                10 => Some(vec![
                    score("in", 40, 0.25),
                    score("ke", 30, 0.5),
                    score("nz", 3, None),
                ]),
                11 => Some(vec![
                    score("in", 40, 0.5),
                    score("ke", 30, 0.25),
                    score("nz", 3, None),
                ]),
                12 => Some(vec![
                    score("in", 40, 0.5),
                    score("ke", 30, 0.75),
                    score("nz", 3, None),
                ]),
                // Scored before groups were kept.
                _ => None,
            })
        };
        let found = spread(&rows, true, scores).unwrap();
        let facts: Vec<_> = found
            .iter()
            .map(|s| {
                (
                    s.group[0].as_str(),
                    s.n,
                    s.teams,
                    s.better,
                    s.fails_everyone(),
                )
            })
            .collect();
        assert_eq!(
            facts,
            [
                ("in", 40, 2, 0, true),
                ("ke", 30, 2, 2, false),
                ("nz", 3, 0, 0, false)
            ]
        );
        assert_eq!(found[0].quantiles, Some([0.25, 0.3125, 0.375, 0.4375, 0.5]));
        assert_eq!((found[0].constant, found[2].quantiles), (Some(0.5), None));
        // Where less is better, the other is beaten.
        let found = spread(&rows, false, scores).unwrap();
        assert_eq!((found[0].better, found[1].better), (1, 0));
    }

    #[test]
    fn the_most_changed_group_is_the_one_that_weighs_most() {
        let before = [
            score("in", 10, 0.5),
            score("ke", 100, 0.5),
            score("nz", 5, 0.0),
        ];
        let now = [
            score("in", 10, 0.75),
            score("ke", 98, 0.625),
            score("nz", 3, None),
        ];
        let most = most_changed(&before, &now).unwrap();
        assert_eq!(
            (most.group, most.before, most.now),
            (vec!["ke".to_owned()], 0.5, 0.625)
        );
        assert_eq!(most_changed(&before, &before), None);
    }

    #[test]
    fn scores_by_group_come_back_and_damage_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groups.json");
        assert_eq!(read(&path).unwrap(), None);
        let kept = [score("in", 40, 0.25), score("nz", 3, None)];
        write(&path, &kept).unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some(&kept[..]));
        fs::write(&path, "[{").unwrap();
        assert!(matches!(read(&path), Err(ItemsError::Form(_))));
    }
}
