"""Names that only a star import of a module can have brought that nobody can read here."""

from __future__ import annotations

import pytest

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.exporting import export_cells
from rp_notebook.jobs.declaration import Declaration

HANDLER = "def handler(job):\n    return learner(job['input'])"


def exported(*cells: str):
    runs = [CellRun(number, text) for number, text in enumerate([*cells, HANDLER], start=1)]
    return export_cells(runs, Declaration("handler", "handler"))


def test_they_are_imported_by_name_and_said():
    result = exported("from not_here.all import *", "if False:\n    learner = never(1)", "learner = make(Path('a'))")
    assert "from not_here.all import Path, make\n" in result.module
    assert "never" not in result.module
    told = next(finding for finding in result.findings if finding.code == "RPS124")
    assert "`Path`, `make` can only come from this import" in told.message
    assert (told.cell, told.line) == (1, 1)


@pytest.mark.parametrize(
    "cells",
    [
        ("from not_here import *", "from nor_here import *", "learner = make(1)"),
        ("learner = make(1)", "from not_here import *"),
        ("from not_here import *", "learner = len", "del learner"),
    ],
    ids=["two may have", "it came later", "it was deleted"],
)
def test_names_that_it_cannot_have_brought_for_certain_are_missing(cells):
    with pytest.raises(ExportRefused, match="RPS109"):
        exported(*cells)
