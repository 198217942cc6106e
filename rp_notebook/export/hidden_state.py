"""What a slice takes from a kernel's past that the notebook does not show any more (`facts/slicing.md` 2.12)."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.document import Document
from rp_notebook.export.slicing import Kept, Slice
from rp_notebook.jobs.finding import Finding

AGAIN = "restart and run all, then export"
ORDER = "put the cells in the order in which they have to run"
BACK = "bring back the cell that is gone, if you mean what it did; else restart and run all"
HIDDEN = frozenset(f"RPS10{digit}" for digit in range(1, 10))
OWN = ("%runpod ", "%%runpod ")  # cells of our commands are no part of a worker
SHOWN = 3  # statements of each side of a pair
PAIRS = 8  # pairs that are told one by one

Texts = tuple[str, ...]
Resliced = Callable[[tuple[CellRun, ...]], Slice]


def hidden_state(
    slice_: Slice, cells: Sequence[CellRun], document: Document | None, resliced: Resliced, *, strict: bool = False
) -> list[Finding]:
    """The findings on cells that were edited, deleted, run in another order or are not known.

    `document` is the notebook as last saved, where there is one; `resliced` slices other cells for the same handler.
    With `strict` raises `ExportRefused` for these warnings, and for those of the slice itself.
    """
    ran = {cell.number: cell for cell in cells}
    by_cell: dict[int, list[Kept]] = {}
    for kept in slice_.kept:
        by_cell.setdefault(kept.cell, []).append(kept)
    latest = {cell.cell_id: cell for cell in cells if cell.cell_id}
    found = [*_unknown(cells, by_cell)]
    unsaved: list[int] = []
    for number, statements in sorted(by_cell.items()):
        cell = ran.get(number)
        if cell is None:  # a value that was frozen
            continue
        told = _rerun(cell, statements, latest) or (_changed(cell, statements, document) if document else None)
        if told is not None and told.severity == "note":
            unsaved.append(number)
        elif told is not None:
            found.append(told)
    if unsaved and document is not None:
        message = f"{_cells(unsaved)} ran after {document.name} was saved: whether they were edited is not known"
        found.append(Finding("RPS101", "note", message, "save the notebook", unsaved[0]))
    elif document is None:
        found += _another_run(slice_, cells, resliced)
    elif not _ran_in_order(cells, document):
        found += _another_order(slice_, cells, document, resliced)
    bad = [f for f in (*slice_.findings, *found) if f.code in HIDDEN and f.severity == "warning"]
    if strict and bad:
        raise ExportRefused(replace(finding, severity="error") for finding in bad)
    return found


def _unknown(cells: Sequence[CellRun], by_cell: dict[int, list[Kept]]) -> Iterator[Finding]:
    numbers = {cell.number for cell in cells}
    gaps = sorted(set(range(1, max(numbers, default=0))) - numbers)
    if gaps:
        message = f"what {_cells(gaps)} did is not known, and not in the worker"
        yield Finding("RPS160", "note", message, "restart the kernel and run all, with %load_ext rp_notebook first")
    assumed = [cell.number for cell in cells if cell.assumed and cell.number in by_cell]
    if assumed:
        message = f"{_cells(assumed)} ran before the extension was loaded: taken as run to their end"
        yield Finding("RPS160", "note", message, "put %load_ext rp_notebook into the first cell", assumed[0])


def _rerun(cell: CellRun, statements: Sequence[Kept], latest: Mapping[str, CellRun]) -> Finding | None:
    """A cell that ran again with another text, while something of the old one is still in the kernel."""
    later = latest.get(cell.cell_id or "")
    if later is None or later.number == cell.number:
        return None
    return _edited(cell, statements, later.text, f"run again as In[{later.number}]")


def _changed(cell: CellRun, statements: Sequence[Kept], document: Document) -> Finding | None:
    where = f"in {document.name} as last saved"
    severity = "note" if cell.at > document.saved_at else "warning"
    place = document.cell(cell)
    if place is not None:
        told = _edited(cell, statements, place.text, where)
    elif cell.cell_id and document.has_ids:
        message = f"the cell was deleted {where}; the worker has `{_first(statements[0])}` of it"
        told = Finding("RPS102", "warning", message, "bring the cell back, or run it in another", *_at(statements[0]))
    else:
        lost = [kept for kept in statements if not any(_holds(c.text, _raw(cell, kept)) for c in document.cells)]
        message = f"no cell has `{_first(lost[0])}` {where}: edited or deleted since it ran" if lost else ""
        told = Finding("RPS101", "warning", message, "run the cell as it is now", *_at(lost[0])) if lost else None
    return replace(told, severity=severity) if told is not None else None  # type: ignore[arg-type] # one of two


def _edited(cell: CellRun, statements: Sequence[Kept], text: str, where: str) -> Finding | None:
    lost = [kept for kept in statements if not _holds(text, _raw(cell, kept))]
    if not lost:
        return None
    pairs = list(difflib.unified_diff(_raw(cell, lost[0]), text.splitlines(), n=0, lineterm=""))[2:]
    old = next((line[1:].strip() for line in pairs if line.startswith("-") and line[1:].strip()), _first(lost[0]))
    close = difflib.get_close_matches(old, [line[1:].strip() for line in pairs if line.startswith("+")], 1, 0.3)
    now = f"now `{close[0]}`" if close else "now without it"
    message = f"the cell was edited since it ran: `{old}` is exported, {where} it is {now}"
    return Finding("RPS101", "warning", message, "run the cell again, or undo the edit", *_at(lost[0]))


def _raw(cell: CellRun, kept: Kept) -> list[str]:
    return cell.text.splitlines()[kept.line - 1 : kept.last_line]


def _holds(text: str, lines: list[str]) -> bool:
    return "\n".join(lines) in "\n".join(text.splitlines())


def _ran_in_order(cells: Sequence[CellRun], document: Document) -> bool:
    """Whether all cells of the document ran once, in its order: then there is nothing to slice again."""
    ran, saved = ([c.text.strip() for c in each if not c.text.startswith(OWN)] for each in (cells, document.cells))
    return ran == [text for text in saved if text] and all(cell.ok for cell in cells)


def _another_order(
    slice_: Slice, cells: Sequence[CellRun], document: Document, resliced: Resliced
) -> Iterator[Finding]:
    """Names that Restart & Run All would give another value: other statements, or in another order."""
    latest = {cell.cell_id: cell for cell in cells if cell.cell_id}
    numbered = tuple(
        replace(cell, number=latest[cell.cell_id].number if cell.cell_id in latest else 0) for cell in document.cells
    )
    ran = {cell.number: cell for cell in cells}
    gone = any(document.cell(ran[kept.cell]) is None for kept in slice_.kept if kept.cell in ran)
    try:
        other = resliced(numbered)
    except ExportRefused as refusal:
        message = f"Restart & Run All of {document.name} as last saved gives no worker: {refusal.findings[0].message}"
        yield Finding(
            "RPS103", "warning", message, BACK if gone else "put the cells in the order in which they have to run"
        )
        return
    yield from _differences(slice_, other, f"{document.name} as last saved", slice_, BACK if gone else AGAIN)


def _another_run(slice_: Slice, cells: Sequence[CellRun], resliced: Resliced) -> Iterator[Finding]:
    """For a notebook that was only read: names that had another value in the run whose numbers it shows."""
    ran = sorted((cell for cell in cells if cell.count), key=lambda cell: cell.count or 0)
    if not ran or ran == list(cells):
        return
    try:
        yield from _differences(resliced(tuple(ran)), slice_, "the document", slice_)
    except ExportRefused:  # a cell that ran is not there any more: what it did cannot be known
        return


def _differences(here: Slice, there: Slice, name: str, exported: Slice, fix: str = AGAIN) -> Iterator[Finding]:
    pairs = _pairs(here.kept, there.kept)
    for (mine, theirs), names in list(pairs.items())[:PAIRS]:
        named = ", ".join(f"`{each}`" for each in names[:5])
        last = next((kept for kept in reversed(exported.kept) if names[0] in kept.touches), None)
        has = f"it ran {_several(mine)}; {name} has {_several(theirs)}"
        message = f"Restart & Run All would give another {named}: {has}"
        yield Finding("RPS103", "warning", message, fix, *_at(last))
    if len(pairs) > PAIRS:
        message = f"Restart & Run All would change {len(pairs) - PAIRS} more groups of names"
        yield Finding("RPS103", "warning", message, fix)


def _pairs(here: Sequence[Kept], there: Sequence[Kept]) -> dict[tuple[Texts, Texts], list[str]]:
    """The names that other statements bind or change here than there, by these statements."""
    found: dict[tuple[Texts, Texts], list[str]] = {}
    for name in sorted({name for kept in (*here, *there) for name in kept.touches}):
        mine, theirs = (tuple(kept.text for kept in side if name in kept.touches) for side in (here, there))
        if mine != theirs:
            found.setdefault((mine, theirs), []).append(name)
    return found


def _several(texts: Texts) -> str:
    heads = [f"`{_head(text)}`" for text in texts[-SHOWN:]]
    more = f"{len(texts) - SHOWN} others, " if len(texts) > SHOWN else ""
    return more + ", ".join(heads) if heads else "nothing of it"


def _first(kept: Kept) -> str:
    return _head(kept.text)


def _head(text: str) -> str:
    lines = [line.strip() for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")]
    return (lines or [""])[0][:60]


def _at(kept: Kept | None) -> tuple[int | None, int | None]:
    return (None, None) if kept is None or not kept.cell else (kept.cell, kept.line)


def _cells(numbers: Sequence[int]) -> str:
    shown = ", ".join(f"In[{number}]" for number in numbers[:6])
    return shown + (f" and {len(numbers) - 6} more cells" if len(numbers) > 6 else "")
