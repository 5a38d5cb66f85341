"""Runs the lines that a dataset's page offers to copy, each as it stands, with the tool it is for.

    tools.py PAGE_URL FOLDER ROWS

Prints one line for each tool: its name and the rows it read.
"""

import html
import pathlib
import re
import subprocess
import sys
import urllib.request

page_url, folder, rows = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
page = urllib.request.urlopen(page_url).read().decode()
section = page.split("<h2>Open it</h2>")[1]
blocks = re.findall(r"<h3>(.*?)</h3>\s*<pre[^>]*><code>(.*?)</code></pre>", section, re.S)
snippets = {html.unescape(tool): html.unescape(text) for tool, text in blocks}
expected = {"curl", "polars", "pandas", "DuckDB", "Hugging Face datasets", "everything, media included"}
assert set(snippets) == expected, sorted(snippets)


def curl():
    """Downloads, cut off in the middle, go on where they stopped; the digests are right."""
    line = snippets["curl"]
    url = re.search(r"curl -fLO -C - (\S+\.parquet)", line).group(1)
    whole = urllib.request.urlopen(url).read()
    part = folder / url.rsplit("/", 1)[1]
    part.write_bytes(whole[: len(whole) // 2])
    said = subprocess.run(["sh", "-ec", line], cwd=folder, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert part.read_bytes() == whole
    assert f"{part.name}: OK" in said.stdout, said.stdout
    request = urllib.request.Request(url, headers={"Range": "bytes=4-11"})
    answer = urllib.request.urlopen(request)
    assert (answer.status, answer.read()) == (206, whole[4:12])
    return rows


def python(tool):
    names = {}
    exec(snippets[tool], names)
    return len(names["samples"])


def duckdb():
    import duckdb as db

    connection = db.connect()
    lines = snippets["DuckDB"]
    try:
        connection.execute("INSTALL httpfs; LOAD httpfs;")
    except db.Error:
        # DuckDB fetches it from its own server, which a test machine may not reach: the same
        # question then goes to the files that curl has brought.
        print("DuckDB: httpfs cannot be installed here, asked of the downloaded files")
        lines = lines.replace("INSTALL httpfs; LOAD httpfs;", "")
        lines = re.sub(r"'https?://[^']*/([^'/]+)'", lambda m: f"'{folder / m.group(1)}'", lines)
    counts = connection.execute(lines).fetchall()
    return sum(n for _, n in counts)


tools = {
    "curl": curl,
    "polars": lambda: python("polars"),
    "pandas": lambda: python("pandas"),
    "Hugging Face datasets": lambda: python("Hugging Face datasets"),
    "DuckDB": duckdb,
}
failed = []
for tool, read in tools.items():
    try:
        found = read()
        assert found == rows, f"{found} rows"
        print(f"{tool}: {found}")
    except Exception as error:  # noqa: BLE001 - every tool is tried
        failed.append(f"{tool}: {type(error).__name__}: {error}")
sys.exit("\n".join(failed) or 0)
