mod written;

use std::{fs::File, path::Path};

use fairframe_schemas::{
    Column, DatasetVersion, Digest, Label, MediaType, Name, PlaceOrigin, Reason, Sample, Status,
    SubjectAttribute,
};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    file::properties::WriterProperties,
};

use super::{EXCLUDED, ManifestError, ManifestWriter, ReleaseReader, Stamp};

fn stamp() -> Stamp {
    Stamp {
        dataset: Name::new("demo").unwrap(),
        version: DatasetVersion::FIRST,
        recall_version: 0,
    }
}

fn full(key: &str) -> Sample {
    let mut s = Sample::new("drop", key, MediaType::Image);
    s.media_sha256 = Some(Digest::of(key.as_bytes()));
    s.bytes = Some(7);
    s.width = Some(640);
    s.perceptual_hash = Some(u64::MAX);
    s.sharpness = Some(1234.56);
    s.luminance = Some(0.4987);
    s.title = Some("=HYPERLINK(\"x\")".into());
    s.description = Some("Farmhouse below the pines, é".into());
    s.frame_rate_ratio = Some("30000/1001".into());
    s.frame_count = Some(300);
    s.variable_frame_rate = Some(false);
    s.has_audio = Some(true);
    s.licence = Some("CC-BY-SA-4.0".into());
    s.restrictions = vec!["personality".into(), "trademarked".into()];
    s.latitude = Some(43.467081);
    s.longitude = Some(11.884533);
    s.place_origin = Some(PlaceOrigin::Exif);
    s.captured_at = Some("2008-10-22T16:28:39Z".parse().unwrap());
    s.labels = vec![Label {
        label: "/m/07j7r".into(),
        confidence: None,
        origin: "human".into(),
    }];
    s
}

fn write(folder: &Path, restricted: &Path, samples: &[Sample]) {
    let mut writer = ManifestWriter::create(folder, restricted, stamp()).unwrap();
    for sample in samples {
        writer.add(sample.clone()).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn rows_come_back_as_they_were_written_and_bytes_repeat() {
    let accepted = [full("a"), Sample::new("drop", "b", MediaType::Video)];
    let mut refused = full("c");
    refused.add_reason(Reason::LicenceUnknown);
    let all = [accepted[0].clone(), accepted[1].clone(), refused.clone()];
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let kept = tempfile::tempdir().unwrap();
    for folder in [&one, &two] {
        write(folder.path(), &kept.path().join("restricted.parquet"), &all);
    }
    let reader = ReleaseReader::open(one.path()).unwrap();
    let rows: Vec<Sample> = reader.accepted().flat_map(Result::unwrap).collect();
    assert_eq!(rows, accepted);
    let rows: Vec<Sample> = reader.excluded().flat_map(Result::unwrap).collect();
    assert_eq!(rows, [refused]);
    for name in ["part-00000.parquet", EXCLUDED] {
        let bytes = |d: &tempfile::TempDir| std::fs::read(d.path().join(name)).unwrap();
        assert_eq!(bytes(&one), bytes(&two), "{name}");
    }
}

#[test]
fn an_empty_release_still_opens() {
    let folder = tempfile::tempdir().unwrap();
    let kept = tempfile::tempdir().unwrap();
    write(folder.path(), &kept.path().join("r.parquet"), &[]);
    assert_eq!(
        ReleaseReader::open(folder.path())
            .unwrap()
            .accepted()
            .count(),
        0
    );
    assert!(ReleaseReader::open(kept.path()).is_err());
}

#[test]
fn people_are_placed_on_a_grid_and_consent_ids_stay_out_of_a_release() {
    let mut sample = full("person");
    sample.subject_ids = vec!["actor-a".into()];
    sample.consent_id = Some("consent-secret".into());
    sample.subject_attributes = vec![SubjectAttribute {
        subject_id: "actor-a".into(),
        name: "tone".into(),
        value: "7".into(),
        origin: "self-reported".into(),
    }];
    let folder = tempfile::tempdir().unwrap();
    let kept = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        &kept.path().join("r.parquet"),
        &[sample.clone()],
    );
    let reader = ReleaseReader::open(folder.path()).unwrap();
    let row = reader.accepted().flat_map(Result::unwrap).next().unwrap();
    assert_eq!((row.latitude, row.longitude), (Some(43.5), Some(11.9)));
    assert_eq!(row.place_precision_m, Some(11_132.0));
    assert_eq!(row.consent_id, None);
    assert_eq!(row.subject_attributes, sample.subject_attributes);
    assert_eq!(row.status, Status::Accepted);
}

/// Writes the rows again without some columns, as a release of an earlier program has them.
fn without(folder: &Path, missing: &[Column]) {
    let path = folder.join("part-00000.parquet");
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
    let stated = builder.metadata().file_metadata().key_value_metadata();
    let properties = WriterProperties::builder()
        .set_key_value_metadata(stated.cloned())
        .build();
    let batch = builder.build().unwrap().next().unwrap().unwrap();
    let kept: Vec<usize> = (0..batch.num_columns())
        .filter(|i| {
            let name = batch.schema().field(*i).name().clone();
            !missing.iter().any(|c| c.name() == name)
        })
        .collect();
    let batch = batch.project(&kept).unwrap();
    let file = File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn a_manifest_from_before_a_column_reads_as_null_there_and_lacks_no_other() {
    let late: Vec<Column> = Column::public().filter(|c| c.may_be_absent()).collect();
    assert_eq!(late.len(), 7);
    let folder = tempfile::tempdir().unwrap();
    let kept = tempfile::tempdir().unwrap();
    let sample = full("old");
    write(
        folder.path(),
        &kept.path().join("r.parquet"),
        std::slice::from_ref(&sample),
    );
    without(folder.path(), &late);
    let reader = ReleaseReader::open(folder.path()).unwrap();
    let row = reader.accepted().flat_map(Result::unwrap).next().unwrap();
    let mut expected = sample;
    expected.description = None;
    expected.frame_rate_ratio = None;
    expected.frame_count = None;
    expected.variable_frame_rate = None;
    expected.has_audio = None;
    expected.sharpness = None;
    expected.luminance = None;
    assert_eq!(row, expected);
    assert_eq!(reader.slice(0, 9).unwrap(), [row]);

    without(folder.path(), &[Column::Title]);
    let Some(Err(ManifestError::In { error, .. })) = reader.accepted().next() else {
        panic!("a manifest without titles was read");
    };
    assert!(matches!(
        *error,
        ManifestError::ColumnMissing { column: "title" }
    ));
}

/// Whoever cannot be named is still a person: `subject-unknown` keeps no pseudonym.
#[test]
fn people_without_a_pseudonym_are_placed_on_the_grid_too() {
    let mut unnamed = full("unnamed");
    unnamed.add_reason(Reason::SubjectUnknown);
    let mut consenting = full("consenting");
    consenting.consent_id = Some("consent-1".into());
    let folder = tempfile::tempdir().unwrap();
    let kept = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        &kept.path().join("r.parquet"),
        &[unnamed, consenting],
    );
    let reader = ReleaseReader::open(folder.path()).unwrap();
    for batch in reader.accepted().chain(reader.excluded()) {
        for row in batch.unwrap() {
            assert_eq!(
                (row.latitude, row.longitude),
                (Some(43.5), Some(11.9)),
                "{}",
                row.source_key
            );
        }
    }
}

/// Arrow counts the bytes of a column of texts in 31 bits.
#[test]
fn rows_with_long_texts_are_written_in_smaller_batches() {
    let mut long = full("long");
    long.title = Some("x".repeat(1 << 20));
    let folder = tempfile::tempdir().unwrap();
    let kept = tempfile::tempdir().unwrap();
    let restricted = kept.path().join("r.parquet");
    let mut writer = ManifestWriter::create(folder.path(), &restricted, stamp()).unwrap();
    for _ in 0..2_100 {
        writer.add(long.clone()).unwrap();
    }
    writer.finish().unwrap();
    let reader = ReleaseReader::open(folder.path()).unwrap();
    let rows: usize = reader
        .columns(&[Column::SampleId])
        .map(|b| b.unwrap().num_rows())
        .sum();
    assert_eq!(rows, 2_100);
}
