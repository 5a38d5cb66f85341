//! One file on its own: what stands in which column, and whom it answers.
//!
//! A competition reads its truth and a sample submission before anybody answers, and holds
//! every answer's ids against the sample's, so that what is said of them rests on no truth.

use std::path::Path;

use fairframe_schemas::Column;
use fairframe_schemas::episode::{DATASET, EPISODE};
use fairframe_schemas::report::{Defect, DefectKind, InputRole, TaskForm};

use crate::check::{self, Defects, Roles, Usage};
use crate::forms;
use crate::names::Names;
use crate::read::{Limits, ReadError, Table, read_table};

/// Between the parts of a key that has several: no text of a table is split by it.
const PART: char = '\u{1f}';

/// A file, read whole, whose columns are known.
pub struct Sheet {
    pub table: Table,
    /// Which column is what; None, with a defect, where they are not there.
    pub roles: Option<Roles>,
    /// What is wrong with its shape: not with its values, which the task form reads.
    pub defects: Vec<Defect>,
    role: InputRole,
    keys: Vec<usize>,
}

/// Reads a file of a task form on its own. `id` names the column with the ids, which is found
/// by its usual names where None.
pub fn read(
    form: TaskForm,
    role: InputRole,
    path: &Path,
    id: Option<&str>,
    limits: &Limits,
) -> Result<Sheet, ReadError> {
    let is_header = |fields: &[String]| check::is_header(form, role, fields);
    let table = read_table(path, limits, forms::json_part(form, role), &is_header)?;
    let mut defects = Defects::default();
    let roles = check::roles(form, role, &table, id, &mut defects);
    let keys = roles.map_or_else(Vec::new, |roles| match form {
        TaskForm::FewShot => {
            let of_episode = [DATASET, EPISODE].map(|name| table.find(&[name]));
            let mut keys: Vec<usize> = of_episode.into_iter().flatten().collect();
            keys.push(table.find(&[Column::SampleId.name()]).unwrap_or(roles.id));
            keys
        }
        _ => [Some(roles.id), roles.frame]
            .into_iter()
            .flatten()
            .collect(),
    });
    Ok(Sheet {
        table,
        roles,
        defects: defects.into_list(),
        role,
        keys,
    })
}

/// What the columns of a file without a header are called: the id, and what is said of it.
pub fn column_names(form: TaskForm, role: InputRole) -> [&'static str; 2] {
    [
        check::usual_id(),
        forms::shape(form)
            .names(role)
            .first()
            .copied()
            .unwrap_or("value"),
    ]
}

impl Sheet {
    /// What a row is of: its id, spaces around it left out; its frame too, or its episode.
    pub fn key(&self, row: usize) -> String {
        let mut key = String::new();
        for (at, column) in self.keys.iter().enumerate() {
            if at > 0 {
                key.push(PART);
            }
            key.push_str(self.table.columns[*column].text(row).trim());
        }
        key
    }

    /// The columns whose values make the key.
    pub fn key_columns(&self) -> &[usize] {
        &self.keys
    }

    /// The same whose rows are of their id alone, though they name frames.
    #[must_use]
    pub fn by_id(mut self) -> Self {
        self.keys.truncate(1);
        self
    }

    /// The keys of all rows, numbered; a row whose id is empty is left out.
    pub fn keys(&self) -> Names {
        let mut names = Names::default();
        if self.keys.is_empty() {
            return names;
        }
        for row in 0..self.table.len() {
            match self.keys.as_slice() {
                [only] => {
                    let text = self.table.columns[*only].text(row);
                    if !text.trim().is_empty() {
                        names.code(text.trim());
                    }
                }
                _ => {
                    names.code(&self.key(row));
                }
            }
        }
        names
    }

    /// Whether the row counts for a usage: all rows but ignored ones where it is None.
    pub fn counts(&self, row: usize, usage: Option<&str>) -> bool {
        let column = self.roles.and_then(|roles| roles.usage);
        let text = column.map(|at| self.table.columns[at].text(row));
        let usage = Usage(usage.map(str::to_owned));
        text.is_none_or(|text| usage.counts(text.trim()))
    }

    /// Answers that are not asked for, and those that are and are not there, beside what is
    /// wrong with this file's shape. Where nothing that is asked for is answered, that alone
    /// is said of the ids.
    pub fn against(&self, asked: &Names) -> Vec<Defect> {
        let mut defects = Defects::default();
        if !self.keys.is_empty() {
            let mut answered = vec![false; asked.len()];
            let mut unknown = Vec::new();
            for row in 0..self.table.len() {
                let key = self.key(row);
                match asked.find(&key) {
                    Some(code) => answered[code as usize] = true,
                    None if key.is_empty() => {}
                    None => unknown.push((row, key)),
                }
            }
            let column = self.table.name(self.keys[self.keys.len() - 1]);
            let words = |key: &str| key.replace(PART, ", ");
            if !asked.is_empty() && answered.iter().all(|answered| !answered) {
                let text = format!("0 of {} ids", asked.len());
                defects.add(self.role, DefectKind::NoIdKnown, None, None, &text);
            } else {
                for (row, key) in unknown {
                    let (line, column) = (Some(self.table.line(row)), Some(column.clone()));
                    let kind = DefectKind::UnknownId;
                    defects.add(self.role, kind, line, column, &words(&key));
                }
                for (key, _) in asked.iter().zip(&answered).filter(|(_, there)| !**there) {
                    let kind = DefectKind::MissingId;
                    defects.add(self.role, kind, None, None, &words(key));
                }
            }
        }
        let mut list = self.defects.clone();
        list.extend(defects.into_list());
        list
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn sheet(form: TaskForm, role: InputRole, text: &str) -> Sheet {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        read(form, role, file.path(), None, &Limits::default()).unwrap()
    }

    #[test]
    fn ids_are_held_against_those_asked_for() {
        let (form, role) = (TaskForm::MultiLabel, InputRole::Submission);
        let sample = sheet(form, role, "image_id,labels\na,x\nb,x\nc,\n").keys();
        let given = sheet(form, role, "image_id,labels\nb,\nd,y\n,y\n");
        let found = given.against(&sample);
        let found: Vec<_> = found.iter().map(|d| (d.kind, d.count)).collect();
        assert_eq!(
            found,
            [(DefectKind::MissingId, 2), (DefectKind::UnknownId, 1)]
        );
        let none = sheet(form, role, "image_id,labels\nz,\n").against(&sample);
        assert_eq!(none[0].kind, DefectKind::NoIdKnown);
        assert_eq!(none.len(), 1);
    }

    #[test]
    fn frames_and_episodes_are_part_of_a_key() {
        let role = InputRole::Submission;
        let frames = "video_id,frame,score\nv,1,0.5\nv,2,0.5\n";
        let frames = sheet(TaskForm::Detection, role, frames).keys();
        assert_eq!(frames.len(), 2);
        let few = "dataset,episode,sample_id,class\nd,0,s,x\nd,1,s,x\n";
        assert_eq!(sheet(TaskForm::FewShot, role, few).keys().len(), 2);
    }

    #[test]
    fn a_file_without_a_header_has_its_usual_names() {
        let (form, role) = (TaskForm::MultiLabel, InputRole::Solution);
        let truth = sheet(form, role, "2b2b,/m/07j7r /m/01\n3c3c,\n");
        assert!(truth.table.names.is_empty() && truth.counts(0, None));
        assert_eq!(column_names(form, role), ["image_id", "labels"]);
        assert_eq!(truth.key(1), "3c3c");
    }
}
