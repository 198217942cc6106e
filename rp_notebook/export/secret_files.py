"""Files that are never carried into a worker, because they hold keys by their name, their place or their content."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from rp_notebook.export.cells import CellRun
from rp_notebook.export.file_tables import SECRET_FILES, SECRET_FOLDERS, SECRET_NAMES
from rp_notebook.jobs.masking import is_secret_name, secret_values, secrets_in, tells

_CONFIG_BYTES = 1_000_000  # larger ones are data, and their keys are words of somebody's texts
_LINED = (".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".properties")  # a name and its value on a line
_DOTENV = (".env", ".env.*", "*.env")
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
    """Whether a file's content has a secret's shape, or, in a small file of settings, a secret by its key."""
    # Every shape is ASCII, and any file can be read like this; other bytes end a word.
    encoding = "utf-16" if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "ascii"
    text = body.decode(encoding, "replace")
    if tells(text, iter(())):
        return True
    if len(body) > _CONFIG_BYTES:
        return False
    if path.suffix in _LINED:
        return any(is_secret_name(name) and _looks_random(value) for name, value in _pairs(text))
    try:
        value = json.loads(body) if path.suffix in (".json", ".ipynb") else None
    except (ValueError, RecursionError):
        return False
    return any(_looks_random(text) for _, text in secrets_in(value))


def secrets_beside(cells: Iterable[CellRun], folder: Path | None) -> dict[str, str]:
    """The secrets in the .env files of `folder` and of those that cells ran in, each with its variable: a value that a
    cell read there is not to be written.
    """
    found: dict[str, str] = {}
    folders = {*(Path(cell.cwd) for cell in cells if cell.cwd), *([folder] if folder else [])}
    for path in sorted(path for folder in folders for path in folder.glob("*.env*")):
        if any(fnmatchcase(path.name, pattern) for pattern in _DOTENV) and path.is_file():
            with suppress(OSError):  # not ours to read
                text = path.read_text("utf-8", "replace")[:_CONFIG_BYTES]
                found |= secret_values({name.removeprefix("export "): value for name, value in _pairs(text)})
    return found


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """What lines of settings give to a name: `name: value` or `name = value`, the value in quotes or not."""
    for line in text.splitlines():
        name, sign, value = min((line.partition(sign) for sign in ":="), key=lambda parts: len(parts[0]))
        if sign:
            yield name.strip(" \t-\"'"), value.partition(" #")[0].strip(" \t,\"'")


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
