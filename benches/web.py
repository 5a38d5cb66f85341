#!/usr/bin/env python3
"""Measures `fairframe serve` over HTTP with a release of 1M rows, downloads beside nginx.

    benches/web.py ROOT [--built FOLDER] [--rounds 5]

ROOT is what `million make ROOT` (`web/examples/million.rs`) has made; accounts of the measurement are
left in it. FOLDER has the built `fairframe` [target/release]. Needs curl and nginx (Debian's
nginx-light) and, for the first paint, Chromium and a Python that has playwright; everything runs on
loopback, server and clients on the same cores.
"""

import argparse
import asyncio
import http.client
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

BASE = "/datasets/million/1.0.0"
DATA = "/data/million/1.0.0"
HEAVY = [BASE + "/map?by=country", BASE + "/map?by=squares-1", BASE + "/map?by=region&show=per-million"]
READ = [
    "/",
    "/datasets/million",
    BASE + "/samples",
    BASE + "/samples?country=IT&sort=-captured",
    BASE + "/samples?text=ka&page=3",
    BASE + "/samples?label=/m/01&licence=CC0-1.0",
    BASE + "/statistics",
    BASE + "/map?by=country",
    "/api/v1/datasets/million/versions/1.0.0/samples?region=Asia&limit=50",
    DATA + "/summary.json",
]
READERS, ASKED = 200, 5


class Server:
    """A process with a port; ended when left."""

    def __init__(self, command, port, path="/"):
        self.port, begun = port, time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                if get(port, path)[0] == 200:
                    break
            except OSError:
                pass
            if self.process.poll() is not None or time.perf_counter() - begun > 60:
                sys.exit(f"{command} does not serve")
            time.sleep(0.002)
        self.started_s = time.perf_counter() - begun

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def memory_mb(self):
        """What is held now, and the most that was."""
        said = Path(f"/proc/{self.process.pid}/status").read_text()
        return [int(re.search(rf"{name}:\s+(\d+)", said)[1]) // 1024 for name in ("VmRSS", "VmHWM")]


def get(port, path, method="GET", body=None, headers={}):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.request(method, path, body, {"Host": f"127.0.0.1:{port}", **headers})
    answer = connection.getresponse()
    read = answer.read()
    connection.close()
    return answer.status, answer.headers, read


def ms(work):
    begun = time.perf_counter()
    result = work()
    return (time.perf_counter() - begun) * 1e3, result


def ready(port, path):
    """Waits until the page is there: the first one after a start reads the release."""
    while get(port, path)[0] == 503:
        time.sleep(0.05)


def fairframe(arguments, root, port):
    return [arguments.built / "fairframe", "--root", root, "--quiet", "serve", "--listen", f"127.0.0.1:{port}"]


def nginx(folder, root, port):
    (folder / "nginx.conf").write_text(
        f"""daemon off; worker_processes auto; pid {folder}/pid; error_log {folder}/errors;
        events {{ worker_connections 1024; }}
        http {{ access_log off; sendfile on; tcp_nopush on;
          server {{ listen 127.0.0.1:{port}; location /data/ {{ alias {root}/manifests/; }} }} }}"""
    )
    # Workers read as whoever starts them.
    user = ["-g", "user root;"] if os.geteuid() == 0 else []
    return [shutil.which("nginx") or "/usr/sbin/nginx", "-p", folder, "-c", folder / "nginx.conf", *user]


def rate(port, path, times, at_once):
    """MB/s of curl, which throws away what it reads."""
    command = ["curl", "-sf", "-o", "/dev/null"]
    url = f"http://127.0.0.1:{port}{path}"
    size = int(get(port, path, "HEAD")[1]["Content-Length"])
    begun = time.perf_counter()
    running = [subprocess.Popen([*command, *[url, "-o", "/dev/null"] * (times - 1), url]) for _ in range(at_once)]
    if any([one.wait() for one in running]):
        sys.exit(f"a download of {url} failed")
    return size * times * at_once / (time.perf_counter() - begun) / 1e6


def downloads(arguments, root, ports):
    path = f"{DATA}/part-00000.parquet"
    for at_once in (1, 8):
        seen = {port: [] for port in ports}
        for _ in range(arguments.rounds + 1):
            for port in ports:
                seen[port].append(rate(port, path, 4 // min(at_once, 4), at_once))
        # The first round warms up.
        ours, theirs = (statistics.median(seen[port][1:]) for port in ports)
        print(f"download, {at_once} at once: {ours:,.0f} MB/s, nginx {theirs:,.0f} MB/s: {ours / theirs:.2f}")


async def reader(port, number, times, wrong):
    reading, writing = await asyncio.open_connection("127.0.0.1", port)
    for n in range(ASKED):
        path = READ[(number + n) % len(READ)]
        begun = time.perf_counter()
        writing.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        head = (await reading.readuntil(b"\r\n\r\n")).decode().lower()
        if length := re.search(r"content-length: (\d+)", head):
            await reading.readexactly(int(length[1]))
        else:
            while size := int((await reading.readuntil(b"\r\n")).strip(), 16):
                await reading.readexactly(size + 2)
            await reading.readexactly(2)
        times.append((time.perf_counter() - begun) * 1e3)
        if not head.startswith("http/1.1 200"):
            wrong.append(f"{path}: {head.splitlines()[0]}")
    writing.close()


async def readers(port):
    times, wrong = [], []
    begun = time.perf_counter()
    ended = await asyncio.gather(*(reader(port, n, times, wrong) for n in range(READERS)), return_exceptions=True)
    wrong += [repr(error) for error in ended if error]
    seconds = time.perf_counter() - begun
    times.sort()
    print(
        f"{READERS} readers, {len(times)} pages: {len(wrong)} errors, {len(times) / seconds:.0f} pages/s, "
        f"p50 {times[len(times) // 2]:.0f} ms, p99 {times[len(times) * 99 // 100]:.0f} ms"
    )
    if wrong:
        sys.exit("\n".join(wrong[:10]))


def token(arguments, root, port):
    """A curator's token, as a person makes one."""
    program = [arguments.built / "fairframe", "--root", root, "account", "admin"]
    link = subprocess.run(program, capture_output=True, text=True, check=True)
    path = re.search(r"/welcome/[0-9a-f]+", link.stdout)[0]
    own = {"Origin": f"http://127.0.0.1:{port}", "Content-Type": "application/x-www-form-urlencoded"}

    def secret(page):
        found = re.search(rb'name="csrf" value="([^"]*)"', page)
        return found[1].decode() if found else ""

    def post(path, **fields):
        return get(port, path, "POST", urllib.parse.urlencode({"csrf": own.pop("csrf", ""), **fields}), own)

    _, headers, page = get(port, path)
    words = "otter lantern gravel mosaic"
    own["csrf"] = secret(page)
    _, headers, page = post(path, password=words, again=words)
    own["Cookie"] = headers["Set-Cookie"].split(";")[0]
    _, _, page = get(port, "/account", headers={"Cookie": own["Cookie"]})
    own["csrf"] = secret(page)
    _, _, page = post("/account/tokens", name="bench", days=1, scope="curate")
    return re.search(rb"Copy the new token.*?<code>([^<]+)</code>", page, re.S)[1].decode()


def decisions(arguments, root, port):
    by = {"Authorization": f"Bearer {token(arguments, root, port)}", "Content-Type": "application/json"}
    api = "/api/v1/datasets/million"
    newest = "/datasets/million/2.0.0"

    def decide(**wish):
        status, _, body = get(port, f"{api}/decisions", "POST", json.dumps({"change": "quarantine", "why": "bench", **wish}), by)
        if status not in (200, 201):
            sys.exit(f"decide: {status} {body[:500]}")
        return json.loads(body)["seq"]

    def page(path):
        took, (status, *_) = ms(lambda: get(port, path, headers=by))
        if status != 200:
            sys.exit(f"{path}: {status}")
        return took

    ready(port, f"{newest}/samples")
    found = json.loads(get(port, f"{api}/versions/latest/samples?status=accepted&limit=200", headers=by)[2])
    single = [ms(lambda: decide(samples=[one["sample_id"]]))[0] for one in found["items"]]
    print(f"one decision, kept on the disk: p50 {statistics.median(single):.1f} ms of {len(single)}")
    for words in ["country=FJ&status=accepted", "country=IT&status=accepted"]:
        held = json.loads(get(port, f"{api}/versions/latest/samples?{words}&limit=1", headers=by)[2])["total"]
        took, batch = ms(lambda: decide(filter=words, held=held))
        shown = page(f"{newest}/samples?status=quarantined")
        back = ms(lambda: get(port, f"{api}/decisions/{batch}/undo", "POST", "{}", by))
        if back[1][0] not in (200, 201):
            sys.exit(f"undo: {back[1]}")
        print(f"{held:,} decisions by a filter: {took:,.0f} ms; the next page {shown:.0f} ms; undone {back[0]:,.0f} ms")


def paint(port):
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("first paint: not measured, no playwright here")
        return
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"))
        times = []
        for n in range(7):
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            page.goto(f"http://127.0.0.1:{port}{BASE}/samples?page={n + 1}", wait_until="load")
            told = "() => performance.getEntriesByName('first-contentful-paint').map(e => e.startTime)"
            while not (painted := page.evaluate(told)):
                page.wait_for_timeout(10)
            times += painted
        browser.close()
    print(f"first paint of the grid in Chromium: p50 {statistics.median(times):.0f} ms, at most {max(times):.0f} ms")


def main():
    reading = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reading.add_argument("root", type=Path)
    reading.add_argument("--built", type=Path, default=Path(__file__).resolve().parent.parent / "target/release")
    reading.add_argument("--rounds", type=int, default=5)
    arguments = reading.parse_args()
    root, port, other = arguments.root.resolve(), 18431, 18432
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")

    starts = []
    for _ in range(arguments.rounds):
        with Server(fairframe(arguments, root, port), port) as server:
            starts.append(server.started_s * 1e3)
    print(f"from the start to the home page: p50 {statistics.median(starts):.0f} ms, at most {max(starts):.0f} ms")

    with tempfile.TemporaryDirectory() as scratch, Server(fairframe(arguments, root, port), port) as server:
        with Server(nginx(Path(scratch), root, other), other, f"{DATA}/summary.json"):
            downloads(arguments, root, (port, other))
        took = ms(lambda: ready(port, f"{BASE}/samples"))[0]
        print(f"from there until the release is read: {took / 1e3:.1f} s")
        for path in HEAVY:
            times = [ms(lambda: get(port, path))[0] for _ in range(20)]
            print(f"{path.removeprefix(BASE)}: p50 {statistics.median(times):.0f} ms, at most {max(times):.0f} ms")
        asyncio.run(readers(port))
        paint(port)
        first, again = (ms(lambda: get(port, "/datasets/million/2.0.0/changes"))[0] for _ in range(2))
        print(f"every difference of two versions: {first:,.0f} ms, from then on {again:.0f} ms")
        print("memory: {} MB, at most {} MB".format(*server.memory_mb()))
        decisions(arguments, root, port)
        print("memory with both versions: {} MB, at most {} MB".format(*server.memory_mb()))


if __name__ == "__main__":
    main()
