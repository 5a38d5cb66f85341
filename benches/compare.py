#!/usr/bin/env python3
"""Times Fairframe beside its peers, in turn, in one run, and prints the table.

    benches/compare.py PEERS [--rounds 5] [--only D F H M] [--out FILE]

PEERS is a folder of peers that has been set up (see README.md here). Contenders
of a workload run one after the other, round by round, so that a slow minute of
the machine meets all of them. In brackets: the peer's value divided by ours.
Needs Python 3.9 and nothing else.
"""

import argparse
import hashlib
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Contender:
    """A command, and what to read from the JSON line it prints."""

    def __init__(self, name, command, cwd, read):
        self.name, self.command, self.cwd, self.read = name, [str(c) for c in command], cwd, read

    def run(self):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            start = time.perf_counter()
            process = subprocess.Popen(self.command, cwd=self.cwd, stdout=out, stderr=err)
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            if process.returncode:
                sys.exit(f"{' '.join(self.command)}: {err.read().decode(errors='replace')[-2000:]}")
            lines = [l for l in out.read().decode().splitlines() if l.startswith("{")]
        whole = {
            "wall_s": wall,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "peak_mb": usage.ru_maxrss / 1024,
        }
        return self.read(json.loads(lines[-1]) if lines else {}, whole)


def written(said, _):
    """Workload F, as we say it; what was read must be what was generated."""
    if said["sum_width"] != 20790746968 or said["xor_phash"] != 10000352495122140703:
        sys.exit(f"F: other values came back: {said}")
    return {"write s": said["write_s"], "read s": said["read_s"]}


def phases(said, _):
    """Workload F, as the peers say it."""
    return {"write s": said["phases"]["write"]["wall_s"], "read s": said["phases"]["read_full"]["wall_s"]}


def images(said, _):
    """Workload D, as the peers say it."""
    r = said["result"]
    return {"images/s": r["images_per_s"], "CPU ms/image": r["client_cpu_ms_per_image"]}


def workloads(peers, built, scratch):
    python = peers / "venv/bin/python"
    example = built / "examples"
    data = peers / "data"
    table = data / "f_10000000.arrow"
    yield "F", "10M x 16 manifest, zstd", [
        Contender("Fairframe", [example / "manifest_io", table, scratch / "f.parquet"], ROOT,
                  written),
        Contender("polars", [python, "peers/peer_f.py", "--peer", "polars", "--op", "write,read_full"], peers, phases),
        Contender("pyarrow", [python, "peers/peer_f.py", "--peer", "pyarrow", "--op", "write,read_full"], peers, phases),
    ]
    yield "D", "4,000 URLs from nginx on loopback: fetch, sha256, decode, EXIF, hash, 256 px", [
        Contender("Fairframe", [example / "ingest_urls", data / "d_urls.txt", built / "fairframe", "--take", "4000"], ROOT,
                  lambda said, _: {"images/s": said["images_per_s"], "CPU ms/image": said["cpu_ms_per_image"]}),
        Contender("hand script", [peers / "venv-i2d/bin/python", "peers/peer_d.py", "--peer", "hand", "--n", "4000"], peers, images),
        Contender("img2dataset", [peers / "venv-i2d/bin/python", "peers/peer_d.py", "--peer", "img2dataset", "--n", "4000"], peers, images),
    ]
    hashes = data / "h_1000000.npy"
    yield "H", "all pairs within Hamming 6 of 1M hashes", [
        Contender("Fairframe", [example / "near_duplicates", hashes, "--mode", "count"], ROOT,
                  lambda said, whole: {"s": said["inner_wall_s"], "process s": whole["wall_s"]}),
        Contender("C floor, 2 threads", ["peers/floor_h", "mih", hashes, "6", "2"], peers,
                  lambda said, whole: {"s": said["inner_wall_s"], "process s": whole["wall_s"]}),
        Contender("numpy", [python, "peers/peer_h.py", "--peer", "numpy_mih"], peers,
                  lambda said, whole: {"s": said["inner_wall_s"], "process s": whole["wall_s"]}),
    ]
    ingest = [built / "fairframe", "--quiet", "--root", scratch / "root", "ingest", scratch / "million/source.toml",
                 "--at", "2026-01-01T00:00:00Z"]
    yield "M", "ingest of 1M records without media", [
        Contender("Fairframe", ["sh", "-c", 'rm -rf "$0"; exec "$@"', scratch / "root", *ingest], ROOT,
                  lambda _, whole: {"s": whole["wall_s"], "peak MB": whole["peak_mb"]}),
    ]


def million(folder):
    """A million contributions in the form of the Inclusive Images competition."""
    folder.mkdir(parents=True)
    draw = random.Random(7)
    with open(folder / "contributions.csv", "w", encoding="ascii") as out:
        out.write("image_id,labels\n")
        for i in range(1_000_000):
            name = hashlib.sha256(b"%d" % i).hexdigest()[:24]
            labels = " ".join(f"/m/{draw.randrange(7000):05d}" for _ in range(2))
            out.write(f"{name},{labels}\n")
    (folder / "source.toml").write_text(
        'dataset = "million"\nsource = "kaggle"\n\n[crowdsourced]\npath = "."\ntable = "contributions.csv"\n'
        'form = "inclusive-images"\nlicence = "CC-BY-4.0"\n'
    )


def machine():
    cpu = platform.processor() or "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peers", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=list("DFHM"), default=list("DFHM"))
    parser.add_argument("--out", type=Path, help="every measurement, as JSON lines")
    args = parser.parse_args()
    peers = args.peers.resolve()
    build = ["cargo", "build", "--release", "--workspace", "--bins", "--examples"]
    subprocess.run(build, cwd=ROOT, check=True)
    meta = subprocess.run(["cargo", "metadata", "--format-version=1", "--no-deps"], cwd=ROOT, check=True, capture_output=True)
    built = Path(json.loads(meta.stdout)["target_directory"]) / "release"
    print(f"{machine()}; {args.rounds} rounds, medians; {time.strftime('%Y-%m-%d', time.gmtime())}\n")
    with tempfile.TemporaryDirectory(dir=built) as scratch:
        for key, title, contenders in workloads(peers, built, Path(scratch)):
            if key not in args.only:
                continue
            if key == "D":
                # Fails where it runs already.
                subprocess.run(["peers/nginx.sh", "start"], cwd=peers, check=False, stderr=subprocess.DEVNULL)
            if key == "M":
                million(Path(scratch) / "million")
            runs = {c.name: [] for c in contenders}
            for round_ in range(args.rounds):
                for contender in contenders:
                    measured = contender.run()
                    runs[contender.name].append(measured)
                    if args.out:
                        with open(args.out, "a", encoding="utf-8") as out:
                            out.write(json.dumps({"workload": key, "round": round_, "name": contender.name, **measured}) + "\n")
            print(f"| {key}: {title} | " + " | ".join(runs[contenders[0].name][0]) + " |")
            print("| --- |" + " ---: |" * len(runs[contenders[0].name][0]))
            median = {n: {k: statistics.median(m[k] for m in ms) for k in ms[0]} for n, ms in runs.items()}
            ours = median["Fairframe"]
            for name, values in median.items():
                cells = [f"{v:.3g}" + ("" if name == "Fairframe" else f" ({v / ours[k]:.2f})") for k, v in values.items()]
                print(f"| {name} | " + " | ".join(cells) + " |")
            print(flush=True)


if __name__ == "__main__":
    main()
