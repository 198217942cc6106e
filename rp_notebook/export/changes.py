"""What an export would change in the folder of an earlier one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from rp_notebook.export.manifest import MANIFEST, files_of
from rp_notebook.export.repo import HANDLER, Repo


def changes(repo: Repo, folder: Path) -> list[str]:
    """Lines that tell it: a unified diff of handler.py, and the names of other files. Empty where nothing changes.

    Raises nothing for a folder that is not there, or is not ours: then all is new.
    """
    earlier = _listed(folder)
    if earlier is None:
        return [f"{folder.name}: no earlier export is there"]
    found = list(_differences(_text(folder / HANDLER), repo.get(HANDLER, b"").decode()))
    for name in sorted({*repo, *earlier} - {HANDLER, MANIFEST}):
        if name not in earlier:
            found.append(f"added    {name}")
        elif name not in repo:
            found.append(f"removed  {name}")
        elif _bytes(folder / name) != repo[name]:
            found.append(f"changed  {name}")
    return found or [f"nothing changes in {folder.name}"]


def _listed(folder: Path) -> dict[str, str] | None:
    body = _bytes(folder / MANIFEST)
    return None if body is None else files_of(body)


def _differences(before: str, after: str) -> Iterator[str]:
    names = (f"{HANDLER} (written)", f"{HANDLER} (now)")
    return difflib.unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="")


def _text(path: Path) -> str:
    return (_bytes(path) or b"").decode(errors="replace")


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
