"""The cases of `facts/slicing.md` section 3: what is kept, what is not, and what the module answers."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import inspect
import json
import sys
import types

import pytest

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.declarations import declarations
from rp_notebook.export.live import Live
from rp_notebook.export.magics import magic_of
from rp_notebook.export.module import module_of
from rp_notebook.export.plan import Plan
from rp_notebook.export.rereading import history_of
from rp_notebook.export.slicing import slice_cells
from rp_notebook.jobs.declaration import Declaration
from tests.export.notebook_files import Case, cases, files

OWN_MODULES = ("faketorch", "fakeplugin", "plotlib", "utils", "helper2", "pkg", "pkg.mod")


# Those that can be told from the text of the cells alone.
CASES = [case for case in cases("table", marked=True) if case.shell != "only" and not case.refused]


def cells_of(case: Case, cwd: str = "") -> list[CellRun]:
    failed, _, line = case.failed.partition(":")
    return [
        CellRun(n, text, ok=str(n) != failed, failed_line=int(line) if str(n) == failed else None, cwd=cwd)
        for n, text in enumerate(case.cells, start=1)
    ]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, text in {**files("site"), **files("hub")}.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    tmp_path = tmp_path / "project"
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "runpod", types.ModuleType("runpod"))
    for name in ("FAKE_MODE", "UNRELATED_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("builtins.print", lambda *a, **k: None)
    return tmp_path


def fresh() -> None:
    for name in OWN_MODULES:
        sys.modules.pop(name, None)


def run_plainly(cells: list[CellRun]) -> dict:
    """What the cells define when they run one after the other."""
    fresh()
    space: dict = {"__name__": "__main__", "Out": {}}
    done: set[int] = set()
    for statement in history_of(cells).statements:
        if magic_of(statement.node) or "get_ipython" in statement.text or statement.unit in done:
            continue
        done.add(statement.unit)
        if statement.shown:
            value = run(f"__shown = {statement.text}", space)["__shown"]
            if value is not None:
                space["_"] = space["Out"][statement.cell.number] = value
        else:
            run(statement.text, space)
    return space


def run(text: str, space: dict) -> dict:
    code = compile(text, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(code, space)
    if inspect.iscoroutine(result):
        asyncio.run(result)
    return space


def answers(handle, inputs=(1, 2)) -> list:
    found = []
    for x in inputs:
        answer = handle({"input": {"x": x}})
        if inspect.isasyncgen(answer):
            answer = asyncio.run(collected(answer))
        found.append(json.loads(json.dumps(answer)))
    return found


async def collected(answer) -> list:
    return [item async for item in answer]


TRAINS = Plan(trains=True)


def exported(cells, name="handler", live=None, plan=TRAINS):
    declaration = declarations(cells).get(name) or Declaration(name, name)
    found = slice_cells(cells, declaration, live, plan=plan)
    return found, module_of(found, declaration)


def module_space(text: str) -> dict:
    fresh()
    module = types.ModuleType("handler")
    sys.modules["handler"] = module
    space = module.__dict__
    space["__file__"] = "handler.py"
    exec(compile(text, "handler.py", "exec", dont_inherit=True), space)
    return space


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_slice_of_the_case_is_right(case, folder):
    cells = cells_of(case, str(folder))
    found, module = exported(cells)
    kept = {(k.cell, k.line) for k in found.kept}
    assert case.marked("+") - kept == set(), f"missing\n{module.text}"
    assert kept - case.marked("+") - case.marked("~") == set(), f"superfluous\n{module.text}"
    assert set(case.codes) <= {f.code for f in found.findings}
    assert "get_ipython" not in module.text
    assert "hf_secret" not in module.text
    assert len(module.lines) == len(module.text.splitlines())
    if case.needs and importlib.util.find_spec(case.needs) is None:
        return
    assert answers(module_space(module.text)["handler"]) == answers(run_plainly(cells)["handler"])


@pytest.mark.parametrize("rung", ["weak", "full"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_higher_rung_holds_more_and_answers_alike(case, rung, folder):
    if case.needs and importlib.util.find_spec(case.needs) is None:
        pytest.skip(f"{case.needs} is not installed")
    cells = cells_of(case, str(folder))
    found, module = exported(cells, plan=Plan(rung=rung, trains=True))
    assert case.marked("+") <= {(k.cell, k.line) for k in found.kept}
    assert "get_ipython" not in module.text
    assert answers(module_space(module.text)["handler"]) == answers(run_plainly(cells)["handler"])


def test_a_value_without_a_cell_is_frozen_when_the_kernel_has_it():
    cells = [CellRun(1, "def handler(job):\n    return SAUCE[job['input']['x']]")]
    found, module = exported(cells, live=Live({"SAUCE": [1, 2, 3]}, {}))
    assert "SAUCE = [1, 2, 3]" in module.text
    assert "RPS105" in {f.code for f in found.findings}


REFUSED = [
    ("nowhere", ["def handler(job): return helper(job)"], "RPS109", 1),
    ("deleted", ["K = 1", "del K", "def handler(job): return K"], "RPS109", 3),
    ("ipython", ["def handler(job): return get_ipython().run(job)"], "RPS110", 1),
    ("display_import", ["from IPython.display import Image", "def handler(job): return Image(job)"], "RPS110", 1),
    ("opaque_magic", ["%%cython\ndef fast(x):\n    return x", "def handler(job): return fast(job)"], "RPS112", 1),
    ("shell_output", ["files = !ls", "def handler(job): return files"], "RPS112", 1),
    ("unparsable", ["def helper(x):\n    return x +", "def handler(job): return helper(job)"], "RPS107", 1),
    ("used_before", ["y = K + 1", "K = 2", "def handler(job): return y"], "RPS109", 1),
]


@pytest.mark.parametrize(("cells", "code", "cell"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_worker_that_would_be_wrong_is_refused_by_name(cells, code, cell):
    with pytest.raises(ExportRefused) as refusal:
        exported([CellRun(n, text) for n, text in enumerate(cells, start=1)])
    assert (code, cell) in {(f.code, f.cell) for f in refusal.value.findings}


def test_a_thousand_cells_that_lead_to_each_other_are_followed_to_the_first():
    chain = ["v0 = 1", *(f"v{n} = v{n - 1} + 1" for n in range(1, 1500)), "def handler(job):\n    return v1499"]
    cells = [CellRun(number, text) for number, text in enumerate(chain, start=1)]
    assert len(slice_cells(cells, Declaration("handler", "handler")).kept) == len(cells)


def test_a_seed_that_is_set_again_before_anything_is_drawn_is_taken_once():
    seed = "torch.manual_seed(0)"
    once = ["import torch", seed, seed, "def handler(job):\n    return torch.relu(job)"]
    twice = ["import torch", seed, "w = torch.rand(2)", seed, "def handler(job):\n    return w"]
    for texts, seeds in ((once, 1), (twice, 2)):
        cells = [CellRun(number, text) for number, text in enumerate(texts, start=1)]
        kept = slice_cells(cells, Declaration("handler", "handler")).kept
        assert [each.text for each in kept].count(seed) == seeds


@pytest.mark.parametrize(
    ("made", "moves"),
    [
        ("lut = json.load(open('lut.json'))", True),
        ("lut = set(open('lut.txt').read().split())", True),
        ("lut = open('plugin.py', 'w').write('')", False),
        ("open = print\nlut = open('lut.json')", False),
        ("lut = numpy.array(1)", False),
    ],
)
def test_imports_move_up_over_what_only_makes_a_value(made, moves):
    texts = ["import json\nimport numpy", made, "from torch import relu", "def handler(job):\n    return relu(lut)"]
    cells = [CellRun(number, text) for number, text in enumerate(texts, start=1)]
    declaration = Declaration("handler", "handler")
    module = module_of(slice_cells(cells, declaration), declaration).text
    assert (module.index("from torch") < module.index("lut =")) is moves


def test_what_stood_under_one_guard_stands_under_one_guard():
    guarded = "if __name__ == '__main__':\n    # as it starts\n    state = main()\n    state['n'] = 1"
    cells = ["def main(): return {}", guarded, "def helper(v): return state['n'] + v"]
    cells.append("def handler(job): return helper(job)")
    declared = Declaration("handler", "handler")
    runs = [CellRun(n, cell) for n, cell in enumerate(cells, start=1)]
    text = module_of(slice_cells(runs, declared), declared).text
    head, _, tail = text.partition("def helper")
    assert "if __name__ == \"__main__\":\n    # as it starts\n    state = main()\n    state['n'] = 1\n" in head
    assert tail.count("__main__") == 1
