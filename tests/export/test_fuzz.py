"""Random notebooks: the exported handler answers as the handler does after all cells ran."""

from __future__ import annotations

import random
import types

import pytest

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.module import module_of
from rp_notebook.export.slicing import slice_cells
from rp_notebook.jobs.declaration import Declaration

NAMES = {
    "int": ("i0", "i1", "i2", "i3"),
    "list": ("l0", "l1", "l2", "l3"),
    "dict": ("d0", "d1", "d2"),
    "nest": ("n0", "n1"),
    "obj": ("o0", "o1", "o2"),
    "fn": ("f0", "f1", "f2", "f3"),
}
HEAD = """class Box:
    def __init__(self, v, items=None):
        self.v = v
        self.items = items if items is not None else [0]
    def bump(self, by=1):
        self.v += by
        return self.v
    def put(self, item):
        self.items.append(item)
        return self
    def fill(self, other):
        other.append(self.v)
    def total(self):
        return self.v + sum(self.items)"""
SHOW = """def show(v):
    if isinstance(v, Box):
        return ['box', v.v, show(v.items)]
    if isinstance(v, list):
        return [show(x) for x in v]
    if isinstance(v, dict):
        return {k: show(x) for k, x in v.items()}
    return v"""


class Notebook:
    """Writes random cells that never fail; knows which names there are."""

    def __init__(self, seed: int) -> None:
        self.r = random.Random(seed)
        self.alive: dict[str, set[str]] = {kind: set() for kind in NAMES}
        self.cells = [HEAD]
        for kind in NAMES:
            for name in NAMES[kind][:2]:
                self.cells.append(self.fresh(kind, name))
        for _ in range(self.r.randint(8, 26)):
            self.cells.append(self.step())
        for _ in range(self.r.randint(0, 4)):
            self.cells.append(self.r.choice([c for c in self.cells[1:] if "del " not in c]))
        wanted = [self.any(k) for k in ("int", "list", "dict", "nest", "obj") if self.r.random() < 0.6]
        calls = [f"{self.any('fn')}(x)" for _ in range(self.r.randint(0, 2))]
        self.cells += [
            SHOW,
            f"def handler(job):\n    x = job['x']\n    return show([x, {', '.join([*wanted, *calls])}])",
        ]
        for _ in range(self.r.randint(0, 3)):
            self.cells.append(self.step())

    def any(self, kind: str) -> str:
        return self.r.choice(sorted(self.alive[kind]))

    def num(self) -> str:
        r = self.r
        return r.choice(
            [str(r.randint(0, 9)), self.any("int"), f"len({self.any('list')})"]
            + ([f"{self.any('obj')}.v"] if self.alive["obj"] else [])
        )

    def fresh(self, kind: str, name: str) -> str:
        r = self.r
        text = {
            "int": lambda: f"{name} = {self.num() if self.alive['list'] else r.randint(0, 9)}",
            "list": lambda: f"{name} = [{r.randint(0, 9)}, {r.randint(0, 9)}]",
            "dict": lambda: f"{name} = {{'a': {r.randint(0, 9)}}}",
            "nest": lambda: f"{name} = [{self.any('list')}, {self.any('list')}]",
            "obj": lambda: r.choice(
                [f"{name} = Box({r.randint(0, 9)})", f"{name} = Box({r.randint(0, 9)}, items={self.any('list')})"]
            ),
            "fn": lambda: self.function(name),
        }[kind]()
        self.alive[kind].add(name)
        return text

    def function(self, name: str) -> str:
        r = self.r
        bodies = [
            f"    return a + {self.any('int')}",
            f"    {self.any('list')}.append(a)\n    return len({self.any('list')})",
            f"    global {self.any('int')}\n    GLOBAL += 1\n    return GLOBAL",
            f"    d = {self.any('dict')}\n    d['k'] = a\n    return len(d)",
            f"    for b in [{self.any('list')}]:\n        b.append(a)\n    return a",
            f"    return {self.any('obj')}.total() + a",
            f"    o = {self.any('obj')}\n    o.bump()\n    return o.v",
        ]
        if self.alive["fn"] - {name}:
            other = sorted(self.alive["fn"] - {name})
            # Only functions of a smaller number are called: no recursion.
            smaller = [f for f in other if f < name]
            if smaller:
                bodies.append(f"    return {r.choice(smaller)}(a) + 1")
        body = r.choice(bodies)
        if "GLOBAL" in body:
            body = body.replace("GLOBAL", body.split()[1])
        return f"def {name}(a, k={r.randint(0, 3)}):\n{body}"

    def step(self) -> str:
        r = self.r
        kind = r.choice(list(NAMES))
        name = r.choice(NAMES[kind])
        simple = [
            lambda: self.fresh(kind, name),
            lambda: f"print({self.any(kind)})",
            lambda: f"{self.any('list')}.append({self.num()})",
            lambda: f"{self.any('list')}.extend([1, 2])",
            lambda: f"{self.any('list')}[0] = {self.num()}",
            lambda: f"{self.any('list')}.insert(0, {self.num()})",
            lambda: f"{self.any('dict')}['b'] = {self.num()}",
            lambda: f"{self.any('dict')}.update(c={self.num()})",
            lambda: f"{self.any('int')} += {self.num()}",
            lambda: f"{self.any('list')} += [{self.num()}]",
            lambda: f"{self.any('nest')}[0].append({self.num()})",
            lambda: f"{self.any('nest')}.append({self.any('list')})",
            lambda: f"{self.any('obj')}.bump({self.num()})",
            lambda: f"{self.any('obj')}.put({self.num()})",
            lambda: f"{self.any('obj')}.fill({self.any('list')})",
            lambda: f"{self.any('obj')}.v = {self.num()}",
            lambda: f"{self.any('obj')}.items = {self.any('list')}",
            lambda: f"{self.any('fn')}({self.num()})",
            lambda: f"for q in range(2):\n    {self.any('list')}.append(q)",
            lambda: f"for q in {self.any('nest')}:\n    q.append(1)",
            lambda: f"if {self.num()} > 3:\n    {self.any('list')}.append(7)\nelse:\n    {self.any('dict')}['z'] = 1",
            lambda: self.bind("int", f"{self.any('fn')}({self.num()})"),
            lambda: self.bind("int", f"{self.any('list')}[0]"),
            lambda: self.bind("list", self.any("list")),
            lambda: self.bind("list", f"list({self.any('list')})"),
            lambda: self.bind("list", f"{self.any('nest')}[0]"),
            lambda: self.bind("list", f"{self.any('obj')}.items"),
            lambda: self.bind("list", f"{self.any('list')} + {self.any('list')}"),
            lambda: self.bind("dict", self.any("dict")),
            lambda: self.bind("dict", f"dict({self.any('dict')})"),
            lambda: self.bind("nest", f"list({self.any('nest')})"),
            lambda: self.bind("obj", self.any("obj")),
            lambda: self.bind("obj", f"{self.any('obj')}.put(3)"),
            lambda: self.swap(),
        ]
        return r.choice(simple)()

    def bind(self, kind: str, expression: str) -> str:
        name = self.r.choice(NAMES[kind])
        self.alive[kind].add(name)
        return f"{name} = {expression}"

    def swap(self) -> str:
        kind = self.r.choice(["int", "list", "dict"])
        a, b = self.any(kind), self.any(kind)
        return f"{a}, {b} = {b}, {a}"


def plain_answer(cells: list[str]) -> object:
    space: dict = {"print": lambda *a: None}
    for cell in cells:
        exec(cell, space)
    return space["handler"]({"x": 5})


def exported(cells: list[str]) -> str:
    runs = [CellRun(n, text) for n, text in enumerate(cells, start=1)]
    declaration = Declaration("handler", "handler")
    return module_of(slice_cells(runs, declaration), declaration).text


@pytest.mark.parametrize("seed", range(150))
def test_a_random_notebook_answers_the_same_when_exported(seed, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "runpod", types.ModuleType("runpod"))
    cells = Notebook(seed).cells
    expected = plain_answer(cells)
    try:
        text = exported(cells)
    except ExportRefused as refusal:
        pytest.fail(f"{refusal}\n" + "\n---\n".join(cells))
    space: dict = {"__name__": "handler"}
    exec(text, space)
    assert space["handler"]({"x": 5}) == expected, "\n---\n".join([*cells, "EXPORT", text])
