"""Writes meshes.csv: what onnxruntime and OpenCV make of the tests' pictures.

    pip install onnxruntime==1.32.0 opencv-python-headless==5.0.0.93 numpy
    python reference.py

The same networks as the program's, the same order of work, nothing else in common: the
program's resampling, decoding of boxes, merging and geometry are judged by it.
"""

import csv
import math
import pathlib

import cv2
import numpy
import onnxruntime

HERE = pathlib.Path(__file__).parent
MODELS = HERE.parent / "models"
MEDIA = HERE.parent.parent / "datasets/demo-commons/replay/media"
PICTURES = [MEDIA / "obama.jpg", MEDIA / "biden.jpg", HERE / "again-10.jpg", HERE / "walk-40.jpg"]

detector = onnxruntime.InferenceSession(MODELS / "face_detection.onnx")
landmarker = onnxruntime.InferenceSession(MODELS / "face_landmark.onnx")


def sigmoid(x):
    return 1 / (1 + numpy.exp(-numpy.clip(x, -80, 80)))


def anchors():
    return numpy.array(
        [
            ((x + 0.5) / cells, (y + 0.5) / cells)
            for cells, boxes in ((16, 2), (8, 6))
            for y in range(cells)
            for x in range(cells)
            for _ in range(boxes)
        ]
    )


def detect(picture):
    """The surest face: box (x, y, w, h), score, six points, in pixels."""
    height, width = picture.shape[:2]
    side = max(height, width)
    left, top = (side - width) // 2, (side - height) // 2
    square = numpy.zeros((side, side, 3), numpy.uint8)
    square[top : top + height, left : left + width] = picture
    small = cv2.resize(square, (256, 256), interpolation=cv2.INTER_AREA)
    values, scores = detector.run(None, {"input": small[None].astype(numpy.float32) / 127.5 - 1})
    scores = sigmoid(scores[0, :, 0].astype(float))
    values = values[0].astype(float).reshape(-1, 8, 2) / 256
    values[:, [0, 2, 3, 4, 5, 6, 7]] += anchors()[:, None]
    best = scores.argmax()

    def corners(v):
        return numpy.concatenate([v[0] - v[1] / 2, v[0] + v[1] / 2])

    def overlap(a, b):
        common = numpy.prod(numpy.clip(numpy.minimum(a[2:], b[2:]) - numpy.maximum(a[:2], b[:2]), 0, None))
        area = lambda c: (c[2] - c[0]) * (c[3] - c[1])
        return common / (area(a) + area(b) - common)

    same = [
        i
        for i in numpy.flatnonzero(scores >= 0.5)
        if overlap(corners(values[i]), corners(values[best])) > 0.3
    ]
    mean = (values[same] * scores[same, None, None]).sum(0) / scores[same].sum()
    points = mean * side - numpy.array([left, top])
    size = mean[1] * side
    return numpy.concatenate([points[0] - size / 2, size]), scores[best], points[2:]


def mesh(picture, centre, side, angle):
    """468 points (x, y, z in pixels) of the turned square, and the score."""
    cos, sin = math.cos(angle) * side / 192, math.sin(angle) * side / 192
    forth = numpy.array([[cos, -sin, 0], [sin, cos, 0]])
    forth[:, 2] = centre - forth[:, :2] @ [96, 96]
    # Several samples a pixel where it shrinks: bilinear alone would skip some.
    samples = max(1, round(side / 192))
    finer = forth.copy()
    finer[:, :2] /= samples
    # OpenCV's (0, 0) is the middle of the first pixel.
    finer[:, 2] += finer[:, :2] @ [0.5, 0.5] - 0.5
    seen = cv2.warpAffine(
        picture,
        finer,
        (192 * samples, 192 * samples),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    seen = cv2.resize(seen, (192, 192), interpolation=cv2.INTER_AREA)
    points, score = landmarker.run(None, {"input_1": seen[None].astype(numpy.float32) / 255})
    points = points.reshape(468, 3).astype(float)
    flat = points[:, :2] @ forth[:, :2].T + forth[:, 2]
    return numpy.column_stack([flat, points[:, 2] * side / 192]), sigmoid(float(score.item()))


def angle(a, b):
    return math.atan2(b[1] - a[1], b[0] - a[0])


with open(HERE / "meshes.csv", "w", newline="") as out:
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["picture", "what", "number", "x", "y", "z"])
    for path in PICTURES:
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        box, score, points = detect(picture)
        rough, _ = mesh(picture, box[:2] + box[2:] / 2, 1.5 * max(box[2:]), angle(points[0], points[1]))
        low, high = rough[:, :2].min(0), rough[:, :2].max(0)
        middle, side, turn = (low + high) / 2, 1.5 * max(high - low), angle(rough[33], rough[263])
        fine, sure = mesh(picture, middle, side, turn)
        rows.writerow([path.name, "score", 0, f"{score:.4f}", f"{sure:.4f}", 0])
        rows.writerow([path.name, "middle", 0, f"{middle[0]:.3f}", f"{middle[1]:.3f}", 0])
        rows.writerow([path.name, "square", 0, f"{side:.3f}", f"{turn:.5f}", 0])
        rows.writerow([path.name, "corner", 0, f"{box[0]:.3f}", f"{box[1]:.3f}", 0])
        rows.writerow([path.name, "size", 0, f"{box[2]:.3f}", f"{box[3]:.3f}", 0])
        for number, (x, y, z) in enumerate(fine):
            rows.writerow([path.name, "mesh", number, f"{x:.3f}", f"{y:.3f}", f"{z:.3f}"])
