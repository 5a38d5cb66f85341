"""Judges a release's croissant.json with the public validator and reads its records.

    check_croissant.py <release folder>

Prints one JSON object: warnings, and what was read of each record set. Exits 1 with the
validator's message where it finds an error.
"""

import json
import logging
import sys
from pathlib import Path

from absl import logging as absl_logging

warnings = []


class Keep(logging.Handler):
    def emit(self, record):
        if record.levelno >= logging.WARNING:
            warnings.append(record.getMessage())


absl_logging.get_absl_logger().addHandler(Keep())
logging.getLogger().addHandler(Keep())

import mlcroissant as mlc  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def main(folder: Path):
    dataset = mlc.Dataset(str(folder / "croissant.json"))
    warnings.extend(dataset.metadata.issues.warnings if hasattr(dataset.metadata, "issues") else [])
    warnings.extend(dataset.metadata.ctx.issues.warnings)
    metadata = dataset.metadata.to_json()
    assert "http://mlcommons.org/croissant/1.1" in metadata["conformsTo"], metadata["conformsTo"]
    for name in ["dataCollection", "personalSensitiveInformation", "dataLimitations", "dataReleaseMaintenancePlan"]:
        assert metadata.get(f"rai:{name}"), f"rai:{name} is not read"

    read = {}
    for record_set, pattern in [("samples", "part-*.parquet"), ("excluded", "excluded.parquet")]:
        files = sorted(folder.glob(pattern))
        truth = [row for file in files for row in pq.read_table(file).to_pylist()]
        records = list(dataset.records(record_set))
        assert len(records) == len(truth), f"{record_set}: {len(records)} records, {len(truth)} rows"
        columns = pq.read_schema(files[0]).names
        for record, row in zip(records, truth):
            for column in columns:
                key = f"{record_set}/{column}"
                assert key in record, f"{key} is not in a record"
            for column in ["sample_id", "licence", "country", "title"]:
                assert text(record[f"{record_set}/{column}"]) == row[column], (column, record, row)
            assert [text(r) for r in record[f"{record_set}/reasons"]] == row["reasons"]
            labels = [text(label[f"{record_set}/labels/label"]) for label in record[f"{record_set}/labels"]]
            assert labels == [label["label"] for label in row["labels"]], labels
            for column in ["captured_at", "retrieved_at"]:
                value = record[f"{record_set}/{column}"]
                assert (value is None) == (row[column] is None), (column, value)
                assert value is None or value.to_pydatetime() == row[column], (column, value)
        read[record_set] = {"records": len(records), "fields": len(columns)}
    print(json.dumps({"warnings": sorted(set(warnings)), "read": read}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
