"""Runs the lines that a dataset's page offers to copy, each as it stands, with the tool it is for.

    tools.py PAGE_URL FOLDER ROWS

Prints one line for each tool: its name and the rows it read.
"""

import html
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.request

EXPECTED = {"curl", "polars", "pandas", "DuckDB", "Hugging Face datasets", "everything, media included"}


def lines_of(page):
    """The lines on a page's HTML by the tool they are for."""
    section = page.split("<h2>Open it</h2>")[1]
    blocks = re.findall(r"<h3>(.*?)</h3>\s*<pre[^>]*><code>(.*?)</code></pre>", section, re.S)
    return {html.unescape(tool): html.unescape(text) for tool, text in blocks}


def environment(folder, token=None, binary=None):
    """Programs find their caches and settings in `folder`, nothing of this machine's user."""
    own = {"HOME": str(folder), "HF_HOME": str(folder / "hf")}
    path = [str(binary.parent)] if binary else []
    own["PATH"] = os.pathsep.join([*path, os.environ["PATH"]])
    return {**os.environ, **own, **({"FAIRFRAME_TOKEN": token} if token else {})}


def run(arguments, folder, env, **more):
    said = subprocess.run(arguments, cwd=folder, env=env, capture_output=True, text=True, timeout=120, **more)
    assert said.returncode == 0, f"{arguments}: {said.stdout}\n{said.stderr}"
    return said.stdout


def curl(lines, folder, env):
    """Downloads, cut off in the middle, go on where they stopped; the digests are right."""
    url = re.search(r"-C - .*?(\S+\.parquet)", lines).group(1)
    asked = urllib.request.Request(url)
    if token := env.get("FAIRFRAME_TOKEN"):
        asked.add_header("Authorization", f"Bearer {token}")
    whole = urllib.request.urlopen(asked).read()
    part = folder / url.rsplit("/", 1)[1]
    part.write_bytes(whole[: len(whole) // 2])
    said = run(["sh", "-ec", lines], folder, env)
    assert part.read_bytes() == whole
    assert f"{part.name}: OK" in said, said
    asked.add_header("Range", "bytes=4-11")
    answer = urllib.request.urlopen(asked)
    assert (answer.status, answer.read()) == (206, whole[4:12])
    import pyarrow.parquet as pq

    return pq.read_metadata(part).num_rows


def python(lines, folder, env):
    return int(run([sys.executable, "-c", f"{lines}\nprint(len(samples))"], folder, env).splitlines()[-1])


def duckdb(lines, folder, env):
    """DuckDB's own command line. What `INSTALL` brings from DuckDB's server comes from PyPI here, to
    where `INSTALL` puts it."""
    import duckdb as db

    package = pathlib.Path(importlib.util.find_spec("duckdb_extension_httpfs").origin).parent
    extension = package / f"extensions/v{db.__version__}/httpfs.duckdb_extension"
    at = folder / f".duckdb/extensions/v{db.__version__}/linux_amd64"
    at.mkdir(parents=True)
    shutil.copy(extension, at)
    program = pathlib.Path(sys.executable).parent / "duckdb"
    said = run([program, "-csv"], folder, env, input=lines)
    return sum(int(line.rsplit(",", 1)[1]) for line in said.splitlines() if re.search(r",\d+$", line))


TOOLS = {"curl": curl, "polars": python, "pandas": python, "Hugging Face datasets": python, "DuckDB": duckdb}


def with_five_tools(lines, folder, env):
    """The rows that each tool reads by its own lines."""
    assert set(lines) == EXPECTED, sorted(lines)
    rows, failed = {}, []
    for tool, read in TOOLS.items():
        try:
            rows[tool] = read(lines[tool], folder, env)
        except Exception as error:  # noqa: BLE001 - every tool is tried
            failed.append(f"{tool}: {type(error).__name__}: {error}")
    assert not failed, "\n".join(failed)
    return rows


def main():
    page_url, folder, rows = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
    lines = lines_of(urllib.request.urlopen(page_url).read().decode())
    for tool, found in with_five_tools(lines, folder, environment(folder)).items():
        assert found == rows, f"{tool}: {found} rows instead of {rows}"
        print(f"{tool}: {found}")


if __name__ == "__main__":
    main()
