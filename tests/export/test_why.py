"""Why each statement is part of the worker, or is not."""

from __future__ import annotations

import pytest

from rp_notebook.errors import BadInput
from rp_notebook.export.cells import CellRun
from rp_notebook.export.exporting import export_cells
from rp_notebook.export.result import ExportResult
from rp_notebook.export.why import explained, lines_of, listed
from rp_notebook.jobs.declaration import Declaration
from tests.export.test_fuzz import Notebook

CELLS = (
    "import json, csv",
    "SCALE = 2\nlut = {'a': SCALE}",
    "# more of it\nlut.update(\n    b=3,\n)",
    "def scale(v):\n    return json.dumps(lut[v])",
    "print(lut)\nother = 5",
    "def handler(job):\n    return scale(job)",
)


def result(*cells: str) -> ExportResult:
    runs = [CellRun(n, text) for n, text in enumerate(cells or CELLS, start=1)]
    return export_cells(runs, Declaration("handler", "handler"))


def told(asked: str) -> list[str]:
    return lines_of(explained(result(), asked))


def test_a_variable_is_explained_step_by_step_from_the_handler() -> None:
    assert told("SCALE") == [
        "  In[6] line 1-2: def handler(job):  (defines `handler`, which the worker uses)",
        "    In[4] line 1-2: def scale(v):  (defines `scale`, which handler() uses)",
        "      In[2] line 2: lut = {'a': SCALE}  (defines `lut`, which scale() uses)",
        "+       In[2] line 1: SCALE = 2  (defines `SCALE`, which `lut` uses)",
    ]


def test_a_change_is_explained_by_who_uses_the_object() -> None:
    assert told("In[3]")[-1] == "+     In[3] line 1-4: lut.update(  (changes `lut`, which scale() uses)"


def test_a_change_of_an_object_is_told_by_the_name_that_its_cell_knows_it_by() -> None:
    found = result("rows = []\ntable = {'a': rows}", "rows.append(1)", "def handler(job):\n    return table")
    said = lines_of(explained(found, "In[2]"))[-1]
    assert said == "+   In[2] line 1: rows.append(1)  (changes `rows`, and with it `table`, which handler() uses)"


def test_a_line_of_the_module_is_explained_by_its_statement() -> None:
    module = result().module.split("\n")
    for number, line in enumerate(module, start=1):
        if line.strip() in ("b=3,", "# more of it"):
            assert told(str(number)) == told("In[3]")
            assert told(f"handler.py:{number}") == told("In[3]")


def test_what_was_dropped_says_why() -> None:
    assert told("other") == ["- In[5] line 2: other = 5  (nothing needed uses `other`)"]
    assert told("In[5]")[0] == "- In[5] line 1: print(lut)  (only shows something)"
    assert told("csv") == ["- In[1] line 1: import csv  (nothing needed uses `csv`)"]


def test_a_name_tells_of_all_its_statements_in_the_order_in_which_they_ran() -> None:
    found = explained(result(), "lut")
    assert [(each.statement.cell, each.statement.line) for each in found] == [(2, 2), (3, 1)]


@pytest.mark.parametrize(
    ("asked", "mistake"),
    [
        ("1", "line 1 of handler.py is our own"),
        ("9999", "handler.py would have"),
        ("In[99]", "no statement is of In[99]"),
        ("nothing", "no statement is of nothing"),
        ("a b", "is no cell"),
    ],
)
def test_what_is_not_there_is_a_mistake_in_one_line(asked: str, mistake: str) -> None:
    with pytest.raises(BadInput) as error:
        told(asked)
    assert mistake in str(error.value)


@pytest.mark.parametrize("seed", range(12))
def test_every_statement_of_a_random_notebook_has_its_reason_and_every_kept_one_its_way(seed: int) -> None:
    made = result(*Notebook(seed).cells)
    every = listed(made)
    assert len(lines_of(every)) == len(every) == len(made.kept) + len(made.dropped)
    assert all(each.statement.reason for each in every)
    for number, source in enumerate(made.lines, start=1):
        if source is not None:
            (one,) = explained(made, str(number))
            assert one.way[-1] is one.statement
            assert one.statement.cell == source[0]
            assert one.way[0].asked_by is None


def test_commands_are_told_as_they_were_typed_and_our_own_not_at_all() -> None:
    cells = ("%pip install -q torch\n!ls -l", "%runpod jobs", "def handler(job):\n    return 1")
    assert lines_of(listed(result(*cells)))[:2] == [
        "- In[1] line 1: %pip install -q torch  (%pip)",
        "- In[1] line 2: !ls -l  (a shell line: only what it installs counts)",
    ]
    assert "runpod" not in "".join(lines_of(listed(result(*cells))))
