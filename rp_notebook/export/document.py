"""The notebook as it was last saved, beside the cells as they ran."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from rp_notebook.errors import BadInput
from rp_notebook.export.cells import CellRun, notebook_cells


@dataclass(frozen=True)
class Document:
    """The code cells of a notebook file in their order; `saved_at` is when it was written (Unix time)."""

    name: str
    cells: tuple[CellRun, ...]
    saved_at: float

    @property
    def has_ids(self) -> bool:
        """Whether its cells say which is which: files before nbformat 4.5 do not."""
        return any(cell.cell_id for cell in self.cells)

    def cell(self, ran: CellRun) -> CellRun | None:
        """The cell of the file that ran: by its id, else one with its very text."""
        by_id = self._by_id.get(ran.cell_id) if ran.cell_id else None
        return by_id or self._by_text.get(ran.text.strip())

    @cached_property
    def _by_id(self) -> dict[str, CellRun]:
        return {cell.cell_id: cell for cell in reversed(self.cells) if cell.cell_id}  # the first of an id counts

    @cached_property
    def _by_text(self) -> dict[str, CellRun]:
        return {cell.text.strip(): cell for cell in reversed(self.cells)}

    def tagged(self, ran: Iterable[CellRun]) -> tuple[CellRun, ...]:
        """The cells that ran with the tags that they have in the file."""
        places = ((cell, self.cell(cell)) for cell in ran)
        return tuple(cell if place is None else replace(cell, tags=place.tags) for cell, place in places)


def document_of(path: Path | None) -> Document | None:
    """The saved notebook; None where there is no file, or none that can be read just now."""
    if path is None:
        return None
    try:
        return Document(path.name, notebook_cells(path), path.stat().st_mtime)
    except (BadInput, FileNotFoundError):  # it is being written, or was never saved
        return None
