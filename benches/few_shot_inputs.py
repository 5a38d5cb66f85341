"""The peers' embeddings and frozen episodes in the form Fairframe reads them.

Run by `compare.py` with the peers' Python: `few_shot_inputs.py DATA` reads
g_episodes.npy, g_label.npy and g_dataset.npy, and writes g_episodes.parquet,
g_ids.parquet (the rows of g_emb.npy) and g_d0.parquet to g_d9.parquet.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

data = Path(sys.argv[1])
episodes, label, dataset = (np.load(data / f"g_{name}.npy") for name in ("episodes", "label", "dataset"))
datasets, per, way, of_class = episodes.shape
sample = np.array([f"s{at:06d}" for at in range(len(label))])


def coded(codes, names):
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names))


def write(name, columns):
    pq.write_table(pa.table(columns), data / f"{name}.parquet", compression="zstd")


classes = [f"c{at:03d}" for at in range(label.max() + 1)]
picked = episodes.ravel()
write("g_episodes", {
    "dataset": coded(np.repeat(np.arange(datasets), per * way * of_class), [f"d{at}" for at in range(datasets)]),
    "episode": pa.array(np.tile(np.repeat(np.arange(per), way * of_class), datasets).astype(np.uint32)),
    "class": coded(label[picked], classes),
    "role": coded(np.tile((np.arange(of_class) >= 5).astype(int), datasets * per * way), ["support", "query"]),
    "sample_id": coded(picked, sample),
})
write("g_ids", {"sample_id": sample, "class": coded(label, classes)})
for at in range(datasets):
    here = dataset == at
    write(f"g_d{at}", {"sample_id": sample[here], "class": coded(label[here], classes)})
