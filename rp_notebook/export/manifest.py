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
    models: Sequence[Model] = (),
) -> bytes:
    """The bytes of rp_manifest.json over `files`, which does not hold the manifest itself.

    `lines` has, for each line of handler.py, `(cell, line)` from 1 or None; it is written as such.
    """
    known = [{key: value for key, value in asdict(one).items() if value is not None} for one in models]
    said: dict[str, Any] = {
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
        f" {json.dumps(key)}: {_files(value) if key == 'files' else _compact(value)}" for key, value in said.items()
    ]
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode()


def files_of(text: bytes) -> dict[str, str] | None:
    """Name to sha256 of each file that a manifest lists; None for a text that is no manifest of ours."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or said.get("tool") != _TOOL:
        return None
    files = said.get("files")
    return {str(name): str(value) for name, value in files.items()} if isinstance(files, dict) else None


def digest(body: bytes) -> str:
    """The sha256 of a file's bytes, as a manifest writes it."""
    return hashlib.sha256(body).hexdigest()


def _files(files: Mapping[str, str]) -> str:
    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(files[name])}" for name in sorted(files)) + "\n }"


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
