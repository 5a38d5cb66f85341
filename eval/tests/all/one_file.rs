//! A Parquet file that holds truth and answers is read once, and judged as two copies of it are.

use std::fs::File;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Int8Array, RecordBatch, StringArray};
use fairframe_eval::{EvalOptions, crossed, evaluate};
use fairframe_schemas::report::TaskForm;
use parquet::arrow::ArrowWriter;

#[test]
fn one_file_is_judged_as_two_copies_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let [one, copy] = ["one.parquet", "copy.parquet"].map(|name| folder.path().join(name));
    let rows = 0..600;
    let texts = |of: &dyn Fn(i32) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.clone().map(of)))
    };
    let label = rows.clone().map(|at| i8::from(at / 6 % 3 == 0));
    let score = rows.clone().map(|at| (at * 37 % 101) as f32 / 100.0);
    let usage = |at: i32| if at % 5 == 0 { "Ignored" } else { "Public" }.to_owned();
    let batch = RecordBatch::try_from_iter([
        ("video_id", texts(&|at| format!("v{}", at / 6))),
        ("frame", texts(&|at| (at % 6).to_string())),
        (
            "label",
            Arc::new(Int8Array::from_iter_values(label)) as ArrayRef,
        ),
        ("score", Arc::new(Float32Array::from_iter_values(score))),
        ("region", texts(&|at| format!("r{}", at / 6 % 4))),
        ("usage", texts(&usage)),
    ])
    .unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(&one).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    std::fs::copy(&one, &copy).unwrap();
    let judged = |submission| {
        let options = EvalOptions {
            groups: vec![crossed("region")],
            resamples: 100,
            min_n: 1,
            ..EvalOptions::new(TaskForm::Detection, one.clone(), submission)
        };
        evaluate(&options).unwrap().report
    };
    let (once, mut twice) = (judged(one.clone()), judged(copy));
    assert!(
        !once.refused() && once.counts.solution_ignored == 120,
        "{once:?}"
    );
    assert_eq!(once.inputs[0].sha256, once.inputs[1].sha256);
    twice.inputs[1].name.clone_from(&once.inputs[1].name);
    assert_eq!(once, twice);
}
