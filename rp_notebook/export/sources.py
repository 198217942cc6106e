"""Which cells an exported worker was taken from, and which of them are other cells by now."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rp_notebook.export.cells import CellRun
from rp_notebook.export.document import Document
from rp_notebook.export.manifest import MANIFEST, sources_of
from rp_notebook.jobs.masking import scrubbed


@dataclass(frozen=True)
class Source:
    """A cell that statements were taken from: its execution count and id, and the sha256 of its text as it ran."""

    number: int
    cell_id: str | None
    sha256: str


@dataclass(frozen=True)
class Changed:
    """An export in a folder whose notebook went on; `cells` are the cells that are not what was exported."""

    folder: Path
    cells: tuple[Source, ...]


def sources(cells: Iterable[CellRun], lines: Iterable[tuple[int, int] | None]) -> tuple[Source, ...]:
    """The cells that these lines of a module came from, in the order in which they ran."""
    used = {line[0] for line in lines if line is not None}
    by_number = {cell.number: cell for cell in cells if cell.number in used}
    return tuple(Source(n, by_number[n].cell_id, fingerprint(by_number[n].text)) for n in sorted(by_number))


def fingerprint(text: str) -> str:
    """The sha256 of a cell's text; a secret in it counts as `***`, so that the hash tells nobody what it was."""
    return hashlib.sha256(scrubbed(text).encode()).hexdigest()


def earlier_exports(folder: Path, notebook: str) -> list[Path]:
    """The folders beside a notebook that hold an export of it."""
    found = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
    return [path for path in found if (_read(path) or (None,))[0] == notebook]


def changed(folder: Path, ran: Sequence[CellRun], document: Document | None, new: Iterable[int] = ()) -> Changed | None:
    """What became of the cells of the export in a folder, since; None when no export is there.

    `ran` are the cells of this session, `document` is the notebook as last saved; the cells numbered `new` ran after
    the export, which would have a statement of them now. Of a cell that neither knows, nothing is said.
    """
    read = _read(folder)
    if read is None:
        return None
    exported = tuple(_sources(read[1]))
    others = [each for each in exported if _is_other(each, ran, document)]
    told = {each.cell_id for each in others if each.cell_id} | {each.sha256 for each in exported}
    added = (Source(cell.number, cell.cell_id, fingerprint(cell.text)) for cell in ran if cell.number in {*new})
    return Changed(folder, (*others, *(each for each in added if not {each.cell_id, each.sha256} & told)))


def _read(folder: Path) -> tuple[str | None, dict[int, tuple[str | None, str]]] | None:
    try:
        return sources_of((folder / MANIFEST).read_bytes())
    except OSError:
        return None


def _sources(read: dict[int, tuple[str | None, str]]) -> Iterator[Source]:
    yield from (Source(number, cell_id, sha256) for number, (cell_id, sha256) in read.items())


def _is_other(source: Source, ran: Sequence[CellRun], document: Document | None) -> bool:
    if source.cell_id is None:
        known = (*ran, *document.cells) if document is not None else ()
        return bool(known) and source.sha256 not in {fingerprint(cell.text) for cell in known}
    latest = next((cell for cell in reversed(ran) if cell.cell_id == source.cell_id), None)
    if latest is not None and fingerprint(latest.text) != source.sha256:
        return True
    if document is None or not document.has_ids or (latest is not None and latest.at > document.saved_at):
        return False  # what the file has is older than what ran
    saved = next((cell for cell in document.cells if cell.cell_id == source.cell_id), None)
    return saved is None or fingerprint(saved.text) != source.sha256
