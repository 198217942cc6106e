"""The text of handler.py: imports first, then the kept statements in the order of execution, then the start."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from pyflakes import checker, messages

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cutting import parsed_text
from rp_notebook.export.layout import Block, laid_out, wrapped
from rp_notebook.export.local_code import imported_by_call
from rp_notebook.export.names import names_of
from rp_notebook.export.namespace_dict import ANY, bound_by_text
from rp_notebook.export.order import block_of, ordered
from rp_notebook.export.slicing import Dropped, Kept, Slice
from rp_notebook.export.tables import IPYTHON_NAMES
from rp_notebook.export.trees import tree_of, walk
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.finding import Finding

_PATH = re.compile(r"(?<![\w.])Path\(__file__\)\.parent")
GUARD = 'if __name__ == "__main__":'


@dataclass(frozen=True)
class Module:
    """The text of handler.py.

    `lines` has, for each line of it, `(cell, line in the cell)` or None where we wrote it ourselves; `imports` are
    the modules imported anywhere in it, dotted as they are written, those of the standard library left out; of
    `from a import b` both `a` and `a.b`, which may be a module.
    """

    text: str
    lines: tuple[tuple[int, int] | None, ...]
    imports: frozenset[str]


def module_of(slice_: Slice, declaration: Declaration) -> Module:
    """Writes the module of a slice. The same slice gives the same bytes.

    Raises `ExportRefused` when the module would use a name that it does not define.
    """
    sections = ordered(slice_.kept)
    own = _own_imports(slice_.kept)
    header = [
        *sections.imports,
        *(Block(f"import {name}") for name in own),
        *_path_import(sections.imports, slice_.kept),
    ]
    body = wrapped(sections.body)
    start = f"runpod.serverless.start({declaration.start_config})"
    indent = next((kept.indent for kept in sections.guarded if kept.indent), "    ")
    guarded = [Block(kept.indent + kept.text, kept.cell, kept.numbers) for kept in sections.guarded]
    last = [Block(GUARD), *guarded, Block(indent + start)]
    text, lines = laid_out(_docstring(slice_, declaration.name), sections.future, header, body, last)
    tree = tree_of(text)
    _check(tree, lines, slice_)
    return Module(text, lines, _imported(tree))


def _docstring(slice_: Slice, name: str) -> Block:
    """The text at the head: that of the first cell which begins with one, above an import, as modules do."""
    cells: dict[int, list[Kept | Dropped]] = {}
    every: list[Kept | Dropped] = [*slice_.kept, *slice_.dropped]
    for one in sorted(every, key=lambda one: (one.cell, one.line)):
        if not one.text.startswith(("%", "!")):
            cells.setdefault(one.cell, []).append(one)
    for first, second in (found[:2] for found in cells.values() if len(found) > 1):
        if second.text.startswith(("import ", "from ")) and _is_text(first.text):
            return Block(first.text, first.cell, tuple(range(first.line, first.last_line + 1)))
    return Block(f'"""RunPod worker: {name}."""')


def _is_text(text: str) -> bool:
    # A quick look first: most statements are something else.
    if not (text.startswith(("'", '"')) and text.endswith(("'", '"'))):
        return False
    try:
        return ast.get_docstring(ast.parse(text)) is not None
    except SyntaxError:  # a cell that does not parse
        return False


def _own_imports(kept: Sequence[Kept]) -> list[str]:
    """The modules that our own lines need and the user's do not import."""
    bound: set[str] = set()
    for piece in kept:
        node = block_of(piece).node
        if isinstance(node, ast.Import):
            bound |= {alias.name for alias in node.names if not alias.asname}
    text = "\n".join(piece.text for piece in kept)
    needed = {"asyncio": any(awaits(piece) for piece in kept), "runpod": True}
    needed["pathlib"] = "pathlib.Path(__file__)" in text
    return [name for name, wanted in needed.items() if wanted and name not in bound]


def _path_import(imports: Sequence[Block], kept: Sequence[Kept]) -> list[Block]:
    """The import of `Path`, where we wrote a path beside handler.py and no import at the top gives it."""
    known = {alias.asname or alias.name for block in imports for alias in getattr(block.node, "names", ())}
    written = any(_PATH.search(piece.text) for piece in kept)
    return [Block("from pathlib import Path")] if written and "Path" not in known else []


def awaits(kept: Kept) -> bool:
    """Whether a statement awaits at the top level."""
    return not kept.guarded and block_of(kept).awaits


def _imported(tree: ast.Module) -> frozenset[str]:
    found: set[str] = set()
    for node in walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and (name := imported_by_call(node)):
            found.add(name)
    return frozenset(name for name in found if name.split(".")[0] not in sys.stdlib_module_names)


def _check(tree: ast.Module, lines: Sequence[tuple[int, int] | None], slice_: Slice) -> None:
    found = []
    undefined = [m for m in checker.Checker(tree).messages if isinstance(m, messages.UndefinedName)]
    told = bound_by_text(tree) if undefined else frozenset()
    soft = {name for kept in slice_.kept if undefined and not kept.guarded for name in _soft(kept.text)}
    for message in undefined:
        name = message.message_args[0]
        if name in soft or name in slice_.unread or not told.isdisjoint((name, ANY)):
            continue
        place = lines[message.lineno - 1] or (None, None)
        code = "RPS110" if name in IPYTHON_NAMES else "RPS109"
        found.append(Finding(code, "error", f"`{name}` is used and never defined", "define it in a cell", *place))
    if found:
        raise ExportRefused(found)


def _soft(text: str) -> frozenset[str]:
    node = parsed_text(text)
    return names_of(node, future=True).soft | names_of(node).soft
