"""The top-level statements that the executed cells ran, each with its own text, byte for byte."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from rp_notebook.export.cells import CellRun, python_of
from rp_notebook.export.cutting import COMPOUND, cut, first_line, parsed_text, unmarked, without_commands
from rp_notebook.export.magics import magic_of, peeled
from rp_notebook.export.tables import OUR_MODULE
from rp_notebook.jobs.declaration import START, imported_names, imports_in, named_by, start_calls
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
    def line(self) -> int:
        """The first line in the cell, from 1."""
        return self.numbers[0]

    @property
    def last_line(self) -> int:
        """The last line in the cell, from 1."""
        return self.numbers[-1]


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


def history_of(cells: Sequence[CellRun]) -> History:
    """The statements of the executed cells. A cell that does not parse is left out and named in `unread`."""
    found: list[Statement] = []
    unread: list[Unread] = []
    reader = _Reader()
    for cell in cells:
        pieces = reader.pieces(cell)
        if isinstance(pieces, Unread):
            unread.append(pieces)
            continue
        for piece in pieces:
            numbers = tuple(cell.lines[number - 1] for number in piece.numbers) if cell.lines else piece.numbers
            unit = len(found) if piece.unit < 0 else piece.unit
            found.append(replace(piece, cell=cell, position=len(found), unit=unit, numbers=numbers))
            _number_aliases(found)
    return History(tuple(found), tuple(unread))


class _Reader:
    """Reads cells in order. A text that ran before is not read again, and statements of one text share their node."""

    def __init__(self) -> None:
        self._names = imported_names(ast.Module([], []))
        self._ours = {OUR_MODULE}
        self._trees: dict[str, tuple[str, ast.Module] | Unread] = {}
        self._pieces: dict[tuple[object, ...], tuple[Statement, ...]] = {}
        self._nodes: dict[tuple[str, bool, str], ast.stmt] = {}

    def pieces(self, cell: CellRun) -> tuple[Statement, ...] | Unread:
        """The statements of a cell, without their places, or why there are none."""
        if cell.text not in self._trees:
            self._trees[cell.text] = _parsed(cell)
        read = self._trees[cell.text]
        if isinstance(read, Unread) and read.magic is not None:
            return replace(read, cell=cell)
        if not cell.ok and cell.failed_line is None:
            return Unread(cell, None, "the cell has a syntax error, nothing of it ran")
        if isinstance(read, Unread):
            return replace(read, cell=cell)
        source, tree = read
        spots = self._spots(source, tree)
        key = (cell.text, cell.ok, cell.failed_line, spots)
        if key not in self._pieces:
            self._pieces[key] = tuple(map(self._shared, _pieces(cell, tree, source, spots)))
        return self._pieces[key]

    def _shared(self, piece: Statement) -> Statement:
        node = self._nodes.setdefault((piece.text, piece.guarded, piece.indent), piece.node)
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert isinstance(piece.node, ast.Import | ast.ImportFrom)
            return replace(piece, node=node, alias=node.names[piece.node.names.index(piece.alias)])  # type: ignore[arg-type] # an import has one
        return replace(piece, node=node)

    def _spots(self, source: str, tree: ast.Module) -> _Spots:
        for node in imports_in(tree) if "import" in source else ():
            self._names |= named_by(node)
            for alias in node.names:
                path = getattr(node, "module", None) or alias.name
                if path.split(".")[0] == OUR_MODULE:
                    self._ours.add((alias.asname or alias.name).split(".")[0])
        calls = start_calls(tree, self._names) if "start" in source or START in self._names.values() else []
        return _Spots(frozenset((call.lineno, call.col_offset) for call in calls), frozenset(self._ours))


def _parsed(cell: CellRun) -> tuple[str, ast.Module] | Unread:
    magic, body = peeled(cell.text)
    if magic is not None:
        return Unread(cell, magic, f"%%{magic} defines it")
    try:
        source = python_of(body)
        return source, ast.parse(source)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        return Unread(cell, None, f"the cell does not parse: {getattr(error, 'msg', error)}", line)


def _number_aliases(found: list[Statement]) -> None:
    # The names of one import come one after the other; all get the first one's unit.
    last = found[-1]
    if last.alias is not None and len(found) > 1:
        before = found[-2]
        if before.alias is not None and before.node is last.node and last.alias is not last.node.names[0]:  # type: ignore[attr-defined] # an import
            found[-1] = replace(last, unit=before.unit)


@dataclass(frozen=True)
class _Spots:
    """Where a cell speaks to `runpod` and to us: the start calls' places, and the names that are ours."""

    starts: frozenset[tuple[int, int]] = frozenset()
    ours: frozenset[str] = frozenset({OUR_MODULE})


def _pieces(cell: CellRun, tree: ast.Module, source: str, spots: _Spots) -> Iterator[Statement]:
    lines = source.split("\n")
    shown = _shown(tree, lines)
    for node, guarded, floor in _top_level(tree):
        first = first_line(node)
        failed = not cell.ok and cell.failed_line is not None and first <= cell.failed_line <= (node.end_lineno or 0)
        after = not cell.ok and cell.failed_line is not None and first > cell.failed_line
        if after or (failed and not isinstance(node, COMPOUND)):
            return
        magic = magic_of(node)
        if magic is not None and magic[0] in TRANSPARENT_LINES:
            yield from _inner(cell, magic[1], first)
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


def _inner(cell: CellRun, argument: str, line: int) -> Iterator[Statement]:
    try:
        source = python_of(argument)
        tree = ast.parse(source)
    except SyntaxError:
        return
    for piece in _pieces(replace(cell, ok=True), tree, source, _Spots()):
        yield replace(piece, cell=cell, numbers=tuple(line for _ in piece.numbers))


def _with_text(plain: Statement, lines: list[str], floor: int, spots: _Spots) -> Iterator[Statement]:
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
    calls = (call for call in ast.walk(node) if isinstance(call, ast.Call)) if spots.starts else ()
    places = {(call.lineno, call.col_offset) for call in calls}
    piece = replace(
        plain,
        node=parsed,
        text=text,
        numbers=numbers,
        indent=block or "",
        starts=isinstance(node, ast.Expr | ast.Assign) and bool(places & spots.starts),
    )
    if isinstance(piece.node, ast.Import | ast.ImportFrom):
        yield from (replace(piece, alias=alias) for alias in piece.node.names)
    else:
        yield piece


def _shown(tree: ast.Module, lines: list[str]) -> ast.stmt | None:
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        return None
    rest = lines[(last.end_lineno or 1) - 1].encode()[last.end_col_offset :].decode()
    return None if rest.lstrip().startswith(";") else last
