"""From executed cells to the module: what is kept, in which order, and what is refused by name."""

from __future__ import annotations

import nbformat
import pytest

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.declarations import declarations
from rp_notebook.export.exporting import export_cells, export_notebook
from rp_notebook.export.live import Live
from rp_notebook.jobs.declaration import Declaration


def module(*cells: str, name: str = "handler") -> str:
    runs = tuple(CellRun(number, text) for number, text in enumerate(cells, start=1))
    declaration = declarations(runs).get(name) or Declaration(name, name)
    return export_cells(runs, declaration).module


def answer(text: str, value: object) -> object:
    names: dict[str, object] = {"__name__": "worker"}
    exec(compile(text.replace("import runpod\n", ""), "handler.py", "exec"), names)
    return names["handler"]({"input": {"x": value}})  # type: ignore[operator]


HANDLER = "def handler(job):\n    x = job['input']['x']\n    return "


def test_only_what_the_handler_needs_is_kept() -> None:
    text = module(
        "import json\nimport csv",
        "SCALE = 3\nUNUSED = [1, 2]\nprint(SCALE)",
        "def scale(v):\n    # keep this comment\n    return v * SCALE  # trailing",
        "%%runpod_handler\n" + HANDLER + "scale(x)",
        "%runpod job {'x': 1}",
    )
    assert answer(text, 2) == 6
    assert "# keep this comment\n    return v * SCALE  # trailing" in text
    assert not any(word in text for word in ("UNUSED", "csv", "json", "print", "%", "get_ipython"))


def test_a_global_is_the_last_one_for_a_function_called_later() -> None:
    cells = ("def post(v):\n    return v + OFFSET", "OFFSET = 1", "t = post(1)", "OFFSET = 10", HANDLER + "post(x)")
    text = module(*cells)
    assert answer(text, 1) == 11
    assert "OFFSET = 1\n" not in text


def test_what_changes_a_needed_object_is_kept() -> None:
    text = module(
        "cfg = {'k': 1}\nother = {}",
        "cfg['k'] = 5\nother['k'] = 9",
        "cfg.update(beam=4)",
        "cfg.get('k')",
        "labels = []\nfor w in 'a b'.split():\n    labels.append(w)",
        HANDLER + "[x * cfg['k'] * cfg['beam'], labels]",
    )
    assert answer(text, 1) == [20, ["a", "b"]]
    assert "other" not in text


def test_a_failed_cell_gives_what_ran_before_the_error() -> None:
    runs = (
        CellRun(1, "W = 11\nbad = 1 / 0\nW = 99", ok=False, failed_line=2),
        CellRun(2, HANDLER + "x * W"),
    )
    assert answer(export_cells(runs, Declaration("handler", "handler")).module, 2) == 22


def test_a_broken_cell_elsewhere_stops_nothing() -> None:
    assert answer(module("this is not python", "pip install something", HANDLER + "x"), 4) == 4


def test_a_pasted_start_is_the_declaration_and_is_written_once() -> None:
    text = module(
        "%%runpod_handler\nimport runpod\ndef handler(job):\n    yield 1\n"
        'runpod.serverless.start({"handler": handler, "return_aggregate_stream": True})'
    )
    assert text.count("runpod.serverless.start(") == 1
    assert text.count("import runpod") == 1
    assert '"return_aggregate_stream": True' in text


def test_a_marked_function_loses_its_mark() -> None:
    text = module("import rp_notebook", "@rp_notebook.handler(aggregate=True)\n" + HANDLER + "x")
    assert "rp_notebook" not in text
    assert answer(text, 3) == 3


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ((HANDLER + "missing + x",), "RPS109"),
        ((HANDLER + "display(x)",), "RPS110"),
        (("files = !ls", HANDLER + "files"), "RPS112"),
    ],
    ids=["undefined", "notebook only", "shell"],
)
def test_what_would_be_wrong_is_refused_by_name(cells: tuple[str, ...], code: str) -> None:
    with pytest.raises(ExportRefused) as refusal:
        module(*cells)
    assert [finding.code for finding in refusal.value.findings] == [code]


def test_the_same_cells_give_the_same_bytes() -> None:
    runs = (CellRun(1, "import json, os\nA = 1"), CellRun(2, HANDLER + "json.dumps([x, A])"))
    first, second = (export_cells(runs, Declaration("handler", "handler")).repo.files for _ in range(2))
    assert dict(first) == dict(second)


def test_a_module_beside_the_notebook_goes_along_with_what_it_imports(tmp_path) -> None:
    (tmp_path / "mine_utils.py").write_text("import mine_deep\n\ndef double(v):\n    return mine_deep.TWO * v\n")
    (tmp_path / "mine_deep.py").write_text("TWO = 2\n")
    notebook = tmp_path / "n.ipynb"
    nbformat.write(
        nbformat.v4.new_notebook(
            cells=[
                nbformat.v4.new_code_cell("import mine_utils"),
                nbformat.v4.new_code_cell("%%runpod_handler\n" + HANDLER + "mine_utils.double(x)"),
            ]
        ),
        notebook,
    )
    result = export_notebook(notebook)
    assert {"mine_utils.py", "mine_deep.py"} <= set(result.repo)
    assert not result.findings


def test_a_models_eval_is_not_the_built_in() -> None:
    cells = (
        "class Model:\n    def eval(self):\n        self.mode = 1\n        return self\nmodel = Model()\nmodel.eval()",
        HANDLER + "x if model else 0",
    )
    runs = tuple(CellRun(number, text) for number, text in enumerate(cells, start=1))
    result = export_cells(runs, Declaration("handler", "handler"))
    assert "RPS124" not in [finding.code for finding in result.findings]
    assert "model.eval()" in result.module


@pytest.mark.parametrize(
    "cells",
    [
        ("count = 1", "def handler(job):\n    global count\n    count += 1\n    return 1"),
        ("count = 1", "def bump():\n    global count\n    count += 1", "def handler(job):\n    bump()\n    return 1"),
    ],
    ids=["in the handler", "in a helper"],
)
def test_what_is_only_counted_up_begins_where_the_notebook_began(cells: tuple[str, ...]) -> None:
    assert answer(module(*cells), 0) == 1


def test_the_files_of_written_values_are_part_of_the_repository() -> None:
    import numpy as np

    runs = (CellRun(1, HANDLER + "float(emb[x])"),)
    live = Live({"emb": np.arange(3000.0)}, {})
    repo = export_cells(runs, Declaration("handler", "handler"), live=live).repo
    assert "assets/emb.npz" in repo
    assert "assets" in repo["Dockerfile"].decode()
    assert f"numpy=={np.__version__}" in repo["requirements.txt"].decode()
    again = export_cells(runs, Declaration("handler", "handler"), live=live).repo
    assert dict(repo) == dict(again)


def test_a_notebook_that_trains_is_exported_only_when_that_is_allowed(tmp_path) -> None:
    cells = ["class Model:\n    def fit(self, x):\n        self.k = x\nmodel = Model()", "model.fit(3)"]
    cells.append("%%runpod_handler\n" + HANDLER + "x * model.k")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, tmp_path / "n.ipynb")
    with pytest.raises(ExportRefused) as refusal:
        export_notebook(tmp_path / "n.ipynb")
    assert [(finding.code, finding.cell) for finding in refusal.value.findings] == [("RPS132", 2)]
    assert answer(export_notebook(tmp_path / "n.ipynb", train=True).module, 2) == 6
