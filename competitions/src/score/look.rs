//! A submission looked at on its own: what a team is told before anything is scored.

use std::{collections::BTreeMap, path::Path};

use fairframe_eval::{
    check::Defects,
    metrics::retrieval::MAX_ANSWERS,
    names::Names,
    read::{Limits, ReadError},
    sheet::{self, Sheet},
};
use fairframe_schemas::report::{Defect, DefectAt, DefectKind, InputRole, TaskForm};

use super::{ScoreError, ScoreOptions};
use crate::prepare::{self, Asked};

/// A submission looked at on its own.
pub(super) enum Looked {
    Unreadable(Defect),
    Sheet(Vec<Defect>),
}

/// Holds a submission's shape and ids against the sample submission.
pub(super) fn look(options: &ScoreOptions<'_>) -> Result<Looked, ScoreError> {
    let asked = Asked::read(options.truth)?;
    let task = &options.competition.toml.task;
    let (id, limits) = (task.id.as_deref(), Limits::default());
    let role = InputRole::Submission;
    match sheet::read(task.form, role, options.submission, id, &limits) {
        Ok(sheet) => {
            // Where only one of the files names frames, ids are held against each other.
            let frames = [asked.columns.len() > 1, sheet.key_columns().len() > 1];
            let by_id = task.form == TaskForm::Detection && frames[0] != frames[1];
            let mut names = Names::default();
            names.codes(asked.keys.len(), |at| {
                let key = asked.keys[at].as_str();
                if by_id { prepare::id_of(key) } else { key }
            });
            let sheet = if by_id { sheet.by_id() } else { sheet };
            let mut defects = sheet.against(&names);
            defects.extend(of_rows(task.form, &sheet));
            Ok(Looked::Sheet(defects))
        }
        // What the system says is no fault of the file's; what a decoder says has no number.
        Err(ReadError::Io { source, .. }) if source.raw_os_error().is_some() => {
            Err(ScoreError::Io(source))
        }
        Err(error) => Ok(Looked::Unreadable(unreadable(&error, options.submission))),
    }
}

/// What the evaluator would say of rows that it scores only: here it is said of all.
fn of_rows(form: TaskForm, sheet: &Sheet) -> Vec<Defect> {
    let mut found = Defects::default();
    let Some(roles) = sheet.roles else {
        return Vec::new();
    };
    let (table, role) = (&sheet.table, InputRole::Submission);
    let column = &table.columns[roles.value];
    let mut add = |kind, row: usize, key: &str| {
        let text = prepare::words(key);
        found.add(role, kind, Some(table.line(row)), None, &text);
    };
    match form {
        TaskForm::Retrieval => {
            for row in 0..table.len() {
                let text = column.text(row);
                if text.split_whitespace().nth(MAX_ANSWERS).is_some() {
                    add(DefectKind::TooManyAnswers, row, &sheet.key(row));
                }
            }
        }
        TaskForm::FewShot => {
            let mut seen: BTreeMap<String, usize> = BTreeMap::new();
            for row in 0..table.len() {
                let key = sheet.key(row);
                match seen.get(&key) {
                    Some(earlier) if column.text(*earlier).trim() == column.text(row).trim() => {
                        add(DefectKind::RepeatedId, row, &key);
                    }
                    Some(_) => add(DefectKind::ConflictingId, row, &key),
                    None => {
                        seen.insert(key, row);
                    }
                }
            }
        }
        _ => {}
    }
    found.into_list()
}

/// A file that is none, in words that do not tell where it is.
fn unreadable(error: &ReadError, path: &Path) -> Defect {
    let place = format!("`{}`", path.display());
    let text = match error {
        // Bytes that are no archive come as one, too.
        ReadError::Io { source, .. } => source.to_string(),
        error => error.to_string().replace(&place, "the file"),
    };
    Defect {
        file: InputRole::Submission,
        kind: DefectKind::Unreadable,
        fatal: true,
        count: 1,
        shown: vec![DefectAt {
            row: None,
            column: None,
            text: text.chars().take(300).collect(),
        }],
    }
}
