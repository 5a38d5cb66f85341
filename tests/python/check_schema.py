"""Holds JSON files against a JSON Schema: check_schema.py <schema> <file>... Says what is wrong, exits 1."""

import json
import sys

from jsonschema import Draft202012Validator

schema = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)
problems = [
    f"{name}: {error.json_path}: {error.message[:300]}"
    for name in sys.argv[2:]
    for error in validator.iter_errors(json.load(open(name)))
]
print(f"{len(sys.argv) - 2} files, {len(problems)} problems")
for problem in problems:
    print(problem, file=sys.stderr)
sys.exit(1 if problems else 0)
