"""The top-level statements that the executed cells ran, each with its own text, byte for byte."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from rp_notebook.export.cells import CellRun, python_of
from rp_notebook.export.cutting import COMPOUND, cut, first_line, parsed_text, unmarked, without_commands
from rp_notebook.export.magics import magic_of
from rp_notebook.export.run_files import ran_by
from rp_notebook.export.tables import OUR_MODULE
from rp_notebook.export.trees import module_of, walk
from rp_notebook.jobs.flat_body import TRANSPARENT_LINES


@dataclass(frozen=True, eq=False)
class Statement:
    """One run of one top-level statement.

    `text` begins at the statement's first comment or decorator; `numbers` has the line in the cell, from 1, of each
    line of it. `node` is parsed from `text`. Each name of an import is a statement of its own; those of one source
    statement share `unit`. `guarded` ones stood under `if __name__ == "__main__":`, with `indent` before them.
    `partial` ones raised half-way; `shown` ones were the last expression of their cell.
    """

    position: int
    cell: CellRun
    node: ast.stmt
    text: str
    numbers: tuple[int, ...]
    unit: int
    alias: ast.alias | None = None
    guarded: bool = False
    indent: str = ""
    partial: bool = False
    shown: bool = False
    starts: bool = False  # it calls runpod.serverless.start
    frozen: str = ""  # the name whose present value it writes; we wrote it, no cell did

    @property
    def is_ours(self) -> bool:
        """Whether no cell ran it: it gives a frozen value, or imports what that takes."""
        return self.unit < 0

    @property
    def module(self) -> str:
        """The module that an import at top level is of; empty for any other statement."""
        if self.alias is None or not isinstance(self.node, ast.Import | ast.ImportFrom):
            return ""
        return module_of(self.node, self.alias)

    @property
    def line(self) -> int:
        """The first line in the cell, from 1."""
        return self.numbers[0]

    @property
    def last_line(self) -> int:
        """The last line in the cell, from 1."""
        return self.numbers[-1]


def changed(statement: Statement, **fields: object) -> Statement:
    """The statement with other fields; `dataclasses.replace` takes four times as long, and there are thousands."""
    made = object.__new__(Statement)
    made.__dict__.update(statement.__dict__, **fields)
    return made


@dataclass(frozen=True)
class Unread:
    """A cell, or a whole magic, from which no statement came: why, and the line it concerns."""

    cell: CellRun
    magic: str | None
    message: str
    line: int | None = None


@dataclass(frozen=True)
class History:
    """All that ran, in order, and the cells that could not be read."""

    statements: tuple[Statement, ...]
    unread: tuple[Unread, ...] = field(default=())


@dataclass(frozen=True)
class Spots:
    """Where a cell speaks to `runpod` and to us: the start calls' places, and the names that are ours."""

    starts: frozenset[tuple[int, int]] = frozenset()
    ours: frozenset[str] = frozenset({OUR_MODULE})
    written: tuple[tuple[str, str], ...] = ()  # by earlier cells: names and texts of files


def pieces_of(cell: CellRun, tree: ast.Module, source: str, spots: Spots) -> Iterator[Statement]:
    """The statements of a cell that ran, without their places in the history."""
    lines = source.split("\n")
    shown = _shown(tree, lines)
    for node, guarded, floor in _top_level(tree):
        first = first_line(node)
        failed = not cell.ok and cell.failed_line is not None and first <= cell.failed_line <= (node.end_lineno or 0)
        after = not cell.ok and cell.failed_line is not None and first > cell.failed_line
        if after or (failed and not isinstance(node, COMPOUND)):
            return
        magic = magic_of(node)
        texts = () if magic is None else _run_by(cell, *magic, spots)
        if texts:
            for text in texts:
                yield from _inner(cell, text, first)
            continue
        plain = Statement(-1, cell, node, "", (), -1, guarded=guarded, partial=failed, shown=node is shown)
        yield from _with_text(plain, lines, floor, spots)
        if failed:
            return


def _top_level(tree: ast.Module) -> Iterator[tuple[ast.stmt, bool, int]]:
    """Each statement, whether it is guarded, and the last line that is not its own to take comments from."""
    floor = 0
    for node in tree.body:
        if isinstance(node, ast.If) and _is_guard(node):
            inner = node.lineno
            for child in node.body:
                yield child, True, inner
                inner = child.end_lineno or inner
        else:
            yield node, False, floor
        floor = node.end_lineno or floor


def _is_guard(node: ast.If) -> bool:
    test = node.test
    if node.orelse or not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.ops[0], ast.Eq):
        return False
    sides = (test.left, test.comparators[0])
    names = [side.id for side in sides if isinstance(side, ast.Name)]
    return names == ["__name__"] and any(isinstance(s, ast.Constant) and s.value == "__main__" for s in sides)


def _run_by(cell: CellRun, magic: str, argument: str, spots: Spots) -> tuple[str, ...]:
    """The texts that a line magic runs as if they stood in the cell."""
    if magic == "run":
        return ran_by(argument, cell.cwd, dict(spots.written))
    return (argument,) if magic in TRANSPARENT_LINES else ()


def _inner(cell: CellRun, argument: str, line: int) -> Iterator[Statement]:
    try:
        source = python_of(argument)
        tree = ast.parse(source)
    except SyntaxError:
        return
    for piece in pieces_of(replace(cell, ok=True), tree, source, Spots()):
        yield changed(piece, cell=cell, numbers=tuple(line for _ in piece.numbers))


def _with_text(plain: Statement, lines: list[str], floor: int, spots: Spots) -> Iterator[Statement]:
    node = plain.node
    begin = lines[first_line(node) - 1]
    column = len(begin) - len(begin.lstrip())
    indent = begin[:column] if not begin.encode()[: node.col_offset].strip() or node.col_offset <= column else "    "
    text, numbers = unmarked(node, *cut(node, lines, floor), spots.ours)
    block = indent if plain.guarded else None
    parsed = parsed_text(text, block)
    plainer = without_commands(text, parsed)
    if plainer != text:
        text, parsed = plainer, parsed_text(plainer, block)
    calls = (call for call in walk(node) if isinstance(call, ast.Call)) if spots.starts else ()
    places = {(call.lineno, call.col_offset) for call in calls}
    piece = changed(
        plain,
        node=parsed,
        text=text,
        numbers=numbers,
        indent=block or "",
        starts=isinstance(node, ast.Expr | ast.Assign) and bool(places & spots.starts),
    )
    if isinstance(piece.node, ast.Import | ast.ImportFrom):
        yield from (changed(piece, alias=alias) for alias in piece.node.names)
    else:
        yield piece


def _shown(tree: ast.Module, lines: list[str]) -> ast.stmt | None:
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        return None
    rest = lines[(last.end_lineno or 1) - 1].encode()[last.end_col_offset :].decode()
    return None if rest.lstrip().startswith(";") else last
