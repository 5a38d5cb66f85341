//! The whole check of a table: every defect at once, with row and column.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use ahash::RandomState;
use fairframe_schemas::Column;
use fairframe_schemas::report::{Defect, DefectAt, DefectKind, InputRole, TaskForm};

use rayon::prelude::*;

use crate::codes::Codes;
use crate::forms;
use crate::names::Names;
use crate::parts::{each, filled, parts};
use crate::read::{Table, Values};

/// Defects of one kind that are shown; the rest is counted.
pub const MAX_SHOWN: usize = 20;
/// Characters of an id or value that are shown.
const MAX_TEXT: usize = 80;

/// Collects defects, bounded.
#[derive(Debug, Default)]
pub struct Defects {
    found: BTreeMap<(InputRole, DefectKind), (u64, Vec<DefectAt>)>,
    /// See [`crate::EvalOptions::quiet_ids`].
    quiet_ids: bool,
}

impl Defects {
    pub(crate) fn new(quiet_ids: bool) -> Self {
        Self {
            quiet_ids,
            ..Self::default()
        }
    }

    pub fn add(
        &mut self,
        file: InputRole,
        kind: DefectKind,
        row: Option<u64>,
        column: Option<String>,
        text: &str,
    ) {
        if self.quiet_ids && file == InputRole::Submission && kind.is_of_ids() {
            return;
        }
        let (count, shown) = self.found.entry((file, kind)).or_default();
        *count += 1;
        if shown.len() < MAX_SHOWN {
            shown.push(DefectAt {
                row,
                column,
                text: text.chars().take(MAX_TEXT).collect(),
            });
        }
    }

    pub fn has(&self, file: InputRole, kind: DefectKind) -> bool {
        self.found.contains_key(&(file, kind))
    }

    pub fn any_fatal(&self) -> bool {
        self.found.keys().any(|(_, kind)| kind.is_fatal())
    }

    /// Fatal ones first, then by file and kind.
    pub fn into_list(self) -> Vec<Defect> {
        let mut list: Vec<Defect> = self
            .found
            .into_iter()
            .map(|((file, kind), (count, shown))| Defect {
                file,
                kind,
                fatal: kind.is_fatal(),
                count,
                shown,
            })
            .collect();
        list.sort_by_key(|defect| (!defect.fatal, defect.file, defect.kind));
        list
    }
}

const ID_NAMES: &[&str] = &[
    "image_id",
    "imageid",
    Column::SampleId.name(),
    "video_id",
    "video",
    "filename",
    "file_name",
    "id",
    "image",
    "name",
    "file",
];
/// The id's column where a file does not name it.
pub(crate) const fn usual_id() -> &'static str {
    ID_NAMES[0]
}

const FRAME_NAMES: &[&str] = &["frame", "frame_index", "frame_id", "frame_number"];
const USAGE_NAMES: &[&str] = &["usage"];

/// Whether the first row of a CSV file names columns: it holds a known name,
/// or words where the task form has values of another kind.
pub fn is_header(form: TaskForm, role: InputRole, fields: &[String]) -> bool {
    let shape = forms::shape(form);
    let known = |field: &String| {
        let names = ID_NAMES.iter().chain(shape.names(role));
        names
            .into_iter()
            .any(|name| field.eq_ignore_ascii_case(name))
    };
    let words = |is_value: fn(&str) -> bool| {
        let word = |field: &String| !is_value(field) && field.chars().any(char::is_alphabetic);
        fields.len() > 1 && fields[1..].iter().all(word)
    };
    fields.iter().any(known) || shape.value.is_some_and(words)
}

/// Whether a column of that name may be told to be id, frame, usage, truth
/// or answer.
pub(crate) fn may_have_role(form: TaskForm, role: InputRole, name: &str) -> bool {
    let names = [
        ID_NAMES,
        FRAME_NAMES,
        USAGE_NAMES,
        forms::shape(form).names(role),
    ];
    let mut names = names.into_iter().flatten();
    names.any(|known| name.trim().eq_ignore_ascii_case(known))
}

/// Which column is what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    pub id: usize,
    pub value: usize,
    pub frame: Option<usize>,
    pub usage: Option<usize>,
}

/// Finds the columns; without a header by place (id, value, usage). None,
/// with a defect, where they are not there.
pub fn roles(
    form: TaskForm,
    role: InputRole,
    table: &Table,
    id: Option<&str>,
    defects: &mut Defects,
) -> Option<Roles> {
    for found in &table.defects {
        let column = found.column.clone();
        defects.add(role, found.kind, Some(found.row), column, &found.text);
    }
    if table.names.is_empty() {
        if table.columns.len() < 2 {
            let kind = if table.columns.is_empty() {
                DefectKind::NoRows
            } else {
                DefectKind::WrongHeader
            };
            let text = format!("{} columns instead of 2", table.columns.len());
            defects.add(role, kind, None, None, &text);
            return None;
        }
        return Some(Roles {
            id: 0,
            value: 1,
            frame: None,
            usage: (role == InputRole::Solution && table.columns.len() > 2).then_some(2),
        });
    }
    let mut missing = Vec::new();
    let mut find = |names: &[&str]| {
        let found = table.find(names);
        if found.is_none() {
            missing.push(format!("`{}`", names[0]));
        }
        found
    };
    let id = match id {
        Some(name) => find(&[name]),
        None => find(ID_NAMES),
    };
    let value = find(forms::shape(form).names(role));
    if !missing.is_empty() {
        let text = format!(
            "no column {} among `{}`",
            missing.join(" and "),
            table.names.join("`, `")
        );
        defects.add(role, DefectKind::WrongHeader, Some(1), None, &text);
        return None;
    }
    let roles = Roles {
        id: id?,
        value: value?,
        frame: match form {
            TaskForm::Detection => table.find(FRAME_NAMES),
            _ => None,
        },
        usage: table.find(USAGE_NAMES),
    };
    for at in [roles.id, roles.value].into_iter().chain(roles.frame) {
        let name = &table.names[at];
        let same = |other: &&String| other.eq_ignore_ascii_case(name);
        if table.names.iter().filter(same).count() > 1 {
            let text = format!("column `{name}` stands there more than once");
            defects.add(
                role,
                DefectKind::WrongHeader,
                Some(1),
                Some(name.clone()),
                &text,
            );
            return None;
        }
    }
    if table.is_empty() && table.defects.is_empty() {
        defects.add(role, DefectKind::NoRows, None, None, "a header and no rows");
        return None;
    }
    Some(roles)
}

/// Numbers of the ids and frames of both files.
#[derive(Debug, Clone, Default)]
pub struct Ids {
    pub ids: Names,
    pub frames: Names,
}

/// One checked row per id, in the order of the file.
#[derive(Debug, Default)]
pub struct Checked<V> {
    /// Numbers of [`Ids`].
    pub ids: Arc<Codes>,
    pub frames: Option<Arc<Codes>>,
    pub values: V,
    /// The table's row of each.
    pub rows: Kept,
    /// Rows left out by `Usage`.
    pub ignored: u64,
    /// Their ids, and others that are known but not scored: an answer to one
    /// of them is no defect.
    pub left_out: HashSet<u32>,
    /// The same of frames: id, then frame.
    pub left_out_frames: HashSet<u64>,
}

/// Rows of a table that are kept, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// So many, from the first on.
    First(usize),
    Some(Vec<u32>),
}

impl Default for Kept {
    fn default() -> Self {
        Kept::First(0)
    }
}

impl Kept {
    #[inline]
    pub fn get(&self, at: usize) -> usize {
        match self {
            Kept::First(_) => at,
            Kept::Some(rows) => rows[at] as usize,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Kept::First(len) => *len,
            Kept::Some(rows) => rows.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = usize> {
        (0..self.len()).map(|at| self.get(at))
    }

    fn push(&mut self, row: usize) {
        match self {
            Kept::First(len) if *len == row => *len += 1,
            Kept::First(len) => {
                *self = Kept::Some((0..*len).chain([row]).map(|row| row as u32).collect())
            }
            Kept::Some(rows) => rows.push(row as u32),
        }
    }
}

/// Which rows of a solution count.
#[derive(Debug, Clone, Default)]
pub struct Usage(pub Option<String>);

impl Usage {
    pub(crate) fn counts(&self, text: &str) -> bool {
        match &self.0 {
            Some(wanted) => text.eq_ignore_ascii_case(wanted),
            None => !text.eq_ignore_ascii_case("ignored"),
        }
    }
}

/// The numbers of a column's texts, spaces around them left out.
pub(crate) fn codes(column: &Values, rows: usize, names: &mut Names) -> Arc<Codes> {
    match column {
        Values::Coded {
            codes,
            names: known,
        } => {
            let of: Vec<u32> = known.iter().map(|name| names.code(name.trim())).collect();
            Codes::shared(codes, &of)
        }
        Values::Text(texts) => Arc::new(names.codes(rows, |row| texts.get(row).trim()).into()),
        Values::Number(_) => {
            let codes = (0..rows).map(|row| names.code_in_turn(&column.text(row)));
            Arc::new(codes.collect::<Vec<u32>>().into())
        }
    }
}

/// Whether one of so many keys stands there twice. Files are mostly in the order in which
/// their keys are numbered: then a look is enough.
pub(crate) fn repeats(keys: usize, key: impl Fn(usize) -> u64 + Sync) -> bool {
    let in_order = |part: Range<usize>| {
        let mut last = part.start.checked_sub(1).map(&key);
        let mut is_next = |at: usize| last.replace(key(at)) < last;
        part.into_iter().all(&mut is_next)
    };
    if each(parts(keys), in_order).into_iter().all(|sound| sound) {
        return false;
    }
    twice(filled(keys, key))
}

fn twice(mut keys: Vec<u64>) -> bool {
    keys.par_sort_unstable();
    keys.par_windows(2).any(|pair| pair[0] == pair[1])
}

/// Whether one of so many numbers stands there twice.
fn repeated(codes: &Codes, count: usize) -> bool {
    let mut seen = vec![false; count];
    codes
        .iter()
        .any(|code| std::mem::replace(&mut seen[code as usize], true))
}

/// What the first row of an id is asked: whether it is kept.
pub(crate) enum First<F> {
    /// All are.
    Sound,
    Asked(F),
}

/// Whatever an id's first row holds is kept.
pub(crate) const SOUND: First<fn(usize, &mut Defects) -> bool> = First::Sound;

/// Walks the rows that have an id of their own. `first` is told of each id's
/// first row and keeps it or not; `same` says whether another row of that id
/// gives the same answer.
pub(crate) fn each_id(
    table: &Table,
    roles: Roles,
    role: InputRole,
    usage: &Usage,
    names: &mut Ids,
    defects: &mut Defects,
    mut first: First<impl FnMut(usize, &mut Defects) -> bool>,
    same: impl Fn(usize, usize) -> bool,
) -> Checked<()> {
    let ids = codes(&table.columns[roles.id], table.len(), &mut names.ids);
    let frames = roles
        .frame
        .map(|at| codes(&table.columns[at], table.len(), &mut names.frames));
    let key = |row: usize| {
        let frame = frames.as_ref().map_or(0, |frames| frames.get(row));
        u64::from(ids.get(row)) << 32 | u64::from(frame)
    };
    let repeated = match &frames {
        None => repeated(&ids, names.ids.len()),
        Some(_) => repeats(table.len(), key),
    };
    let mut seen: Option<HashMap<u64, usize, RandomState>> = repeated.then(HashMap::default);
    let empty = names.ids.empty();
    let usages = roles.usage.filter(|_| role == InputRole::Solution);
    let column = Some(table.name(roles.id));
    let mut checked = Checked::default();
    if usages.is_none() && empty.is_none() && !repeated && matches!(first, First::Sound) {
        checked.rows = Kept::First(table.len());
        (checked.ids, checked.frames) = (ids, frames);
        return checked;
    }
    for row in 0..table.len() {
        let id = ids.get(row);
        if let Some(at) = usages
            && !usage.counts(table.columns[at].text(row).trim())
        {
            checked.ignored += 1;
            checked.left_out.insert(id);
            if frames.is_some() {
                checked.left_out_frames.insert(key(row));
            }
            continue;
        }
        if Some(id) == empty {
            let line = Some(table.line(row));
            defects.add(role, DefectKind::EmptyId, line, column.clone(), "");
            continue;
        }
        if let Some(seen) = &mut seen {
            if let Some(earlier) = seen.get(&key(row)) {
                let kind = if same(*earlier, row) {
                    DefectKind::RepeatedId
                } else {
                    DefectKind::ConflictingId
                };
                let frame = frames
                    .as_ref()
                    .map_or("", |frames| names.frames.get(frames.get(row)));
                let frame = match frame {
                    "" => String::new(),
                    frame => format!(", frame `{frame}`"),
                };
                let (id, earlier) = (names.ids.get(id), table.line(*earlier));
                let text = format!("{id}{frame} (first in row {earlier})");
                defects.add(role, kind, Some(table.line(row)), column.clone(), &text);
                continue;
            }
            seen.insert(key(row), row);
        }
        let keep = match &mut first {
            First::Sound => true,
            First::Asked(first) => first(row, defects),
        };
        if keep {
            checked.rows.push(row);
        } else if role == InputRole::Solution {
            checked.left_out.insert(id);
        }
    }
    let of_rows = |codes: Arc<Codes>| match &checked.rows {
        Kept::First(len) if *len == codes.len() => codes,
        rows => {
            let most = codes.iter().max().unwrap_or_default();
            Arc::new(Codes::of(rows.len(), most, |at| codes.get(rows.get(at))))
        }
    };
    (checked.ids, checked.frames) = (of_rows(ids), frames.map(of_rows));
    checked.frames.take_if(|frames| frames.is_empty());
    checked
}

/// The checked ids with what `read` makes of each row; a row it cannot read is
/// a defect of the column that it names.
pub(crate) fn each_value<V>(
    table: &Table,
    roles: Roles,
    role: InputRole,
    usage: &Usage,
    names: &mut Ids,
    defects: &mut Defects,
    read: impl Fn(usize) -> Result<V, (usize, DefectKind)>,
    same: impl Fn(usize, usize) -> bool,
) -> Checked<Vec<V>> {
    let mut values = Vec::new();
    let keep = |row: usize, defects: &mut Defects| match read(row) {
        Ok(value) => {
            values.push(value);
            true
        }
        Err((at, kind)) => {
            let text = table.columns[at].text(row);
            defects.add(
                role,
                kind,
                Some(table.line(row)),
                Some(table.name(at)),
                &text,
            );
            false
        }
    };
    let first = First::Asked(keep);
    let checked = each_id(table, roles, role, usage, names, defects, first, same);
    with_values(checked, values)
}

/// The checked ids with what stands beside them.
pub(crate) fn with_values<V>(checked: Checked<()>, values: V) -> Checked<V> {
    Checked {
        ids: checked.ids,
        frames: checked.frames,
        values,
        rows: checked.rows,
        ignored: checked.ignored,
        left_out: checked.left_out,
        left_out_frames: checked.left_out_frames,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use super::*;
    use crate::read::{JsonPart, Limits, read_table};

    pub(crate) fn table(form: TaskForm, role: InputRole, text: &str) -> Table {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let header = |fields: &[String]| is_header(form, role, fields);
        read_table(file.path(), &Limits::default(), JsonPart::Probs, &header).unwrap()
    }

    pub(crate) fn kinds(defects: Defects) -> Vec<(DefectKind, u64, Vec<Option<u64>>)> {
        let list = defects.into_list();
        list.into_iter()
            .map(|d| (d.kind, d.count, d.shown.iter().map(|at| at.row).collect()))
            .collect()
    }

    #[test]
    fn headers_are_told_from_data() {
        use InputRole::{Solution, Submission};
        use TaskForm::{Detection, MultiLabel};
        for (form, role, fields, header) in [
            (MultiLabel, Submission, ["image_id", "labels"], true),
            (MultiLabel, Solution, ["2b2b", "/m/07j7r"], false),
            (Detection, Submission, ["video.mp4", "0.5"], false),
            (Detection, Submission, ["video.mp4", "nan"], false),
            (Detection, Submission, ["foo", "bar"], true),
            (Detection, Solution, ["video.mp4", "FAKE"], false),
            (Detection, Solution, ["Filename", "Label"], true),
        ] {
            let fields = fields.map(str::to_owned);
            assert_eq!(is_header(form, role, &fields), header, "{fields:?}");
        }
    }

    #[test]
    fn a_wrong_header_an_empty_file_and_a_bare_header_are_told_apart() {
        for (text, kind) in [
            ("foo,bar\na,0.5\n", DefectKind::WrongHeader),
            ("filename,label,label\na,0.5,0.5\n", DefectKind::WrongHeader),
            ("a\nb\n", DefectKind::WrongHeader),
            ("", DefectKind::NoRows),
            ("filename,label\n", DefectKind::NoRows),
        ] {
            let table = table(TaskForm::Detection, InputRole::Submission, text);
            let mut defects = Defects::default();
            let found = roles(
                TaskForm::Detection,
                InputRole::Submission,
                &table,
                None,
                &mut defects,
            );
            assert_eq!(found, None, "{text}");
            assert!(defects.has(InputRole::Submission, kind), "{text}");
        }
    }
}
