"""Opens a release in the five readers its users have, and compares types and values.

    read_manifest.py <release folder or its URL> <part name>...

Prints one JSON line a reader. Over HTTP only the readers that need no extension to be
downloaded take part: pandas (fsspec), pyarrow (fsspec), and datasets.
"""

import datetime
import json
import os
import sys
import tempfile

os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="fairframe-hf-")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

import datasets  # noqa: E402
import duckdb  # noqa: E402
import pandas as pd  # noqa: E402
import polars as pl  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.dataset as pads  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

UTC = datetime.timezone.utc

# Type of every column as the Parquet contract has it; a new column must be added here.
TEXT, TEXTS, WHEN = pa.string(), pa.list_(pa.string()), pa.timestamp("us", "UTC")
LABELS = pa.list_(pa.struct({"label": TEXT, "confidence": pa.float64(), "origin": TEXT}))
ATTRIBUTES = pa.list_(pa.struct({"subject_id": TEXT, "name": TEXT, "value": TEXT, "origin": TEXT}))
MANIPULATION = pa.struct(
    {
        "method": TEXT,
        "target_sample": TEXT,
        "source_sample": TEXT,
        "mask_sha256": TEXT,
        "compression": TEXT,
        "parameters": TEXT,
    }
)
TYPES = {
    "bytes": pa.int64(),
    "width": pa.int32(),
    "height": pa.int32(),
    "duration_s": pa.float64(),
    "frame_rate": pa.float64(),
    "frame_count": pa.int64(),
    "variable_frame_rate": pa.bool_(),
    "has_audio": pa.bool_(),
    "perceptual_hash": pa.uint64(),
    "sharpness": pa.float64(),
    "luminance": pa.float64(),
    "upstream_revision_at": WHEN,
    "retrieved_at": WHEN,
    "attribution_required": pa.bool_(),
    "restrictions": TEXTS,
    "opt_out": TEXTS,
    "consent_purposes": TEXTS,
    "subject_ids": TEXTS,
    "subject_attributes": ATTRIBUTES,
    "latitude": pa.float64(),
    "longitude": pa.float64(),
    "place_precision_m": pa.float64(),
    "captured_at": WHEN,
    "labels": LABELS,
    "reasons": TEXTS,
    "derived_from": TEXTS,
    "manipulation": MANIPULATION,
}


def expected(name):
    return TYPES.get(name, TEXT)


def same_type(found, wanted):
    """Equal but for names and nullability of list items, and large_ variants."""
    if pa.types.is_list(wanted):
        listed = pa.types.is_list(found) or pa.types.is_large_list(found)
        return listed and same_type(found.value_type, wanted.value_type)
    if pa.types.is_struct(wanted):
        if not pa.types.is_struct(found) or found.num_fields != wanted.num_fields:
            return False
        return all(
            found.field(i).name == wanted.field(i).name and same_type(found.field(i).type, wanted.field(i).type)
            for i in range(wanted.num_fields)
        )
    if wanted == TEXT:
        return found in (pa.string(), pa.large_string(), pa.string_view())
    return found == wanted


def check_schema(reader, schema):
    for field in schema:
        assert same_type(field.type, expected(field.name)), f"{reader}: {field.name} is {field.type}"


def plain(value):
    """One form for values that readers hand out differently."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, datetime.datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def main(base, names):
    remote = base.startswith("http://")
    paths = [f"{base.rstrip('/')}/{name}" for name in names]
    readers = {}

    def with_pyarrow():
        if remote:
            import fsspec

            return pa.concat_tables([pq.read_table(fsspec.open(p).open()) for p in paths])
        return pads.dataset(paths).to_table()

    def with_pandas():
        frames = [pd.read_parquet(p, dtype_backend="pyarrow") for p in paths]
        frame = pd.concat(frames, ignore_index=True)
        assert isinstance(frame.dtypes["bytes"], pd.ArrowDtype)
        # And as most people call it: must open, and keep text as text and times as times.
        usual = pd.read_parquet(paths[0])
        assert pd.api.types.is_string_dtype(usual.dtypes["source"]), usual.dtypes["source"]
        assert isinstance(usual.dtypes["captured_at"], pd.DatetimeTZDtype), usual.dtypes["captured_at"]
        return pa.Table.from_pandas(frame, preserve_index=False)

    def with_polars():
        frame = pl.read_parquet(paths)
        assert frame.schema["perceptual_hash"] == pl.UInt64
        assert frame.schema["captured_at"] == pl.Datetime("us", "UTC")
        assert pl.scan_parquet(paths).select(pl.len()).collect().item() == frame.height
        return frame.to_arrow()

    def with_duckdb():
        connection = duckdb.connect()
        connection.execute("SET autoinstall_known_extensions = false; SET TimeZone = 'UTC'")
        table = connection.execute("SELECT * FROM read_parquet(?)", [paths]).to_arrow_table()
        by_name = {d[0]: d[1] for d in connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [paths]).fetchall()}
        assert by_name["labels"] == 'STRUCT("label" VARCHAR, confidence DOUBLE, origin VARCHAR)[]', by_name["labels"]
        assert by_name["captured_at"] == "TIMESTAMP WITH TIME ZONE", by_name["captured_at"]
        return table

    def with_datasets():
        cache = tempfile.mkdtemp(prefix="fairframe-hf-")
        data = datasets.load_dataset("parquet", data_files=paths, split="train", cache_dir=cache)
        return data.data.table.combine_chunks()

    readers["pyarrow"] = with_pyarrow
    readers["pandas"] = with_pandas
    if not remote:
        readers["polars"] = with_polars
        readers["duckdb"] = with_duckdb
    readers["datasets"] = with_datasets

    truth = None
    for reader, read in readers.items():
        table = read()
        check_schema(reader, table.schema)
        rows = [plain(row) for row in table.to_pylist()]
        if truth is None:
            truth = rows
        assert table.schema.names == list(truth[0]) if truth else True, f"{reader}: {table.schema.names}"
        assert len(rows) == len(truth), f"{reader}: {len(rows)} rows instead of {len(truth)}"
        for at, (found, wanted) in enumerate(zip(rows, truth)):
            for name in wanted:
                assert found[name] == wanted[name], f"{reader}, row {at}, {name}: {found[name]!r} is not {wanted[name]!r}"
        print(json.dumps({"reader": reader, "rows": len(rows), "columns": len(table.schema)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
