"""rp_manifest.json: what wrote a repository, the hash of each of its files, and the cell that each line came from.

No date and no path of this machine is in it: equal exports are equal byte for byte.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

from rp_notebook.export.models import Model

MANIFEST = "rp_manifest.json"
_TOOL = "rp-notebook"


def manifest(
    files: Mapping[str, bytes],
    handler: str,
    *,
    python: str,
    notebook: str | None,
    lines: Sequence[tuple[int, int] | None],
    cells: Mapping[int, tuple[str | None, str]] = MappingProxyType({}),
    models: Sequence[Model] = (),
) -> bytes:
    """The bytes of rp_manifest.json over `files`, which does not hold the manifest itself.

    `lines` has, for each line of handler.py, `(cell, line)` from 1 or None; it is written as such. `cells` has, for
    each execution count among them, the cell's id and the sha256 of its text as it ran.
    """
    known = [{key: value for key, value in asdict(one).items() if value not in (None, ())} for one in models]
    said: dict[str, Any] = {
        "cells": {
            str(number): {"sha256": sha256} | ({"id": cell_id} if cell_id else {})
            for number, (cell_id, sha256) in cells.items()
        },
        "files": {name: digest(body) for name, body in files.items()},
        "handler": handler,
        "lines": lines,
        **({"models": known} if known else {}),
        "notebook": PurePath(notebook).name if notebook else None,
        "python": python,
        "tool": _TOOL,
        "version": importlib.metadata.version(_TOOL),
    }
    # A file a line for those who read differences; the lines of the handler would be as long as the handler.
    parts = [
        f" {json.dumps(key)}: {_listed(value) if isinstance(value, dict) else _compact(value)}"
        for key, value in said.items()
    ]
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode()


def files_of(text: bytes) -> dict[str, str] | None:
    """Name to sha256 of each file that a manifest lists; None for a text that is no manifest of ours."""
    said = _ours(text)
    files = said.get("files")
    return {str(name): str(value) for name, value in files.items()} if isinstance(files, dict) else None


def sources_of(text: bytes) -> tuple[str | None, dict[int, tuple[str | None, str]]] | None:
    """The notebook's name and the cells of a manifest, as `manifest` took them; None for one that has none."""
    said = _ours(text)
    cells = said.get("cells")
    if not isinstance(cells, dict):
        return None
    try:
        return said.get("notebook"), {int(n): (cell.get("id"), cell["sha256"]) for n, cell in cells.items()}
    except (ValueError, KeyError, AttributeError, TypeError):
        return None


def digest(body: bytes) -> str:
    """The sha256 of a file's bytes, as a manifest writes it."""
    return hashlib.sha256(body).hexdigest()


def _ours(text: bytes) -> dict[str, Any]:
    """What a manifest says; empty for a text that is no manifest of ours."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) and said.get("tool") == _TOOL else {}


def _listed(values: Mapping[str, Any]) -> str:
    names = sorted(values, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))
    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {_compact(values[name])}" for name in names) + "\n }"


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
