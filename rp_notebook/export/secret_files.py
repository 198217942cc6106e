"""Files that are never carried into a worker, because they hold keys by their name, their place or their content."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from rp_notebook.export.file_tables import SECRET_FILES, SECRET_FOLDERS, SECRET_NAMES
from rp_notebook.jobs.masking import secrets_in, tells

_CONFIG_BYTES = 1_000_000  # larger ones are data, and their keys are words of somebody's texts
_SHORTEST = 12  # characters: shorter values of a key named `token` are mostly marks such as `<s>`


def why_secret(path: Path) -> str | None:
    """Why a file's name or place forbids to carry it; None where it does not. Links are followed."""
    home = Path.home()
    for one in (path, path.resolve()):
        if any(fnmatchcase(one.name.lower(), pattern) for pattern in SECRET_NAMES):
            return "files of that name hold keys"
        if any(one.is_relative_to(home / folder) for folder in SECRET_FOLDERS):
            return "its folder holds logins"
        if any(one == home / name for name in SECRET_FILES):
            return "it is a login"
    return None


def holds_secret(path: Path, body: bytes) -> bool:
    """Whether a file's content has a secret's shape, or, in a small JSON file, a secret by its key."""
    # Every shape is ASCII, and any file can be read like this; other bytes end a word.
    encoding = "utf-16" if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "ascii"
    if tells(body.decode(encoding, "replace"), iter(())):
        return True
    if path.suffix not in (".json", ".ipynb") or len(body) > _CONFIG_BYTES:
        return False
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return any(_looks_random(text) for _, text in secrets_in(value))


def _looks_random(text: str) -> bool:
    return len(text) >= _SHORTEST and " " not in text and any(c.isdigit() for c in text) and "<" not in text


def below(folder: Path, left_behind: frozenset[str]) -> Iterator[Path]:
    """The files of a folder and the folders in it, sorted; links to folders are not followed."""
    for path in sorted(folder.iterdir()):
        if path.name in left_behind or path.suffix == ".pyc":
            continue
        if path.is_dir() and not path.is_symlink():
            yield from below(path, left_behind)
        elif path.is_file():
            yield path
