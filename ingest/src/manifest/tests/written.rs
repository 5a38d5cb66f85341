//! What a written version is as Parquet, and that older ones are read for ever.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use arrow_array::{cast::AsArray, types::Float64Type};
use fairframe_schemas::{
    SchemaVersion,
    column::{release_schema, restricted_schema},
    version::VersionError,
};
use parquet::{
    arrow::arrow_reader::ArrowReaderOptions,
    basic::Compression,
    file::metadata::{KeyValue, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
};

use super::*;
use crate::manifest::consent_ids;

const FILES: [&str; 3] = ["part-00000.parquet", EXCLUDED, "restricted.parquet"];

/// A folder with accepted, excluded and restricted rows.
fn version(samples: &[Sample]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        &folder.path().join("restricted.parquet"),
        samples,
    );
    folder
}

fn metadata(path: &Path) -> ParquetMetaData {
    let mut reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
    reader.try_parse(&File::open(path).unwrap()).unwrap();
    reader.finish().unwrap()
}

fn person(key: &str) -> Sample {
    let mut sample = full(key);
    sample.subject_ids = vec!["actor-a".into()];
    sample.consent_id = Some(format!("consent-{key}"));
    sample
}

fn refused(mut sample: Sample) -> Sample {
    sample.add_reason(Reason::LicenceUnknown);
    sample
}

#[test]
fn files_are_compressed_indexed_and_say_what_they_are() {
    let folder = version(&[full("a"), person("b"), refused(full("c"))]);
    for name in FILES {
        let metadata = metadata(&folder.path().join(name));
        let file = metadata.file_metadata();
        let stated: Vec<(&str, &str)> = file
            .key_value_metadata()
            .into_iter()
            .flatten()
            .filter(|kv| kv.key.starts_with("fairframe."))
            .map(|kv| (kv.key.as_str(), kv.value.as_deref().unwrap_or_default()))
            .collect();
        let program = concat!("fairframe ", env!("CARGO_PKG_VERSION"));
        assert_eq!(
            stated,
            [
                ("fairframe.schema_version", "1"),
                ("fairframe.dataset", "demo"),
                ("fairframe.version", "1.0.0"),
                ("fairframe.generator", program),
                ("fairframe.recall_version", "0"),
            ],
            "{name}"
        );
        assert_eq!(file.created_by(), Some(program));
        assert_eq!(metadata.num_row_groups(), 1, "{name}");
        for column in metadata.row_group(0).columns() {
            let path = column.column_path().string();
            let hash = path == Column::PerceptualHash.name();
            assert_eq!(
                matches!(column.compression(), Compression::ZSTD(_)),
                !hash,
                "{name} {path}"
            );
            assert!(column.offset_index_offset().is_some(), "{name} {path}");
            let key = path == Column::SampleId.name();
            assert_eq!(column.bloom_filter_offset().is_some(), key, "{name} {path}");
        }
        // A reader finds the pages of an id, a region, a time by their bounds.
        let bounded = metadata.row_group(0).columns().iter();
        let bounded =
            bounded.filter(|c| c.column_index_offset().is_some() && c.statistics().is_some());
        let bounded: Vec<String> = bounded.map(|c| c.column_path().string()).collect();
        let wanted = [
            Column::SampleId,
            Column::Region,
            Column::Country,
            Column::CapturedAt,
        ];
        for column in wanted.iter().take(if name == FILES[2] { 1 } else { 4 }) {
            assert!(
                bounded.iter().any(|b| b == column.name()),
                "{name} {}",
                column.name()
            );
        }
    }
}

#[test]
fn columns_are_those_of_the_schema_in_its_order() {
    let folder = version(&[full("a")]);
    for (name, schema) in
        FILES
            .iter()
            .zip([release_schema(), release_schema(), restricted_schema()])
    {
        let file = File::open(folder.path().join(name)).unwrap();
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        assert_eq!(builder.schema().fields(), schema.fields(), "{name}");
        // The types are in the Parquet schema itself, not only in Arrow's copy of it.
        let file = File::open(folder.path().join(name)).unwrap();
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).unwrap();
        let names = |s: &arrow_schema::Schema| -> Vec<(String, bool)> {
            let each = s.fields().iter();
            each.map(|f| (f.name().clone(), f.is_nullable())).collect()
        };
        assert_eq!(names(builder.schema()), names(&schema), "{name}");
    }
}

#[test]
fn row_groups_are_of_half_a_million_rows() {
    const ROWS: usize = 530_000;
    let folder = tempfile::tempdir().unwrap();
    let restricted = folder.path().join("restricted.parquet");
    let mut writer = ManifestWriter::create(folder.path(), &restricted, stamp()).unwrap();
    let sample = full("a");
    for _ in 0..ROWS {
        writer.add(sample.clone()).unwrap();
    }
    writer.finish().unwrap();
    let metadata = metadata(&folder.path().join(FILES[0]));
    let groups = metadata.row_groups().iter().map(|g| g.num_rows());
    assert_eq!(groups.collect::<Vec<_>>(), [524_288, 5_712]);
    let reader = ReleaseReader::open(folder.path()).unwrap();
    // A page is found across the boundary.
    assert_eq!(reader.slice(524_287, 2).unwrap(), [sample.clone(), sample]);
}

/// Id, consent, latitude, longitude of each row.
fn restricted(path: &Path) -> Vec<(String, Option<String>, Option<f64>, Option<f64>)> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    assert_eq!(builder.schema().fields(), restricted_schema().fields());
    let mut rows = Vec::new();
    for batch in builder.build().unwrap() {
        let batch = batch.unwrap();
        let column = |c: Column| batch.column_by_name(c.name()).unwrap();
        let text = |c| column(c).as_string::<i32>().iter();
        let degrees = |c| column(c).as_primitive::<Float64Type>().iter();
        let places = degrees(Column::PreciseLatitude).zip(degrees(Column::PreciseLongitude));
        let words = text(Column::SampleId).zip(text(Column::ConsentId));
        rows.extend(
            words
                .zip(places)
                .map(|((id, consent), (latitude, longitude))| {
                    (
                        id.unwrap().to_owned(),
                        consent.map(str::to_owned),
                        latitude,
                        longitude,
                    )
                }),
        );
    }
    rows
}

#[test]
fn what_a_release_must_not_say_stands_in_the_restricted_file_and_nothing_else() {
    let mut unplaced = person("unplaced");
    (unplaced.latitude, unplaced.longitude) = (None, None);
    let mut given = full("given"); // by somebody who is not shown
    given.consent_id = Some("consent-given".into());
    let mut no_record = person("no-record");
    no_record.consent_id = None;
    let samples = [
        full("nobody"),
        person("shown"),
        unplaced,
        given,
        no_record,
        refused(person("refused")),
        refused(full("nobody either")),
    ];
    let folder = version(&samples);
    let place = (Some(43.467081), Some(11.884533));
    let row = |at: usize, (latitude, longitude): (Option<f64>, Option<f64>)| {
        let sample = &samples[at];
        (
            sample.sample_id.to_string(),
            sample.consent_id.clone(),
            latitude,
            longitude,
        )
    };
    let path = folder.path().join("restricted.parquet");
    let expected = [
        row(1, place),
        row(2, (None, None)),
        row(3, place),
        row(4, place),
        row(5, place),
    ];
    assert_eq!(restricted(&path), expected);
    let named = expected
        .iter()
        .filter_map(|(id, consent, ..)| Some((id.parse().unwrap(), consent.clone()?)));
    assert_eq!(consent_ids(&path).unwrap(), named.collect());
    // The release does not say it.
    let reader = ReleaseReader::open(folder.path()).unwrap();
    for row in reader
        .accepted()
        .chain(reader.excluded())
        .flat_map(Result::unwrap)
    {
        assert_eq!(row.consent_id, None);
        assert!(row.subject_ids.is_empty() || row.latitude != place.0);
    }
}

/// The same rows, with another statement of the format.
fn restate(path: &Path, version: Option<&str>) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let stated = version.map(|v| {
        vec![KeyValue::new(
            "fairframe.schema_version".into(),
            v.to_owned(),
        )]
    });
    let schema = builder.schema().clone();
    let batches: Vec<_> = builder.build().unwrap().map(Result::unwrap).collect();
    let properties = WriterProperties::builder()
        .set_key_value_metadata(stated)
        .build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties)).unwrap();
    for batch in &batches {
        writer.write(batch).unwrap();
    }
    writer.close().unwrap();
}

/// What each way to read a version says of it.
fn said(folder: &Path) -> Vec<Option<ManifestError>> {
    let reader = ReleaseReader::open(folder).unwrap();
    vec![
        reader.accepted().find_map(Result::err),
        reader.excluded().find_map(Result::err),
        reader.slice(0, 1).err(),
        reader.columns(&[Column::SampleId]).find_map(Result::err),
        reader
            .all_columns(&[Column::SampleId])
            .find_map(Result::err),
        consent_ids(&folder.join("restricted.parquet")).err(),
    ]
}

#[test]
fn a_newer_format_is_refused_by_name_and_so_is_a_file_that_is_not_ours() {
    let folder = version(&[full("a"), refused(person("b"))]);
    let all = |stated: Option<&str>| {
        for name in FILES {
            restate(&folder.path().join(name), stated);
        }
        said(folder.path())
    };
    assert!(all(Some("1")).iter().all(Option::is_none));
    for error in all(Some("2")) {
        let error = error.expect("refused");
        let ManifestError::Version { path, error: why } = &error else {
            panic!("{error}");
        };
        assert_eq!(*why, VersionError::Newer { found: 2, known: 1 });
        let told = error.to_string();
        assert!(told.contains(path.to_str().unwrap()), "{told}");
        assert!(told.contains("use a newer fairframe"), "{told}");
    }
    for odd in ["", "one", "-1", "99999999999"] {
        let unreadable = VersionError::Unreadable(odd.into());
        for error in all(Some(odd)) {
            let Some(ManifestError::Version { error, .. }) = error else {
                panic!("`{odd}` was read");
            };
            assert_eq!(error, unreadable);
        }
    }
    for error in all(None) {
        assert!(matches!(error, Some(ManifestError::NotOurs(_))));
    }
}

/// `tests/data/format-1` was written by the first program of that format, and `rows.json`
/// beside it by another reader (pyarrow). Both stay as they are for ever.
#[test]
fn the_first_format_stays_readable() {
    assert_eq!(
        SchemaVersion::CURRENT.to_string(),
        "1",
        "freeze the newer one too"
    );
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/format-1");
    let text = fs::read_to_string(folder.join("rows.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let reader = ReleaseReader::open(&folder).unwrap();
    let accepted: Vec<Sample> = reader.accepted().flat_map(Result::unwrap).collect();
    let excluded: Vec<Sample> = reader.excluded().flat_map(Result::unwrap).collect();
    // By way of text, as what is expected.
    let json = |rows: &[Sample]| -> serde_json::Value {
        serde_json::from_str(&serde_json::to_string(rows).unwrap()).unwrap()
    };
    assert_eq!(json(&accepted), expected["part-00000"]);
    assert_eq!(json(&excluded), expected["excluded"]);
    let row = &expected["restricted"][0];
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    let only = (
        text("sample_id"),
        Some(text("consent_id")),
        row["precise_latitude"].as_f64(),
        row["precise_longitude"].as_f64(),
    );
    assert_eq!(restricted(&folder.join("restricted.parquet")), [only]);

    // Written anew they say the same.
    let all: Vec<Sample> = accepted.iter().chain(&excluded).cloned().collect();
    let again = version(&all);
    let reader = ReleaseReader::open(again.path()).unwrap();
    assert!(reader.accepted().flat_map(Result::unwrap).eq(accepted));
    assert!(reader.excluded().flat_map(Result::unwrap).eq(excluded));
}
