"""The files that the kept statements open: copied beside handler.py, where the code finds them."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from rp_notebook.export.beside import Edit, edit_of, here, rewritten
from rp_notebook.export.bindings import bound_in
from rp_notebook.export.carrier import Carrier
from rp_notebook.export.cutting import parsed_text
from rp_notebook.export.file_tables import POD_VOLUME
from rp_notebook.export.installed import SITE_FOLDERS
from rp_notebook.export.opened import Opened, Use, origins_of
from rp_notebook.export.paths import Scope
from rp_notebook.export.places import Places
from rp_notebook.export.resolving import Found, found_by, is_elsewhere
from rp_notebook.export.slicing import Kept, Slice
from rp_notebook.export.trees import children, walk
from rp_notebook.export.unmade import unmade, written_by_others
from rp_notebook.jobs.finding import Finding


@dataclass(frozen=True)
class Carried:
    """The slice with its paths as the worker has them, the files to copy by name, and what there is to say.

    `folder` is the worker's working directory, in the repository, when a job runs.
    """

    slice_: Slice
    files: Mapping[str, bytes]
    findings: tuple[Finding, ...]
    folder: str = ""


class Assets:
    """Goes through the uses of paths in the order in which the worker comes by them."""

    def __init__(self, slice_: Slice, places: Places, live: Mapping[str, Any], carrier: Carrier) -> None:
        self._slice = slice_
        self._places = places
        self._carrier = carrier
        self._nodes = [parsed_text(k.text, k.indent if k.guarded else None) for k in slice_.kept]
        self._scope = Scope(bound_in(self._nodes, outermost=True), live)
        self._edits: dict[int, dict[int, Edit]] = {}
        self._folder = ""  # the worker's working directory, in the repository
        self._moves: list[tuple[int, str, str]] = []  # the statements that went elsewhere: to where there, and here
        self._written: set[str] = set()
        self._made: frozenset[str] = frozenset()  # what the kept statements write, as they say it
        self._imported: frozenset[str] = frozenset()  # the top modules that the kept statements import

    @cached_property
    def _others(self) -> frozenset[str]:
        """The paths that statements write which the worker has no part of."""
        return written_by_others(self._slice, self._made)

    @cached_property
    def _owner(self) -> dict[int, int]:
        """The statement that each node is a part of."""
        return {id(part): number for number, node in enumerate(self._nodes) for part in walk(node)}

    @cached_property
    def _above(self) -> dict[int, ast.AST]:
        """The node that each node is directly a part of."""
        parts = (part for node in self._nodes for part in walk(node))
        return {id(child): part for part in parts for child in children(part)}

    @cached_property
    def _here(self) -> str:
        """How the repository's folder is written."""
        return here(name for node in self._nodes for part in walk(node) for name in _bound(part))

    def carried(self) -> Carried:
        """All of it."""
        origins = origins_of(self._nodes)
        self._imported = frozenset(path.partition(".")[0] for path in origins.values())
        uses: list[tuple[bool, int, int, Use]] = []
        for number, node in enumerate(self._nodes):
            opened = Opened(self._scope, origins)
            opened.visit(node)
            uses += [(use.later, number, use.line, use) for use in opened.uses]
        written = [text.text for *_, use in uses if use.kind == "write" for text in use.texts]
        self._made = frozenset(map(os.path.normpath, written))
        for _, number, _, use in sorted(uses, key=lambda one: one[:3]):
            self._use(use, number)
        for _, number, _, use in uses:
            self._leftover(use, number)
        kept = tuple(rewritten(k, self._edits.get(n, {}).values()) for n, k in enumerate(self._slice.kept))
        carrier = self._carrier
        return Carried(replace(self._slice, kept=kept), carrier.files, tuple(carrier.findings), self._folder)

    def _leftover(self, use: Use, number: int) -> None:
        """Says of a folder of this machine that the module still names."""
        for text in use.texts if use.kind == "mention" else ():
            path = Path(text.text)
            is_said = isinstance(text.anchor, ast.Constant) and text.said == text.text
            if not is_said or not path.is_absolute() or len(path.parts) < 3 or is_elsewhere(text.text):
                continue
            edits = self._edits.get(number, {})
            if not {id(text.anchor), id(self._above.get(id(text.anchor)))} & set(edits) and path.is_dir():
                kept = self._slice.kept[number]
                line = kept.numbers[min(use.line, len(kept.numbers)) - 1] if kept.numbers else None
                self._carrier.say_left(path, kept.cell, line)

    def _use(self, use: Use, number: int) -> None:
        kept = self._slice.kept[number]
        folders = self._places.found_from(kept.cell, later=use.later)
        if self._moves:
            folders = tuple(dict.fromkeys((self._moves[-1][2], *folders)))
        if use.kind == "write":
            self._written |= {os.path.normpath(Path(cwd) / text.text) for text in use.texts for cwd in folders}
            return
        if use.kind in ("enter", "leave"):
            self._enter(use, folders, number)
            return
        line = kept.numbers[min(use.line, len(kept.numbers)) - 1] if kept.numbers else None
        there = [one for one in found_by(use, folders) if str(one.path) not in self._written]
        found = [one for one in there if not self._comes_with_a_package(one)]
        if len(found) > 1 and use.kind != "mention" and not self._carrier.fits(found, kept.cell, line):
            return
        for one in found:
            if self._carrier.takes(one.path, kept.cell, line, needed=use.certain):
                self._place(one, kept, line)
        if not there and use.certain and use.kind == "read":
            self._missing(use, folders, kept, line)
        elif not there and not self._places.ran and (path := unmade(use, self._others)) is not None:
            self._carrier.missing(Path(os.path.normpath(Path(folders[0]) / path)), kept.cell, line)

    def _comes_with_a_package(self, found: Found) -> bool:
        """Whether an imported package holds a file that only its own path leads to: the worker installs it, too."""
        parts = found.path.parts
        at = next((number for number, part in enumerate(parts) if part in SITE_FOLDERS), len(parts))
        return found.text.anchor is None and bool({*parts[at + 1 : at + 2]} & self._imported)

    def _missing(self, use: Use, folders: Sequence[str], kept: Kept, line: int | None) -> None:
        (text,) = use.texts
        paths = [os.path.normpath(Path(cwd) / text.text) for cwd in folders]
        content = text.text.lstrip().startswith(("{", "[", "<"))  # some readers take that too
        if not text.whole or content or "://" in text.text or is_elsewhere(text.text) or set(paths) & self._written:
            return
        for path, cwd in zip(paths, folders, strict=True):
            if self._carrier.knows_text_of(Path(path)):
                self._place(Found(Path(path), text, cwd), kept, line)
                return
        self._carrier.missing(Path(paths[0]), kept.cell, line)

    def _enter(self, use: Use, folders: Iterable[str], number: int) -> None:
        """`os.chdir(...)`: from here on relative paths of the worker begin elsewhere."""
        if use.kind == "leave" and not use.later:
            self._return(number)
        for text in use.texts if not use.later else ():
            back = self._owner.get(id(text.anchor)) if isinstance(text.anchor, ast.Call) and text.text == "." else None
            if back is not None:  # to where `os.getcwd()` was
                self._return(number, back)
                return
            for cwd in folders:
                path = Path(os.path.normpath(Path(cwd) / text.text))
                if text.whole and path.is_dir():
                    relative = os.path.normpath(os.path.join(self._folder, text.text))  # noqa: PTH118 (of the repository)
                    if text.text.startswith("/") or relative.startswith(".."):
                        self._folder = self._carrier.shelves.folder(path)
                        self._edit(text.anchor, text.said, self._folder, "")
                    else:
                        self._folder = "" if relative == "." else relative
                    self._moves.append((number, self._folder, str(path)))
                    return

    def _return(self, number: int, to: int | None = None) -> None:
        """Goes back to where a statement was as it began."""
        before = [move for move in self._moves if move[0] < (number if to is None else to)]
        self._moves.append((number, *(before[-1][1:] if before else ("", str(self._places.base)))))
        self._folder = self._moves[-1][1]

    def _place(self, found: Found, kept: Kept, line: int | None) -> None:
        text, path = found.text, found.path
        if not text.text.startswith("/"):
            below = os.path.relpath(path, found.cwd)
            name = self._carrier.shelves.as_written(path, os.path.join(self._folder, below))  # noqa: PTH118 (of the repository)
            if name is not None:
                self._carrier.carry(path, name, kept.cell, line)
                return
        if text.anchor is None or id(text.anchor) not in self._owner:
            self._carrier.say_unwritten(path, kept.cell, line)
            return
        said = Path(os.path.normpath(Path(found.cwd) / text.said))
        folder = said if text.said.endswith("/") or said.is_dir() else said.parent
        if said == path or not path.is_relative_to(folder):
            name = self._carrier.shelves.place(path)
            target, tail = (name, "") if said == path else (self._carrier.shelves.place(said), "")
        else:
            target = self._carrier.shelves.folder(folder)
            inside = "/".join([*([target] if target else []), path.relative_to(folder).as_posix()])
            name = self._carrier.shelves.as_written(path, inside) or self._carrier.shelves.place(path)
            tail = "/" if text.said.endswith("/") else "" if folder == said else f"/{said.name}"
        if self._edit(text.anchor, text.said, target, tail):
            self._carrier.carry(path, name, kept.cell, line)
            self._carrier.say_moved(path, name, kept.cell, line, pod=text.text.startswith(f"{POD_VOLUME}/"))
        else:
            self._carrier.say_unwritten(path, kept.cell, line)

    def _edit(self, anchor: ast.expr | None, said: str, name: str, tail: str) -> bool:
        owner = self._owner.get(id(anchor))
        if anchor is None or owner is None:
            return False
        kept = self._slice.kept[owner]
        if isinstance(anchor, ast.Constant) and said and str(anchor.value).startswith(said):
            tail += str(anchor.value)[len(said) :]  # of a format: what stands behind its first field
        edit = edit_of(anchor, name, tail, kept.text, self._above, self._here)
        if edit is not None:
            self._edits.setdefault(owner, {}).setdefault(id(edit[0]), edit)
        return edit is not None


def _bound(node: ast.AST) -> list[str]:
    """The names that a node binds, but for those that it imports from where we would."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.ImportFrom(module=module, names=names) if module != "pathlib":
            return [alias.asname or alias.name for alias in names]
        case ast.Import(names=names):
            return [alias.asname or alias.name for alias in names]
    return []


def carried(slice_: Slice, places: Places, live: Mapping[str, Any], carrier: Carrier) -> Carried:
    """What the kept statements open, as files beside handler.py, and the statements with the paths of there."""
    return Assets(slice_, places, live, carrier).carried()
