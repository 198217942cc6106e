"""What a slice takes from cells that were edited, deleted or run in another order, and what is not known at all."""

from __future__ import annotations

import nbformat
import pytest

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.document import Document, document_of
from rp_notebook.export.exporting import export_cells, export_notebook
from rp_notebook.export.result import ExportResult
from rp_notebook.jobs.declaration import Declaration

HANDLER = "def handler(job):\n    return x * T"
SAVED_AT = 100.0


def ran(*cells: tuple[str, str], at: float = 50.0) -> list[CellRun]:
    """Executed cells from pairs of id and text."""
    return [CellRun(n, text, cell_id or None, at=at) for n, (cell_id, text) in enumerate(cells, start=1)]


def document(*cells: tuple[str, str]) -> Document:
    return Document("night.ipynb", tuple(CellRun(n, t, i or None) for n, (i, t) in enumerate(cells, 1)), SAVED_AT)


def exported(cells: list[CellRun], saved: Document | None, *, strict: bool = False) -> ExportResult:
    return export_cells(cells, Declaration("handler", "handler"), document=saved, strict=strict)


def codes(result: ExportResult) -> dict[str, tuple[int | None, int | None]]:
    return {f.code: (f.cell, f.line) for f in result.findings if f.code.startswith("RPS1")}


T5, T9, X, H = ("t", "T = 0.5"), ("t", "T = 0.9"), ("x", "# size\nx = 3"), ("h", HANDLER)
HIDDEN = [
    ("as it was saved", [T5, X, H], [T5, X, H], {}),
    ("edited", [T5, X, H], [T9, X, H], {"RPS101": (1, 1), "RPS103": (1, 1)}),
    ("edited beside it", [("t", "T = 0.5\nprint(1)"), X, H], [("t", "T = 0.5\nprint(2)"), X, H], {}),
    ("edited and run again", [("t", "T = [5]"), ("t", "T.append(6)"), X, H], None, {"RPS101": (1, 1)}),
    ("deleted", [T5, X, H], [X, H], {"RPS102": (1, 1), "RPS103": (None, None)}),
    ("pasted elsewhere", [T5, X, H], [("new", "T = 0.5"), X, H], {}),
    ("out of order", [T5, ("u", "T = 7"), X, H], [("u", "T = 7"), T5, X, H], {"RPS103": (2, 1)}),
    ("run again", [("t", "T = 1"), ("t2", "T *= 2"), ("t2", "T *= 2"), X, H], [("t", "T = 1"), ("t2", "T *= 2"), X, H],
     {"RPS103": (3, 1), "RPS104": (3, 1)}),
    ("never run", [T5, X, H], [T5, ("new", "T = 8"), X, H], {"RPS103": (1, 1)}),
    ("edited, not needed", [("p", "print(1)"), T5, X, H], [("p", "print(2)"), T5, X, H], {}),
    ("no ids, edited", [("", "T = 0.5"), ("", "x = 3"), ("", HANDLER)], [("", "T = 1"), ("", "x = 3"), ("", HANDLER)],
     {"RPS101": (1, 1), "RPS103": (1, 1)}),
    ("ids only in the kernel", [T5, X, H], [("", "T = 0.5"), ("", "# size\nx = 3"), ("", HANDLER)], {}),
]  # fmt: skip


@pytest.mark.parametrize(("cells", "saved", "told"), [row[1:] for row in HIDDEN], ids=[row[0] for row in HIDDEN])
def test_hidden_state_is_told_with_its_place(cells, saved, told) -> None:
    result = exported(ran(*cells), document(*saved) if saved is not None else None)
    assert codes(result) == told
    assert all(f.fix for f in result.findings if f.code in told)


def test_where_a_cell_is_gone_it_is_to_be_brought_back() -> None:
    u = ("u", "T = 7")
    for saved, fix in (([u, X, H], "bring back the cell"), ([T5, u, X, H], "restart and run all")):
        told = next(f for f in exported(ran(u, T5, X, H), document(*saved)).findings if f.code == "RPS103")
        assert told.fix.startswith(fix)


@pytest.mark.parametrize("row", [row for row in HIDDEN if row[3]], ids=lambda row: row[0])
def test_strict_refuses_hidden_state(row) -> None:
    with pytest.raises(ExportRefused) as refusal:
        exported(ran(*row[1]), document(*row[2]) if row[2] is not None else None, strict=True)
    assert {f.code for f in refusal.value.findings} == set(row[3])
    assert {f.severity for f in refusal.value.findings} == {"error"}


def test_strict_writes_what_hangs_on_nothing_hidden() -> None:
    assert "T = 0.5" in exported(ran(T5, X, H), document(T5, X, H), strict=True).module


def test_an_edit_tells_both_texts_and_the_executed_one_is_exported() -> None:
    result = exported(ran(T5, X, H), document(T9, X, H))
    told = next(f.message for f in result.findings if f.code == "RPS101")
    assert "T = 0.5" in result.module
    assert "`T = 0.5`" in told
    assert "`T = 0.9`" in told
    assert "night.ipynb as last saved" in told


def test_of_what_ran_after_the_file_was_saved_nothing_is_claimed() -> None:
    cells = ran(T5, X, H, at=SAVED_AT + 1)
    result = exported(cells, document(T9, X, H))
    assert [(f.code, f.severity) for f in result.findings] == [("RPS101", "note")]
    assert "save the notebook" in result.findings[0].fix
    assert exported(cells, document(T9, X, H), strict=True).module == result.module


def test_pairs_name_what_ran_and_what_the_document_has() -> None:
    result = exported(ran(T5, ("u", "T = 7"), X, H), document(("u", "T = 7"), T5, X, H))
    message = next(f.message for f in result.findings if f.code == "RPS103")
    assert "it ran `T = 7`" in message
    assert "has `T = 0.5`" in message


def test_cells_that_nobody_recorded_are_told() -> None:
    cells = [CellRun(1, "x = 3"), CellRun(4, "T = 1"), CellRun(5, HANDLER)]
    note = next(f for f in exported(cells, None).findings if f.code == "RPS160")
    assert note.severity == "note"
    assert "In[2], In[3]" in note.message


def test_cells_from_before_the_extension_are_told_when_they_are_needed() -> None:
    cells = [CellRun(1, "x = T = 1", assumed=True), CellRun(2, "y = 1", assumed=True), CellRun(3, HANDLER)]
    note = next(f for f in exported(cells, None).findings if f.code == "RPS160")
    assert (note.cell, "In[2]" in note.message) == (1, False)


def test_two_cells_of_one_text_are_not_one_that_ran_twice() -> None:
    result = exported(ran(("a", "x = T = 1"), ("b", "T += 1"), ("c", "T += 1"), H), None)
    assert "RPS104" not in codes(result)


def test_a_saved_notebook_is_read_with_its_ids_and_tags(tmp_path) -> None:
    path = tmp_path / "n.ipynb"
    cell = nbformat.v4.new_code_cell("x = 1", id="one", metadata={"tags": ["rp-keep", "other"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("text"), cell]), path)
    found = document_of(path)
    assert found is not None
    assert [(c.cell_id, c.tags) for c in found.cells] == [("one", frozenset({"rp-keep", "other"}))]
    assert found.saved_at == path.stat().st_mtime
    assert [c.tags for c in found.tagged([CellRun(1, "x = 0", "one"), CellRun(2, "y", "two")])] == [
        {"rp-keep", "other"},
        set(),
    ]


@pytest.mark.parametrize("text", [None, "", "{", "[]"], ids=["gone", "empty", "half written", "no notebook"])
def test_a_file_that_cannot_be_read_now_is_no_document(tmp_path, text) -> None:
    path = tmp_path / "n.ipynb"
    if text is not None:
        path.write_text(text)
    assert document_of(path) is None
    assert document_of(None) is None


READ = [
    ("never run", [None, None, None], []),
    ("run in its order", [1, 2, 3], []),
    ("run in its order with gaps", [4, 9, 11], []),
    ("run in another order", [2, 1, 3], ["RPS103"]),
    ("one never run", [1, None, 3], ["RPS103"]),
]


@pytest.mark.parametrize(("counts", "codes"), [row[1:] for row in READ], ids=[row[0] for row in READ])
def test_a_notebook_that_is_only_read_tells_that_it_ran_in_another_order(tmp_path, counts, codes) -> None:
    path = tmp_path / "n.ipynb"
    texts = ("x = 1", "x = 2", "%%runpod_handler\ndef handler(job):\n    return x")
    made = [nbformat.v4.new_code_cell(t, execution_count=n) for t, n in zip(texts, counts, strict=True)]
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)
    result = export_notebook(path)
    assert [f.code for f in result.findings] == codes
    assert "x = 2" in result.module
    if codes:
        with pytest.raises(ExportRefused):
            export_notebook(path, strict=True)


def test_what_ran_before_a_cell_raised_is_told():
    result = exported([CellRun(1, "T = x = 2\nT / 0\nT = 3", ok=False, failed_line=2), CellRun(2, HANDLER)], None)
    assert [(f.code, f.severity, f.where) for f in result.findings] == [("RPS107", "warning", "cell 1, line 1")]


def test_a_seed_that_was_set_again_is_as_it_was():
    seeded = "import random\nrandom.seed(4)\nT = x = random.random()"
    result = export_cells(
        [CellRun(1, seeded), CellRun(2, seeded), CellRun(3, HANDLER)], Declaration("handler", "handler")
    )
    assert "RPS104" not in {finding.code for finding in result.findings}
