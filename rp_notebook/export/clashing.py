"""A module handler.py beside the file that starts a worker, by another name: an export's own file is called so."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import PurePosixPath

from rp_notebook.export.worker_entry import takes_from_handler

_FREE = ("worker_handler", "handler_module", "handler_of_the_worker")


def without_clash(files: Mapping[str, bytes], entry: str) -> dict[str, bytes]:
    """The files with a handler.py that is imported as a module under a free name, where there is one.

    One that only the entry takes names out of stays: it becomes a part of that.
    """
    folder = PurePosixPath(entry).parent
    clash = (folder / "handler.py").as_posix()
    named = {free: (folder / f"{free}.py").as_posix() for free in _FREE}
    free = next((free for free, name in named.items() if name not in files), None)
    imports = {name: _imports_of_handler(body) for name, body in files.items() if name.endswith(".py")}
    merges = all(name == entry and takes_from_handler(node) for name, found in imports.items() for node in found)
    if clash == entry or clash not in files or merges or free is None:
        return dict(files)
    return {
        named[free] if name == clash else name: _with_name(body, imports.get(name, []), free)
        for name, body in files.items()
    }


def _imports_of_handler(body: bytes) -> list[ast.Import | ast.ImportFrom]:
    try:
        nodes = [*ast.walk(ast.parse(body))]
    except (SyntaxError, ValueError):
        return []
    plain = [n for n in nodes if isinstance(n, ast.Import) and any(alias.name == "handler" for alias in n.names)]
    return [*plain, *(n for n in nodes if isinstance(n, ast.ImportFrom) and n.module == "handler" and not n.level)]


def _with_name(body: bytes, imports: list[ast.Import | ast.ImportFrom], free: str) -> bytes:
    """A file that imports handler.py under another name, as what it is called there."""
    lines = body.splitlines(keepends=True)
    places = [place for node in imports for place in _places(node, free)]
    for line, column, said in sorted(places, reverse=True):
        head, tail = lines[line - 1][:column], lines[line - 1][column:]
        lines[line - 1] = head + tail.replace(b"handler", said.encode(), 1)
    return b"".join(lines)


def _places(node: ast.Import | ast.ImportFrom, free: str) -> list[tuple[int, int, str]]:
    """Line, column in bytes, and what is to stand there."""
    if isinstance(node, ast.ImportFrom):
        return [(node.lineno, node.col_offset, free)]
    return [
        (alias.lineno, alias.col_offset, free if alias.asname else f"{free} as handler")
        for alias in node.names
        if alias.name == "handler"
    ]
