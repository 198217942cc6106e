"""What ran, cell by cell, as statements; a cell that ran again is not read again."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from rp_notebook.export.cells import CellRun, python_of
from rp_notebook.export.magics import peeled
from rp_notebook.export.run_files import written_by
from rp_notebook.export.statements import History, Spots, Statement, Unread, changed, pieces_of
from rp_notebook.export.tables import OUR_MODULE
from rp_notebook.export.trees import tree_of
from rp_notebook.jobs.declaration import Imported, imports_in


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
            found.append(changed(piece, cell=cell, position=len(found), unit=unit, numbers=numbers))
            _number_aliases(found)
    return History(tuple(found), tuple(unread))


class _Reader:
    """Reads cells in order. A text that ran before is not read again, and statements of one text share their node."""

    def __init__(self) -> None:
        self._imported = Imported()
        self._ours = {OUR_MODULE}
        self._trees: dict[str, tuple[str, ast.Module] | Unread] = {}
        self._pieces: dict[tuple[object, ...], tuple[Statement, ...]] = {}
        self._nodes: dict[tuple[str, bool, str], ast.stmt] = {}
        self._written: dict[str, str] = {}  # files, by the cells before

    def pieces(self, cell: CellRun) -> tuple[Statement, ...] | Unread:
        """The statements of a cell, without their places, or why there are none."""
        if (written := written_by(cell)) is not None:
            self._written |= [written]
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
            self._pieces[key] = tuple(map(self._shared, pieces_of(cell, tree, source, spots)))
        return self._pieces[key]

    def _shared(self, piece: Statement) -> Statement:
        node = self._nodes.setdefault((piece.text, piece.guarded, piece.indent), piece.node)
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert isinstance(piece.node, ast.Import | ast.ImportFrom)
            return changed(piece, node=node, alias=node.names[piece.node.names.index(piece.alias)])  # type: ignore[arg-type] # an import has one
        return changed(piece, node=node)

    def _spots(self, source: str, tree: ast.Module) -> Spots:
        for node in imports_in(tree) if "import" in source else ():
            self._imported.add(node)
            for alias in node.names:
                path = getattr(node, "module", None) or alias.name
                if path.split(".")[0] == OUR_MODULE:
                    self._ours.add((alias.asname or alias.name).split(".")[0])
        calls = self._imported.start_calls(source, tree)
        written = tuple(self._written.items()) if "'run'" in source else ()
        return Spots(frozenset((call.lineno, call.col_offset) for call in calls), frozenset(self._ours), written)


def _parsed(cell: CellRun) -> tuple[str, ast.Module] | Unread:
    magic, body = peeled(cell.text)
    if magic is not None:
        return Unread(cell, magic, f"%%{magic} defines it")
    try:
        source = python_of(body)
        return source, tree_of(source)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        return Unread(cell, None, f"the cell does not parse: {getattr(error, 'msg', error)}", line)


def _number_aliases(found: list[Statement]) -> None:
    # The names of one import come one after the other; all get the first one's unit.
    last = found[-1]
    if last.alias is not None and len(found) > 1:
        before = found[-2]
        if before.alias is not None and before.node is last.node and last.alias is not last.node.names[0]:  # type: ignore[attr-defined] # an import
            found[-1] = changed(last, unit=before.unit)
