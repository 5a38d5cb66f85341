//! Plain: `clips.parquet`, a row a clip, beside `media/<sample>.mp4`; and rows as CSV.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use fairframe_ingest::{
    manifest::ParallelWriter,
    table::{Table, TableOptions},
};
use fairframe_schemas::corpus::{ClipColumn, ClipLabel, ClipRow};
use parquet::errors::ParquetError;

use super::{Clip, Imported, Laid, LayoutError, faceforensics, tree};

const CLIPS: &str = "clips.parquet";

pub fn lay(clips: &[Clip]) -> Result<Laid, LayoutError> {
    let file = |c: &Clip| format!("media/{}.{}", c.sample, c.ending);
    let real = clips.iter().filter(|c| c.label == ClipLabel::Real);
    let real: BTreeMap<_, String> = real
        .map(|c| ((c.target.video, &c.compression), file(c)))
        .collect();
    let rows: Vec<ClipRow> = clips
        .iter()
        .map(|clip| {
            let of = real.get(&(clip.target.video, &clip.compression)).cloned();
            ClipRow {
                file: file(clip),
                compression: clip.compression.clone(),
                original: of.filter(|_| clip.label == ClipLabel::Fake),
                ..faceforensics::row(clip)
            }
        })
        .collect();
    let list = parquet(&rows).map_err(|error| LayoutError::Parquet {
        path: CLIPS.into(),
        error,
    })?;
    Ok(Laid {
        rows: rows.into_iter().map(Some).collect(),
        lists: vec![(CLIPS.to_owned(), list)],
    })
}

/// Rows as Parquet.
pub fn parquet(rows: &[ClipRow]) -> Result<Vec<u8>, ParquetError> {
    let schema = ClipColumn::schema();
    let mut writer = ParallelWriter::new(
        Vec::new(),
        Arc::clone(&schema),
        &BTreeMap::new(),
        Vec::new(),
    )?;
    let column = |c: &ClipColumn| {
        let cells = rows.iter().map(|r| r.cell(*c));
        Arc::new(cells.collect::<StringArray>()) as ArrayRef
    };
    let columns = ClipColumn::ALL.iter().map(column).collect();
    let batch = RecordBatch::try_new(schema, columns);
    writer.write(batch.map_err(|e| ParquetError::ArrowError(e.to_string()))?)?;
    writer.finish(|sink| Ok(std::mem::take(sink)))
}

/// Rows as CSV; `fairframe verify --splits` reads it.
pub fn csv(rows: &[ClipRow], out: impl Write) -> csv::Result<()> {
    let mut out = csv::Writer::from_writer(out);
    out.write_record(ClipColumn::ALL.iter().map(|c| c.name()))?;
    for row in rows {
        let cells = ClipColumn::ALL
            .iter()
            .map(|c| row.cell(*c).unwrap_or_default());
        out.write_record(cells)?;
    }
    out.flush().map_err(csv::Error::from)
}

/// Reads `clips.parquet` of a folder, or any table of these columns.
pub fn read(from: &Path) -> Result<Imported, LayoutError> {
    let (path, folder): (PathBuf, Option<&Path>) = match from.is_dir() {
        true => (from.join(CLIPS), Some(from)),
        false => (from.to_owned(), None),
    };
    let file = File::open(&path).map_err(tree::io_at(&path))?;
    let mut table = Table::open(Box::new(file), &path, &TableOptions::default())?;
    table.require(ClipColumn::File.name())?;
    table.require(ClipColumn::Label.name())?;
    table.select(ClipColumn::ALL.iter().map(|c| c.name()))?;
    let mut imported = Imported::default();
    while let Some(read) = table.next()? {
        let wrong = |row: u64, problem: String| {
            let problem = format!("row {row}: {problem}");
            tree::bad(&path, problem, "mend the row")
        };
        let read = read.map_err(|bad| wrong(bad.row, bad.problem))?;
        let cell = |column: ClipColumn| {
            let at = ClipColumn::ALL.iter().position(|c| *c == column);
            read.get(at?).map(str::to_owned)
        };
        let file = cell(ClipColumn::File).unwrap_or_default();
        let label = cell(ClipColumn::Label).unwrap_or_default();
        let split = cell(ClipColumn::Split);
        imported.rows.push(ClipRow {
            file: tree::named(&path, &file)?,
            label: label
                .parse()
                .map_err(|e| wrong(read.row, format!("label {e}")))?,
            method: cell(ClipColumn::Method),
            compression: cell(ClipColumn::Compression),
            target: cell(ClipColumn::Target),
            source: cell(ClipColumn::Source),
            scene: cell(ClipColumn::Scene),
            code: cell(ClipColumn::Code),
            original: cell(ClipColumn::Original)
                .map(|o| tree::named(&path, &o))
                .transpose()?,
            split: match split {
                None => None,
                Some(word) => {
                    let split = tree::split(&word);
                    Some(split.ok_or_else(|| wrong(read.row, format!("`{word}` is no split")))?)
                }
            },
        });
    }
    if let Some(folder) = folder {
        let there: BTreeSet<String> = tree::clips(folder)?.into_iter().collect();
        let listed: BTreeSet<String> = imported.rows.iter().map(|r| r.file.clone()).collect();
        imported.missing = listed.difference(&there).count() as u64;
        imported.unknown = there.difference(&listed).cloned().collect();
    }
    Ok(imported)
}
