"""The files in .runpod/ of a repository against the schemas of what the Hub takes: they are edited by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from rp_notebook.jobs.finding import Finding

SCHEMAS = {".runpod/hub.json": "hub.schema.json", ".runpod/tests.json": "tests.schema.json"}


def hub_findings(folder: Path) -> Iterator[Finding]:
    """What the Hub would refuse, and tests that hold a whole request where only its input belongs."""
    for name, schema in SCHEMAS.items():
        if not (folder / name).is_file():
            continue
        try:
            said = json.loads((folder / name).read_bytes())
        except ValueError as error:
            yield Finding("RPP130", "error", f"{name} is not JSON: {error}", "mend it")
            continue
        yield from _refused(name, said, schema)
        for test in said.get("tests", []) if isinstance(said, dict) else []:
            given = test.get("input") if isinstance(test, dict) else None
            if isinstance(given, dict) and set(given) == {"input"} and isinstance(given["input"], dict):
                message = f'{name}: the test {test.get("name")!r} wraps its input in another "input"'
                yield Finding("RPP131", "warning", message, "the Hub wraps it itself: write the inner object")


def _refused(name: str, said: object, schema: str) -> Iterator[Finding]:
    import jsonschema  # with nbformat; slow to load

    rules = json.loads((files("rp_notebook.export") / "schemas" / schema).read_text("utf-8"))
    for error in sorted(jsonschema.Draft202012Validator(rules).iter_errors(said), key=str):
        message = f"{name}: {error.json_path.removeprefix('$.')}: {error.message[:200]}"
        yield Finding("RPP130", "error", message, "the Hub refuses it otherwise")
