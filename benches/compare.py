#!/usr/bin/env python3
"""Times Fairframe beside its peers, in turn, in one run, and prints the table.

    benches/compare.py PEERS [--rounds 5] [--only A B C D E F G H M] [--out FILE]

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


def whole_process(_, whole):
    return {"s": whole["wall_s"], "CPU s": whole["cpu_s"], "peak MB": whole["peak_mb"]}


class Judged:
    """Reads the reports of an evaluation and holds their values against the golden ones."""

    def __init__(self, scratch, wanted):
        self.scratch, self.wanted = scratch, wanted

    def __call__(self, _, whole):
        for folder, metric, level, group, value in self.wanted:
            report = json.loads((self.scratch / folder / "report.json").read_text())
            found = next(m for m in report["metrics"] if m["metric"] == metric and m["level"] == level)
            cells = [c for g in found["by_group"] for c in g["cells"] if c["group"] == group]
            estimate = cells[0]["estimate"] if group else found["overall"]
            if abs(estimate["value"] - value) > 1e-12:
                sys.exit(f"{folder}: {metric} of {group} is {estimate['value']}, not {value}")
        return whole_process(None, whole)


def evaluations(peers, built, scratch):
    """The evaluator. Values only where the peer has values only; `--metric` where it has that metric only."""
    python, data = peers / "venv/bin/python", peers / "data"
    one_thread = ["env", "OPENBLAS_NUM_THREADS=1", python]
    golden = lambda name: json.loads((peers / "golden" / f"{name}.json").read_text())

    def ours(folder, form, solution, submission, *options):
        return [built / "fairframe", "eval", "--form", form, "--solution", solution, "--submission", submission,
                "--out", scratch / folder, *options]

    def peer(key, name, *options):
        return Contender(name, [*one_thread, f"peers/peer_{key}.py", "--peer", name, *options], peers, whole_process)

    def both(first, second):
        quoted = lambda command: " ".join(f"'{part}'" for part in command)
        return ["sh", "-ec", f"{quoted(first)}; {quoted(second)}"]

    files = [data / "a_1000000_solution.csv", data / "a_1000000_submission.csv"]
    groups = ["--group", "country", "--group", "region", "--group", "subregion"]
    f2 = golden("a_1000000")
    wanted = [("a", "f2_mean", "image", [], f2["overall"])]
    wanted += [("a", "f2_mean", "image", [name], value) for name, value in f2["groups"]["country"]["values"].items()]
    yield "A", "F2 of 1M images, overall and by country, region and subregion", [
        Contender("Fairframe", ours("a", "multi-label", *files, *groups, "--metric", "f2_mean", "--values-only"), ROOT,
                  Judged(scratch, wanted)),
        peer("a", "polars", "--n", "1000000", "--boot", "0"),
    ]
    yield "A", "the same with 1,000 resamples", [
        Contender("Fairframe", ours("a", "multi-label", *files, *groups, "--metric", "f2_mean", "--permutations", "0", "--no-items"),
                  ROOT, Judged(scratch, wanted)),
        peer("a", "numpy_multinomial", "--n", "1000000", "--boot", "1000"),
    ]
    frames = data / "b_10000000.parquet"
    scores = golden("b_10000000")
    metrics = {"auc": "auc", "ap": "average_precision", "eer": "eer", "acc": "accuracy", "logloss": "log_loss",
               "tpr01": "tpr_at_fpr_1pct", "tpr001": "tpr_at_fpr_0.1pct"}
    wanted = []
    for level in ("frame", "video"):
        for theirs, metric in metrics.items():
            wanted.append(("b", metric, level, [], scores[f"{level}/overall"]["overall"][theirs]))
            for name, values in scores[f"{level}/method_compression"].items():
                wanted.append(("b", metric, level, name.split("|"), values[theirs]))
    yield "B", "10M detection rows, 22 groups, frame and video level", [
        Contender("Fairframe", ours("b", "detection", frames, frames, "--group", "method+compression", "--group", "region",
                                    "--values-only"), ROOT, Judged(scratch, wanted)),
        peer("b", "numpy", "--n", "10000000"),
    ]
    landmarks = golden("c")
    wanted = [(f"c_{task}", metric, "query", [usage.title()], landmarks[task][usage])
              for task, metric in (("rec", "gap"), ("ret", "map_at_100")) for usage in ("public", "private")]
    tasks = [ours(f"c_{task}", form, data / f"c_{task}_solution.csv", data / f"c_{task}_predictions.csv", "--group", "Usage",
                  "--values-only") for task, form in (("rec", "recognition"), ("ret", "retrieval"))]
    yield "C", "GAP and mAP@100 of 117,577 queries", [
        Contender("Fairframe", both(*tasks), ROOT, Judged(scratch, wanted)),
        peer("c", "polars"),
        peer("c", "hand"),
    ]
    centroid = ["--ids", data / "g_ids.parquet", "--metric", "accuracy_nearest_centroid", "--values-only"]
    wanted = [("g", "accuracy_nearest_centroid", "episode", [f"d{at}"], of["mean_acc"]) for at, of in golden("g").items()]
    yield "G", "600 episodes of 10 datasets, 512-d, nearest centroid: drawn before", [
        Contender("Fairframe", ours("g", "few-shot", data / "g_episodes.parquet", data / "g_emb.npy", *centroid), ROOT,
                  Judged(scratch, wanted)),
        peer("g", "numpy_batch", "--mode", "file"),
    ]
    drawn = scratch / "episodes.parquet"
    pools = [f"d{at}={data / f'g_d{at}.parquet'}" for at in range(10)]
    judge = ours("g", "few-shot", drawn, data / "g_emb.npy", *centroid)
    for mode, shape, name in (("sample", ["--way", "5", "--shot", "5", "--query", "15"], "numpy_batch"),
                              ("varied", [], "numpy")):
        draw = [built / "fairframe", "episodes", *pools, *shape, "--out", drawn]
        yield "G", f"the same, {mode}: drawn by {'each' if mode == 'sample' else 'each, ways and shots varied'}", [
            Contender("Fairframe", both(draw, judge), ROOT, whole_process),
            peer("g", name, "--mode", mode),
        ]


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
        Contender("Fairframe", [example / "ingest_urls", data / "d_urls.txt", built / "fairframe-media", "--take", "4000"], ROOT,
                  lambda said, _: {"images/s": said["images_per_s"], "CPU ms/image": said["cpu_ms_per_image"]}),
        Contender("hand script", [peers / "venv-i2d/bin/python", "peers/peer_d.py", "--peer", "hand", "--n", "4000"], peers, images),
        Contender("img2dataset", [peers / "venv-i2d/bin/python", "peers/peer_d.py", "--peer", "img2dataset", "--n", "4000"], peers, images),
    ]
    for key, title, files in (("1080p", "60 s of 1080p", [data / "e_1080p.mp4"]),
                              ("clips", "40 clips of 10 s", sorted((data / "e_clips").glob("*.mp4")))):
        peer = lambda name: Contender(name, [peers / "venv-vid/bin/python", "peers/peer_e.py", "--peer", name, "--set", key],
                                      peers, whole_process)
        yield "E", f"{title}, one frame a second, 256 px", [
            Contender("Fairframe", [example / "frames_each_second", scratch / f"e_{key}", *files], ROOT, whole_process),
            *[peer(name) for name in ("ffmpeg", "opencv", "pyav", "decord", "noref")],
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
    yield from evaluations(peers, built, scratch)


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
    parser.add_argument("--only", nargs="+", choices=list("ABCDEFGHM"), default=list("ABCDEFGHM"))
    parser.add_argument("--out", type=Path, help="every measurement, as JSON lines")
    parser.add_argument("--built", type=Path, help="folder of a finished release build")
    args = parser.parse_args()
    peers = args.peers.resolve()
    built = args.built and args.built.resolve()
    if not built:
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
            if key == "G" and not (peers / "data/g_episodes.parquet").exists():
                subprocess.run([peers / "venv/bin/python", ROOT / "benches/few_shot_inputs.py", "data"], cwd=peers, check=True)
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
