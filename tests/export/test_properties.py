"""What holds for every notebook: a look changes nothing, an export exports itself, the same history the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rp_notebook.export.cells import CellRun
from rp_notebook.export.exporting import export_cells
from rp_notebook.export.names import names_of
from rp_notebook.export.rereading import history_of
from tests.export.test_fuzz import Notebook
from tests.export.test_slicing import CASES, cells_of, exported, folder  # noqa: F401 (the fixture)

SEEDS = range(50)
HASH_SEEDS = ("1", "4242")


def fuzzed(seed: int) -> list[CellRun]:
    return [CellRun(n, text) for n, text in enumerate(Notebook(seed).cells, start=1)]


def looks(cells: list[CellRun]) -> list[str]:
    """A cell that only shows something, for each place: what the cell before it bound, a plot, a text."""
    shows = ["print('so far')"]
    for number, cell in enumerate(cells):
        bound = sorted({name for s in history_of([cell]).statements for name in names_of(s.node).defs})
        plot = "import plotlib as figures\nfigures.plot([1, 2])\nfigures.show()"
        shows.append(f"print({bound[0]})\nfor row in [1, 2]:\n    print(row)" if bound and number % 2 else plot)
    return shows


def refuse_differences_by_looks(cells: list[CellRun]) -> None:
    plain = exported(cells)[1]
    shows = looks(cells)
    for place in (0, len(cells) // 2, len(cells)):
        assert exported([*cells[:place], CellRun(1000, shows[place]), *cells[place:]])[1] == plain, f"at {place}"
    woven = [part for n, cell in enumerate(cells) for part in (cell, CellRun(2000 + n, shows[n + 1]))]
    assert exported(woven)[1] == plain


def refuse_another_second_export(cells: list[CellRun]) -> None:
    once = exported(cells)[1].text
    assert exported([CellRun(1, once, cwd=cells[0].cwd)])[1].text == once


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_cell_that_only_shows_something_changes_no_case(case, folder):  # noqa: F811 (the fixture)
    refuse_differences_by_looks(cells_of(case, str(folder)))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cell_that_only_shows_something_changes_no_random_notebook(seed):
    refuse_differences_by_looks(fuzzed(seed))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_export_of_a_case_exports_itself(case, folder):  # noqa: F811 (the fixture)
    refuse_another_second_export(cells_of(case, str(folder)))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_export_of_a_random_notebook_exports_itself(seed):
    refuse_another_second_export(fuzzed(seed))


EXPORTED = """
import json, sys
from tests.export.test_properties import everything
print(json.dumps(everything(sys.argv[1])))
"""


def everything(where: str) -> dict[str, str]:
    """Every byte of the exports of many notebooks, and the reasons, by name."""
    named = {case.name: cells_of(case, where) for case in CASES[::4]} | {str(seed): fuzzed(seed) for seed in range(4)}
    found = {}
    for name, cells in named.items():
        result = export_cells(
            [replace(cell, cell_id=f"id-{cell.number}") for cell in cells], declared(cells), folder=Path(where)
        )
        said = [repr(each) for each in (*result.kept, *result.dropped, *result.findings)]
        found[name] = json.dumps(
            {key: body.decode() for key, body in result.repo.items()} | {"said": sorted_sets(said)}
        )
    return found


def declared(cells: list[CellRun]):
    from rp_notebook.export.declarations import declarations
    from rp_notebook.jobs.declaration import Declaration

    return declarations(cells).get("handler") or Declaration("handler", "handler")


def sorted_sets(said: list[str]) -> list[str]:
    # A set is shown in the order of its hashes: that is the only thing that may differ.
    return ["".join(sorted(text)) if "frozenset" in text else text for text in said]


def test_the_same_history_gives_the_same_bytes_under_every_hash_seed(folder):  # noqa: F811 (the fixture)
    root = Path(__file__).parents[2]
    told = []
    for seed in HASH_SEEDS:
        environ = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([str(root), str(folder)])}
        done = subprocess.run(
            [sys.executable, "-c", EXPORTED, str(folder)], env=environ, cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        told.append(json.loads(done.stdout))
    first, second = told
    assert {name for name in first if first[name] != second[name]} == set()
