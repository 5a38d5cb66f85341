#!/usr/bin/env python3
"""Measures competitions over HTTP: scoring, boards of many teams, submissions at once, scoring anew;
all but the first while workers write the reports of the first.

    benches/competition.py ROOT [--built FOLDER] [--workers 2]

ROOT is what `competition make ROOT TEAMS AT_ONCE [SHARED]` (`web/examples/competition.rs`) has made; what
is measured changes it. FOLDER has the built `fairframe` and `examples/competition` [target/release].
Server, workers and clients share the cores.
"""

import argparse
import asyncio
import http.client
import json
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from web import Server, get

MANY, REAL = "/competitions/many-teams", "/competitions/inclusive-images"
ITEMS = 500


def quantiles(times):
    times = sorted(times)
    at = lambda q: times[min(len(times) * q // 100, len(times) - 1)] * 1e3
    return f"p50 {at(50):,.1f} ms, p99 {at(99):,.1f} ms, most {times[-1] * 1e3:,.1f} ms"


class State:
    """What the server's database says."""

    def __init__(self, root):
        self.database = sqlite3.connect(f"file:{root}/state.sqlite?mode=ro", uri=True)

    def one(self, sql, *values):
        return self.database.execute(sql, values).fetchone()[0]

    def waiting(self, kinds=("score", "board", "report")):
        marks = ",".join("?" * len(kinds))
        return self.one(f"SELECT count(*) FROM scoring WHERE kind IN ({marks}) AND state IN ('queued', 'running')", *kinds)

    def until(self, kinds, what):
        """Waits until none of these waits; the seconds that took."""
        begun = said = time.perf_counter()
        while left := self.waiting(kinds):
            if time.perf_counter() - said > 30:
                said = time.perf_counter()
                print(f"  {what}: {left:,} left", file=sys.stderr)
            time.sleep(0.1)
        return time.perf_counter() - begun


def body(text):
    return (
        '--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'.encode()
        + text
        + b"\r\n--b--\r\n"
    )


def submit(port, competition, token, file, times, numbers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    begun = time.perf_counter()
    connection.request(
        "POST",
        f"/api/v1{competition}/submissions",
        body(file),
        {"Authorization": f"Bearer {token}", "Content-Type": "multipart/form-data; boundary=b"},
    )
    answer = connection.getresponse()
    said = answer.read()
    times.append(time.perf_counter() - begun)
    if answer.status != 201:
        sys.exit(f"not taken: {answer.status} {said.decode()}")
    numbers.append(json.loads(said)["number"])


def answers(right):
    lines = ["image_id,labels"]
    for item in range(ITEMS):
        label = ["cat", "dog", "tree"][item % 3] if item * 7 % ITEMS < right else "bird"
        lines.append(f"i{item:04},{label}")
    return ("\n".join(lines) + "\n").encode()


def boards(port, teams):
    for path in (f"{MANY}/board", f"{MANY}/board?page=37", f"{MANY}/board?team=team99", f"{MANY}/board.json"):
        times = []
        for _ in range(200):
            begun = time.perf_counter()
            status = get(port, path)[0]
            times.append(time.perf_counter() - begun)
            assert status == 200, path
        print(f"{path} of {teams:,} teams: {quantiles(times)}")


def together(port, state, tokens):
    """All at the same moment, each on a connection of its own."""
    times, numbers = [], []

    async def one(n, token, start):
        file = body(answers(n % ITEMS))
        head = (
            f"POST /api/v1{MANY}/submissions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(file)}\r\nConnection: close\r\n\r\n"
        )
        await start.wait()
        begun = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + file)
        said = await reader.read()
        times.append(time.perf_counter() - begun)
        writer.close()
        if not said.startswith(b"HTTP/1.1 201"):
            sys.exit(f"not taken: {said.decode()}")
        numbers.append(json.loads(said.split(b"\r\n\r\n", 1)[1])["number"])

    async def everybody():
        start = asyncio.Event()
        waiting = [asyncio.create_task(one(n, token, start)) for n, token in enumerate(tokens)]
        await asyncio.sleep(1)
        begun = time.perf_counter()
        start.set()
        await asyncio.gather(*waiting)
        return begun

    begun = asyncio.run(everybody())
    taken = time.perf_counter() - begun
    state.until(["score"], "scores")
    marks = ",".join("?" * len(numbers))
    scored = state.one(f"SELECT count(*) FROM submission WHERE state = 'scored' AND seq IN ({marks})", *numbers)
    print(
        f"{len(tokens)} at once: taken {quantiles(times)}, all in {taken:.1f} s; "
        f"{scored} of {len(set(numbers))} scored {time.perf_counter() - begun:.1f} s after they were sent"
    )


def rescored(arguments, port, state, server):
    """By another truth; the server is killed half way."""
    subprocess.run([arguments.built / "examples/competition", "correct", arguments.root], check=True)
    teams = state.one("SELECT count(*) FROM scoring WHERE kind = 'score' AND truth = 2 AND competition = 'many-teams'")
    done = lambda: state.one("SELECT count(*) FROM score WHERE truth = 2 AND usage = 'public'")
    begun = time.perf_counter()
    while done() < teams // 2:
        time.sleep(0.1)
    half = time.perf_counter() - begun
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    kept = done()
    with Server(serve(arguments, port), port):
        begun = time.perf_counter()
        while state.one("SELECT count(*) FROM truth WHERE version = 2 AND state = 'current' AND competition = 'many-teams'") == 0:
            time.sleep(0.1)
        rest = time.perf_counter() - begun
        twice = state.one("SELECT count(*) FROM (SELECT 1 FROM score WHERE truth = 2 GROUP BY submission, usage HAVING count(*) > 1)")
        print(
            f"{teams:,} scored anew: {kept:,} in {half:.1f} s, kill -9, the rest and the board in {rest:.1f} s: "
            f"{teams / (half + rest):.0f} a second, {done() - teams} too many, {twice} twice"
        )


def real(arguments, port, state, tokens):
    """Answers to 32,580 images by whoever sent them: from the beginning to the end of the task."""
    folder = arguments.shared / "data/inclusive-images/submissions"
    for path in sorted(folder.iterdir()):
        times, numbers = [], []
        for token in tokens[:20]:
            submit(port, REAL, token, path.read_bytes(), times, numbers)
            state.until(["score"], "scores")
        marks = ",".join("?" * len(numbers))
        spans = state.database.execute(
            f"SELECT (julianday(ended_at) - julianday(began_at)) * 86400 FROM scoring WHERE kind = 'score' AND submission IN ({marks})",
            numbers,
        )
        spans = [span for (span,) in spans]
        value = state.one("SELECT value FROM score WHERE usage = 'private' AND submission = ?", numbers[-1])
        print(f"{path.name}: {value}, scored in the worker: {quantiles(spans)}; taken: {quantiles(times)}")


def serve(arguments, port):
    program = [arguments.built / "fairframe", "--root", arguments.root, "--quiet", "serve"]
    return [*program, "--listen", f"127.0.0.1:{port}", "--workers", str(arguments.workers)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--built", type=Path, default=Path("target/release"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shared", type=Path, help="folder with the real submissions")
    arguments = parser.parse_args()
    tokens = json.loads((arguments.root / "tokens.json").read_text())
    state = State(arguments.root)
    teams = state.one("SELECT count(*) FROM team WHERE competition = 'many-teams'")
    port = 8471
    server = Server(serve(arguments, port), port)
    try:
        scores = state.waiting(["score"])
        took = state.until(["score"], "scores")
        print(f"{scores:,} scores in {took:.1f} s: {scores / max(took, 1e-9):.0f} a second")
        # From here on workers write reports while they have nothing better to do.
        done = lambda: state.one("SELECT count(*) FROM scoring WHERE kind = 'report' AND state = 'done'")
        before = done()
        time.sleep(30)
        print(f"reports: {(done() - before) / 30:.0f} a second")
        boards(port, teams)
        together(port, state, tokens)
        if arguments.shared:
            real(arguments, port, state, tokens)
        print(f"server: {server.memory_mb()[1]} MB at most")
        rescored(arguments, port, state, server)
    finally:
        server.process.kill()


if __name__ == "__main__":
    main()
