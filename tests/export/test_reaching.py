"""Definitions that a read may see, and the time that many of one name take."""

from __future__ import annotations

import time

import pytest

from rp_notebook.export.cells import CellRun
from rp_notebook.export.exporting import export_cells
from rp_notebook.export.reaching import Reaching
from rp_notebook.jobs.declaration import Declaration

USES = {
    "its own": "for k in range(3):\n    row = row + [k]",
    "put away": "for k in range(3):\n    row = [k, {n}]\n    rows.append(row)\n    print(row)",
}


@pytest.mark.parametrize(
    ("kinds", "at", "seen", "deleted"),
    [
        ("", 0, (), None),
        ("d", 1, (0,), None),
        ("d", 0, (), None),
        ("dmm", 3, (2, 1, 0), None),
        ("dmm", 2, (1, 0), None),
        ("mm", 2, (1, 0), None),
        ("dmd", 3, (2,), None),
        ("dx", 2, (), 1),
        ("dxm", 3, (2,), 1),
        ("dxmd", 4, (3,), None),
        ("dg", 2, (1, 0), None),
        ("d?m", 3, (2, 0, 1), None),
        ("?", 1, (0,), None),
    ],
)
def test_a_read_sees_the_last_certain_definition_and_those_since_then(kinds, at, seen, deleted):
    reaching = Reaching()
    for place, kind in enumerate(kinds):
        match kind:
            case "?":
                reaching.add_unnamed(place)
            case "g":
                reaching.add("n", place, "def", goes_on=True)
            case _:
                reaching.add("n", place, {"d": "def", "m": "may", "x": "del"}[kind])
    found = reaching.reach("n", at)
    assert (found.positions, found.deleted) == (seen, deleted)
    assert bool(found) == bool(seen)


@pytest.mark.parametrize("use", USES)
def test_four_times_the_loops_that_bind_a_name_take_about_four_times_as_long(use):
    once, fourfold = min(took(use, 150) for _ in range(2)), took(use, 600)
    assert fourfold < 8 * once


def took(use: str, count: int) -> float:
    cells = [
        "row, rows = [], []",
        *(USES[use].format(n=n) for n in range(count)),
        "def handler(job): return [row, rows]",
    ]
    runs = [CellRun(number, text) for number, text in enumerate(cells, start=1)]
    start = time.process_time()
    assert len(export_cells(runs, Declaration("handler", "handler")).kept) > count
    return time.process_time() - start
