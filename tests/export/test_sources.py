"""Which cells a worker came from, and which of them are other cells by now."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from rp_notebook.export.cells import CellRun
from rp_notebook.export.document import Document
from rp_notebook.export.exporting import export_cells
from rp_notebook.export.manifest import MANIFEST
from rp_notebook.export.sources import changed, earlier_exports, fingerprint
from rp_notebook.jobs.declaration import Declaration

CELLS = (
    CellRun(3, "T = 5\nprint(T)", "t", at=10.0),
    CellRun(4, "noise = 1", "n", at=10.0),
    CellRun(7, "def handler(job):\n    return T", "h", at=10.0),
)


@pytest.fixture
def worker(tmp_path) -> Path:
    folder = tmp_path / "worker"
    export_cells(CELLS, Declaration("handler", "handler"), notebook="n.ipynb").write(folder)
    return folder


def test_the_manifest_maps_every_exported_line_to_its_cell_its_execution_and_its_hash(worker: Path) -> None:
    said = json.loads((worker / MANIFEST).read_text())
    module = (worker / "handler.py").read_text().split("\n")
    assert said["lines"][module.index("T = 5")] == [3, 1]
    assert said["lines"][module.index("    return T")] == [7, 2]
    assert set(said["cells"]) == {"3", "7"}
    assert said["cells"]["3"] == {"id": "t", "sha256": hashlib.sha256(b"T = 5\nprint(T)").hexdigest()}


def test_the_hash_of_a_cell_does_not_tell_its_secret() -> None:
    assert fingerprint("t = 'hf_" + "a" * 30 + "'") == fingerprint("t = 'hf_" + "b" * 30 + "'")


def ran(number: int, text: str, cell_id: str, at: float = 20.0) -> CellRun:
    return CellRun(number, text, cell_id, at=at)


def saved(*cells: tuple[str, str], at: float = 30.0) -> Document:
    return Document("n.ipynb", tuple(CellRun(n, text, i or None) for n, (i, text) in enumerate(cells)), at)


T, H = ("t", CELLS[0].text), ("h", CELLS[2].text)
SINCE = [
    ("nothing", CELLS, None, []),
    ("run again with another text", (*CELLS, ran(8, "T = 6", "t")), None, [3]),
    ("run again as it was", (*CELLS, ran(8, CELLS[0].text, "t")), None, []),
    ("edited and undone", (*CELLS, ran(8, "T = 6", "t"), ran(9, CELLS[0].text, "t")), None, []),
    ("a cell that is not in it", (*CELLS, ran(8, "noise = 2", "n")), None, []),
    ("edited in the file", CELLS, saved(("t", "T = 6"), H), [3]),
    ("deleted in the file", CELLS, saved(H), [3]),
    ("the file is older than the run", (*CELLS, ran(8, CELLS[0].text, "t", at=40.0)), saved(("t", "T = 6"), H), []),
    ("a later session", (), saved(T, ("h", "def handler(job): return 1")), [7]),
    ("a later session, unchanged", (), saved(T, H), []),
]


@pytest.mark.parametrize(("cells", "document", "numbers"), [row[1:] for row in SINCE], ids=[row[0] for row in SINCE])
def test_cells_that_are_others_by_now_are_found(worker: Path, cells, document, numbers) -> None:
    found = changed(worker, cells, document)
    assert found is not None
    assert [source.number for source in found.cells] == numbers


def test_a_cell_that_an_export_would_have_now_counts_unless_it_ran_before_as_it_is(worker: Path) -> None:
    added, again, edited = ran(8, "T += 1", "n"), ran(9, CELLS[0].text, "t"), ran(10, "T = 6", "t")
    found = changed(worker, (*CELLS, added, again), None, {8, 9})
    assert found is not None
    assert [source.number for source in found.cells] == [8]
    found = changed(worker, (*CELLS, added, edited), None, {8, 10})
    assert found is not None
    assert [source.number for source in found.cells] == [3, 8]


def test_exports_beside_a_notebook_are_found_by_its_name(worker: Path, tmp_path) -> None:
    (tmp_path / "stranger").mkdir()
    (tmp_path / "stranger" / MANIFEST).write_text("{}")
    assert earlier_exports(tmp_path, "n.ipynb") == [worker]
    assert earlier_exports(tmp_path, "other.ipynb") == []


def test_a_folder_without_an_export_says_nothing(tmp_path) -> None:
    assert changed(tmp_path, CELLS, None) is None
