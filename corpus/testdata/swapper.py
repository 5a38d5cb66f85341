"""A program as `[corpus.swap.external]` declares one, with the standard library alone: paints a
bar over each mouth. Outside of its mask it leaves black, which must not reach the fake."""

import json
import os
import struct
import sys
import zlib


def png(path, width, height, channels, rows):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    colour = {1: 0, 3: 2}[channels]
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 1)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


folder = sys.argv[1]
with open(os.path.join(folder, "job.json")) as file:
    job = json.load(file)
assert job["version"] == 1
side = job["target"]
width, height = side["width"], side["height"]
for name in ("fake", "mask"):
    os.mkdir(os.path.join(folder, name))
for index, frame in enumerate(side["frames"]):
    assert os.path.exists(os.path.join(folder, frame["picture"]))
    mesh = frame["mesh"]
    if mesh is None or index % 10 == 9:
        continue
    left, right = int(mesh[61][0]), int(mesh[291][0])
    top, bottom = int(mesh[0][1]), int(mesh[17][1])
    fake, mask = [], []
    for y in range(height):
        inside = top <= y < bottom
        line = bytearray(width)
        painted = bytearray(3 * width)
        if inside:
            line[left:right] = b"\xff" * (right - left)
            painted[3 * left : 3 * right] = b"\xb0\x70\x60" * (right - left)
        mask.append(bytes(line))
        fake.append(bytes(painted))
    name = os.path.basename(frame["picture"])
    png(os.path.join(folder, "fake", name), width, height, 3, fake)
    png(os.path.join(folder, "mask", name), width, height, 1, mask)
