#!/usr/bin/env python3
"""Turns the 1:110m countries of Natural Earth (npm package `world-atlas` 2.0.2,
`countries-110m.json`) into `world.tsv`: ISO 3166-1 alpha-2 code, tab, SVG path.

    make_map.py countries-110m.json iso3166_regional_all.csv > world.tsv

Projection: Equal Earth (Savric, Patterson, Jenny 2018), which keeps areas true:
a dense small country must not vanish behind an empty large one. The whole world
is 2000 units wide; `ingest/src/card/map.rs` projects with the same formula.
Antarctica is left out. Shapes without an ISO code get the code `-`.
"""
import csv
import json
import math
import sys

A1, A2, A3, A4 = 1.340264, -0.081106, 0.000893, 0.003796
M = math.sqrt(3) / 2
WIDTH = 2000.0


def raw(lon, lat):
    theta = math.asin(M * math.sin(math.radians(lat)))
    t2 = theta * theta
    t6 = t2 * t2 * t2
    x = math.radians(lon) * math.cos(theta) / (M * (A1 + 3 * A2 * t2 + t6 * (7 * A3 + 9 * A4 * t2)))
    y = theta * (A1 + A2 * t2 + t6 * (A3 + A4 * t2))
    return x, y


HALF = raw(180, 0)[0]
TOP = raw(0, 90)[1]
SCALE = WIDTH / (2 * HALF)


def project(lon, lat):
    x, y = raw(lon, lat)
    return round((x + HALF) * SCALE), round((TOP - y) * SCALE)


def runs(points):
    """A ring over the antimeridian as one ring on either side: else it crosses the whole world."""
    cuts = [i for i in range(len(points)) if abs(points[i][0] - points[i - 1][0]) > WIDTH / 2]
    if not cuts:
        return [points]
    points = points[cuts[0] :] + points[: cuts[0]]
    ends = [cut - cuts[0] for cut in cuts] + [len(points)]
    return [points[a:b] for a, b in zip(ends, ends[1:])]


def write(points):
    path = "M%d %d" % points[0]
    steps = ["%d %d" % (x - a, y - b) for (a, b), (x, y) in zip(points, points[1:])]
    return path + "l" + " ".join(steps).replace(" -", "-") + "z"


def main(topology, iso):
    topo = json.load(open(topology, encoding="utf-8"))
    codes = {row["country-code"]: row["alpha-2"] for row in csv.DictReader(open(iso, encoding="utf-8"))}
    (sx, sy), (tx, ty) = topo["transform"]["scale"], topo["transform"]["translate"]
    arcs = []
    for arc in topo["arcs"]:
        x = y = 0
        points = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            points.append((x * sx + tx, y * sy + ty))
        arcs.append(points)

    def ring(indices):
        points = []
        for i in indices:
            part = arcs[i] if i >= 0 else arcs[~i][::-1]
            points += part[1:] if points else part
        out = []
        for lon, lat in points:
            p = project(lon, lat)
            if not out or out[-1] != p:
                out.append(p)
        if len(out) < 4:  # less than a pixel
            return ""
        return "".join(write(run) for run in runs(out[:-1]) if len(run) > 2)

    rows = []
    for shape in topo["objects"]["countries"]["geometries"]:
        code = codes.get(shape.get("id", ""), "-")
        if code == "AQ":
            continue
        polygons = shape["arcs"] if shape["type"] == "MultiPolygon" else [shape["arcs"]]
        path = "".join(ring(r) for polygon in polygons for r in polygon)
        if path:
            rows.append((code, path))
    for code, path in sorted(rows):
        print(f"{code}\t{path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
