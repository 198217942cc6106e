"""500 random notebooks of another kind each time: what is exported answers as the notebook does."""

from __future__ import annotations

import ast
import os
import random
import secrets
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from rp_notebook.export.cells import CellRun
from rp_notebook.export.live import Live
from rp_notebook.export.module import module_of
from rp_notebook.export.plan import NEEDED, Plan
from rp_notebook.export.slicing import slice_cells
from rp_notebook.jobs.declaration import Declaration
from tests.export.odd_notebooks import FILES, OddNotebook

PROGRAMS = 500
FIRST = 0.95  # of those that are true; some 0.99 as a rule
REFUSED = 0.02
DECLARED = Declaration("handler", "handler")
RUNGS = (NEEDED, Plan("weak"), Plan("full"))


class Ran:
    """A notebook that has run."""

    def __init__(self, cells: list[str]) -> None:
        as_at_start()
        self.space: dict = {"__name__": "__main__", "print": lambda *_: None}
        self.out: dict[int, object] = {}
        self.cells: list[str] = []
        for cell in cells:
            self.run(cell)
        self.live = Live(dict(self.space), self.out)

    def run(self, cell: str) -> None:
        self.cells.append(cell)
        *rest, last = ast.parse(cell).body
        if not isinstance(last, ast.Expr):
            exec(compile(cell, "<cell>", "exec"), self.space)
            return
        exec(compile(ast.Module(rest, []), "<cell>", "exec"), self.space)
        shown = eval(compile(ast.Expression(last.value), "<cell>", "eval"), self.space)
        self.out |= {len(self.cells): shown} if shown is not None else {}

    def exported(self, plan: Plan) -> str:
        runs = [CellRun(number, text, cwd=str(Path.cwd())) for number, text in enumerate(self.cells, start=1)]
        return module_of(slice_cells(runs, DECLARED, live=self.live, plan=plan), DECLARED).text


def as_at_start() -> None:
    random.seed(99)
    np.random.seed(99)
    os.environ.pop("FZ_A", None)
    for name in FILES:
        sys.modules.pop(name.removesuffix(".py"), None)


def answer(module: str) -> object:
    as_at_start()
    space: dict = {"__name__": "handler"}
    exec(module, space)
    return space["handler"]({"x": 5})


def is_true(ran: Ran, plan: Plan, expected: object) -> bool:
    try:
        return answer(ran.exported(plan)) == expected
    except Exception:  # noqa: BLE001 (a refusal, or a module that fails: the replay goes on to the next rung)
        return False


def rung(cells: list[str]) -> str | None:
    """The first rung whose module answers as the notebook; None where the notebook itself fails."""
    try:
        ran = Ran(cells)
        expected = ran.space["handler"]({"x": 5})
    except Exception:  # noqa: BLE001 (any: random code)
        return None
    return next((plan.rung for plan in RUNGS if is_true(ran, plan, expected)), "refused")


def smallest(cells: list[str], reached: str) -> str:
    """The notebook without the cells that it takes no part of to end on the same rung."""
    for at in reversed(range(len(cells))):
        less = cells[:at] + cells[at + 1 :]
        cells = less if rung(less) == reached else cells
    return "\n---\n".join(cells)


@pytest.mark.timeout(600)
def test_random_notebooks_answer_the_same_when_exported(monkeypatch, tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "runpod", types.ModuleType("runpod"))
    monkeypatch.setenv("FZ_A", "")
    first = secrets.randbelow(10**9)
    print(f"seeds from {first}")
    found: dict[str, list[int]] = {}
    seed = first
    while sum(map(len, found.values())) < PROGRAMS:
        reached = rung(OddNotebook(seed).cells)
        if reached is not None:
            found.setdefault(reached, []).append(seed)
        seed += 1
    refused = found.pop("refused", [])
    print({name: len(seeds) for name, seeds in found.items()}, "refused:", refused, "later:", found.get("full"))
    late = found.get("full", [])
    shown = smallest(OddNotebook(late[0]).cells, "full") if len(late) > (1 - FIRST) * PROGRAMS else ""
    assert len(found["needed"]) >= FIRST * (PROGRAMS - len(refused)), shown
    shown = smallest(OddNotebook(refused[0]).cells, "refused") if len(refused) > REFUSED * PROGRAMS else ""
    assert len(refused) <= REFUSED * PROGRAMS, shown
