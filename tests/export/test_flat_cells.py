"""A flat handler cell in the worker: the function that it stands for, and nothing of the run that tried it."""

from __future__ import annotations

import asyncio
import inspect
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.declarations import declarations
from rp_notebook.export.exporting import export_cells, export_notebook
from rp_notebook.export.flat_cells import unfolded
from rp_notebook.export.module import module_of
from rp_notebook.export.slicing import slice_cells

MODEL = (
    "import math\nlog = []\ncount = 0\n"
    "class Model:\n    def run(self, words, n):\n        return ' '.join(words * n)\n"
    "model = Model()\ndef tokenize(text):\n    return text.split()"
)
CAPTION = (
    "%%runpod_handler caption -i prompt -i steps=2\n# A value to try.\nprompt = 'a cat'; steps = 3\n\n"
    "# Tokens first.\ntokens = tokenize(prompt)  # words\nout = model.run(tokens, steps)\n"
    "log.append(out)\n{'text': out};"
)


def module(*cells: str, name: str = "handler") -> str:
    return module_of_runs(tuple(CellRun(number, text) for number, text in enumerate(cells, start=1)), name)


def module_of_runs(runs: tuple[CellRun, ...], name: str) -> str:
    cells, declaration = unfolded(runs, declarations(runs)[name])
    return module_of(slice_cells(cells, declaration), declaration).text


def answer(text: str, given: dict[str, Any]) -> Any:
    """What the handler that the worker would start answers."""
    started: list[dict[str, Any]] = []
    names: dict[str, Any] = {"__name__": "__main__", "started": started.append}
    exec(compile(text.replace("import runpod\n", "").replace("runpod.serverless.start", "started"), "h", "exec"), names)
    found = started[0]["handler"]({"input": given})
    return asyncio.run(found) if inspect.isawaitable(found) else found


def test_the_worker_has_the_function_and_nothing_of_the_try_out() -> None:
    assert module(MODEL, CAPTION, CAPTION, name="caption") == (
        '"""RunPod worker: caption."""\n\nimport runpod\n\nlog = []\n\n\n'
        "class Model:\n    def run(self, words, n):\n        return ' '.join(words * n)\n\n\n"
        "model = Model()\n\n\ndef tokenize(text):\n    return text.split()\n\n\n"
        "def caption(job):\n"
        '    job_input = job["input"]\n'
        '    if "prompt" not in job_input:\n'
        '        raise ValueError("missing input: prompt")\n'
        '    prompt = job_input["prompt"]\n'
        '    steps = job_input.get("steps", 2)\n'
        "    # Tokens first.\n"
        "    tokens = tokenize(prompt)  # words\n"
        "    out = model.run(tokens, steps)\n"
        "    log.append(out)\n"
        "    return {'text': out}\n\n\n"
        'if __name__ == "__main__":\n    runpod.serverless.start({"handler": caption})\n'
    )


def test_each_line_of_it_says_which_line_of_the_cell_it_was() -> None:
    runs = (CellRun(1, MODEL), CellRun(2, CAPTION))
    result = export_cells(runs, declarations(runs)["caption"])
    places = json.loads(result.repo["rp_manifest.json"])["lines"]
    came_from = dict(zip(result.module.split("\n"), places, strict=False))
    assert came_from["    log.append(out)"] == [2, 8]
    assert came_from['    prompt = job_input["prompt"]'] == [2, 1]
    assert [(kept.cell, kept.line, kept.last_line) for kept in result.kept][-1] == (2, 1, 9)


FLAT = "%%runpod_handler caption -i n\n"


@pytest.mark.parametrize(
    ("cells", "given", "value"),
    [
        ((MODEL, CAPTION), "b", {"text": "b b"}),
        ((MODEL, FLAT + "n = 1\ncount += n\n[count, n]"), 3, [3, 3]),
        ((MODEL, FLAT + "n = 9\nlog += [n]\nlog"), 3, [3]),
        ((MODEL, "%%time\n" + FLAT + "n = 9\n%time root = math.sqrt(n)\nroot"), 4, 2.0),
        ((FLAT + "import asyncio\nn = await asyncio.sleep(0, n)\nn",), 4, 4),
        (("sep = ','\ndef cut(t): return t.split(sep)", FLAT + "sep = ';'\ncut(n)"), "a;b", ["a", "b"]),
        (
            ("%%runpod_handler -i n\nimport json\nn", "%%runpod_handler caption\ndef f(job): return json.dumps(1)"),
            2,
            "1",
        ),
        (("caption = 4", FLAT + "n = 1\nn + caption"), 1, 5),
        ((FLAT + "n = 1\ncaption = n + 1\ncaption",), 2, 3),
        ((FLAT + "n = 1\nn", "def caption(job): return 'another'"), 2, 2),
        ((FLAT + "n = 'x'\nmore = '''\n  two\n'''\nn + more",), "a", "a\n  two\n"),
        ((FLAT + "n = 1\ntry:\n    pipe\nexcept NameError:\n    pipe = str\npipe(n)",), 2, "2"),
        ((FLAT + "from __future__ import annotations\nn = 1\ndef f(x: Nowhere): return x\nf(n)",), 2, 2),
    ],
)
def test_the_worker_answers_with_the_jobs_inputs(cells: tuple[str, ...], given: Any, value: Any) -> None:
    assert answer(module(*cells, name="caption"), {"n": given, "prompt": given}) == value


def test_a_default_may_be_what_another_cell_makes() -> None:
    assert answer(module("%%runpod_handler -i n=SIZE[0]\nn", "SIZE = [5]"), {}) == 5


def test_a_handler_named_like_a_built_in_leaves_it_alone() -> None:
    assert answer(module("%%runpod_handler sum -i n\nn = [1]\nsum(n)", name="sum"), {"n": [2, 3]}) == 5


def test_only_a_cell_that_ran_to_its_end_declares_a_flat_handler() -> None:
    runs = (
        CellRun(1, "%%runpod_handler -i n\nn = 1\nn"),
        CellRun(2, "%%runpod_handler -i n\nn = 0\n1 / n\nn + 1", ok=False, failed_line=3),
    )
    assert answer(module_of_runs(runs, "handler"), {"n": 5}) == 5
    assert not declarations(runs[1:])


@pytest.mark.parametrize(
    ("cell", "code", "line"),
    [
        ("%%runpod_handler -i n\nn = 1\nfiles = !ls\n[n, files]", "RPS110", 3),
        ("%%runpod_handler -i n\nn = 1\n\nshown = display(n)\nn", "RPS110", 4),
        ("%%runpod_handler -i n\nn = 1\nn + missing", "RPS109", 3),
        ("%%runpod_handler -i n=fast\nn = 1\nn", "RPS109", 1),
    ],
)
def test_what_no_worker_has_is_refused_at_the_line_of_the_cell(cell: str, code: str, line: int) -> None:
    with pytest.raises(ExportRefused) as refusal:
        module(cell)
    assert [(found.code, found.cell, found.line) for found in refusal.value.findings] == [(code, 1, line)]


def test_a_handler_cell_whose_name_looks_like_a_flag_is_no_flat_cell() -> None:
    text = module("log = []", "%%runpod_handler my-idea\nlog.append(1)\ndef f(job): return log", name="my-idea")
    assert answer(text, {}) == [1]


def test_a_helper_that_would_not_see_the_jobs_value_is_found() -> None:
    cells = ("def deep():\n    return n\ndef helper():\n    return deep()", FLAT + "n = 1\nhelper() + n")
    runs = tuple(CellRun(number, text) for number, text in enumerate(cells, start=1))
    unfolded_cells, declaration = unfolded(runs, declarations(runs)["caption"])
    (found,) = slice_cells(unfolded_cells, declaration).findings
    assert (found.code, found.cell, found.line) == ("RPS134", 1, 1)
    assert "deep reads the notebook's" in found.message


def test_a_notebook_file_with_a_flat_cell_is_exported_without_running_it(tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell(text) for text in (MODEL, CAPTION)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "n.ipynb")
    result = export_notebook(tmp_path / "n.ipynb")
    assert result.handler == "caption"
    assert answer(result.module, {"prompt": "b"}) == {"text": "b b"}
    assert "steps" in result.repo["README.md"].decode()


def test_the_kernel_and_the_worker_answer_alike(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell.instance()
    jobs = ({"prompt": "b c"}, {"prompt": "b", "steps": 1}, {"steps": 1})
    try:
        for text in ("%load_ext rp_notebook", MODEL, CAPTION, CAPTION):
            shell.run_cell(text, store_history=True)
        records = [shell.run_cell(f"%runpod job {job!r}", store_history=True).result for job in jobs]
        shell.run_cell(f"%runpod export {tmp_path}/worker", store_history=True)
        proof = shell.run_line_magic("runpod", f"prove {tmp_path}/worker")
    finally:
        shell.run_line_magic("unload_ext", "rp_notebook")
        InteractiveShell.clear_instance()
    assert [record.status for record in records] == ["COMPLETED", "COMPLETED", "FAILED"]
    assert proof.badge == "PROVED"
