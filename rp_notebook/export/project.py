"""What a project says about its own libraries: `[tool.rp-notebook]` in the nearest pyproject.toml."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rp_notebook.errors import BadInput
from rp_notebook.export.overrides import NO_OVERRIDES, Overrides, override

TABLE = "tool.rp-notebook"
KEYS = ("mutators", "pure", "keep", "drop")

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class Project:
    """More names for the tables: calls that change what they are given, and calls that only look.

    A name is dotted from its package (`mylib.Model.update`, `mylib.show`), or a method of whatever object (`update`).
    `overrides` are names that always go into a worker, or never.
    """

    mutators: frozenset[str] = frozenset()
    pure: frozenset[str] = frozenset()
    overrides: Overrides = NO_OVERRIDES

    def changes(self, path: str, makers: Collection[str] = ()) -> bool | None:
        """Whether a call of `path` changes its object: True, False, or None when nothing is said.

        `path` is a dotted function, or only a method's name; `makers` are then the dotted calls that the object came
        from. Of an object that came from nowhere known, a method is taken to change it and not to leave it as it is.
        """
        if _said(self.pure, path, makers, doubt=False):
            return False
        return True if _said(self.mutators, path, makers, doubt=True) else None


NO_PROJECT = Project()


def project_of(folder: Path) -> Project:
    """What the nearest pyproject.toml with such a table says, at or above a folder.

    Raises `BadInput` with the key for a table that cannot be read.
    """
    for place in (folder, *folder.parents):
        path = place / "pyproject.toml"
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        if "rp-notebook" in text:  # most have no such table, and need no parser
            table = _parsed(text).get("tool", {}).get("rp-notebook")
            if table is not None:
                return _project(table)
    return NO_PROJECT


def _said(names: Collection[str], path: str, makers: Collection[str], *, doubt: bool) -> bool:
    if path in names:
        return True
    leaf = path.rsplit(".", 1)[-1]
    dotted = {name for name in names if "." in name and name.rsplit(".", 1)[-1] == leaf}
    if "." in path or not dotted:  # a function is that function; a method is one of some object of that package
        return False
    tops = {maker.split(".")[0] for maker in makers}
    return bool(tops & {name.split(".")[0] for name in dotted}) or (doubt and not tops)


def _parsed(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError:
            raise BadInput(
                f"pyproject.toml has [{TABLE}], which Python 3.10 reads with tomli: pip install tomli"
            ) from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"pyproject.toml is not TOML: {error}") from None


def _project(table: Any) -> Project:
    if not isinstance(table, dict):
        raise BadInput(f"pyproject.toml: {TABLE} is a table: [{TABLE}]")
    unknown = [key for key in table if key not in KEYS]
    if unknown:
        raise BadInput(f"pyproject.toml: {TABLE}.{unknown[0]} is unknown; known: {', '.join(KEYS)}")
    for key in ("mutators", "pure"):
        for name in _texts(table, key):
            if _NAME.fullmatch(name) is None:
                raise BadInput(f"pyproject.toml: {TABLE}.{key}: {name!r} is no dotted name like mylib.Model.update")
    return Project(
        frozenset(_texts(table, "mutators")),
        frozenset(_texts(table, "pure")),
        Overrides(*(tuple(_override(key, word) for word in _texts(table, key)) for key in ("keep", "drop"))),
    )


def _texts(table: dict[str, Any], key: str) -> list[str]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadInput(f'pyproject.toml: {TABLE}.{key} is a list of names: {key} = ["...", "..."]')
    return value


def _override(key: str, word: str) -> Any:
    origin = f"{TABLE}.{key} in pyproject.toml"
    try:
        found = override(word, origin)
    except BadInput:
        found = None
    if found is None or not found.name:  # the numbers of cells are another thing in each session
        raise BadInput(f"pyproject.toml: {TABLE}.{key}: {word!r} is no variable's name")
    return found
