"""Prints the largest differences the tests found as the Markdown table of docs/oracles.md.

    oracle_table.py FOLDER

FOLDER is what `FAIRFRAME_ORACLES` named: `<test>.tsv` files of metric, oracle, data, values
compared and largest difference. Rows of one metric and oracle are put together.
"""

import csv
import sys
from pathlib import Path

rows = {}
for path in sorted(Path(sys.argv[1]).glob("*.tsv")):
    with path.open(newline="") as lines:
        for metric, oracle, data, n, largest in csv.reader(lines, delimiter="\t"):
            found = rows.setdefault((metric, oracle), [[], 0, 0.0])
            found[0] += [data] if data not in found[0] else []
            found[1] += int(n)
            found[2] = max(found[2], float(largest))

print("| metric | oracle | data | values compared | largest difference |")
print("| --- | --- | --- | ---: | ---: |")
for (metric, oracle), (data, n, largest) in sorted(rows.items()):
    difference = f"{largest:.1e}" if largest else "0"
    print(f"| `{metric}` | {oracle} | {'; '.join(data)} | {n:,} | {difference} |")
