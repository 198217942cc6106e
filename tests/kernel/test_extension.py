"""The extension in a real IPython shell: what is typed, and what comes of it."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell

from tests.kernel.conftest import Cell

DOUBLE = "%%runpod_handler\ndef double(job):\n    return job['input']['x'] * 2"


@pytest.mark.parametrize(
    "line",
    ['%runpod job {"x": 4}', "%runpod job {'x': 2 + 2}", "%runpod job value", '%%runpod job\n{"x": 4}'],
    ids=["json", "expression", "variable", "cell"],
)
def test_a_job_takes_its_input_in_every_form(cell: Cell, line: str) -> None:
    cell(DOUBLE)
    cell("value = {'x': 4}")
    assert cell(line).result.output == 8


def test_a_job_takes_its_input_from_a_file(cell: Cell, tmp_path) -> None:
    (tmp_path / "in.json").write_text('{"x": 21}')
    cell(DOUBLE)
    assert cell(f"%runpod job @{tmp_path}/in.json").result.output == 42


def test_a_marked_handler_is_registered_when_its_module_is_imported_or_run(cell: Cell, tmp_path, monkeypatch) -> None:
    marked = "import rp_notebook\n@rp_notebook.handler\ndef {}(job):\n    return job['input']['x'] * 3\n"
    (tmp_path / "of_a_module.py").write_text(marked.format("triple"))
    (tmp_path / "a_script.py").write_text(marked.format("thrice"))
    monkeypatch.syspath_prepend(tmp_path)
    cell("from of_a_module import triple")
    assert cell("%runpod job {'x': 2}").result.job.handler == "triple"
    cell("%run a_script.py")
    assert cell("%runpod job {'x': 2}").result.job.handler == "thrice"


def test_flags_may_stand_before_and_behind_the_input(cell: Cell) -> None:
    cell(DOUBLE)
    cell("%%runpod_handler\ndef other(job): return 0")
    assert cell("%runpod job -n double {'x': 1} -o kept").result.output == 2
    assert cell("kept").result == 2


def test_a_result_can_be_assigned(cell: Cell) -> None:
    cell(DOUBLE)
    cell('record = %runpod job {"x": 1}')
    assert cell("record.output").result == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('%runpod job {"x": 1', "not JSON"),
        ("%runpod job {x: true}", "as JSON: Expecting property name enclosed in double quotes"),
        ("%runpod job nosuch", "NameError"),
        ("%runpod job -n nope {}", "known: double"),
        ("%runpod jbos", "did you mean %runpod jobs?"),
        ("%%runpod_handler\nx = y = 1", "defines no function"),
        ("def f():\n    %runpod job 1\nf()", "arun_job"),
    ],
    ids=["json", "no quotes", "name", "handler", "command", "no function", "inside a function"],
)
def test_a_users_mistake_is_one_line(cell: Cell, capsys, text: str, told: str) -> None:
    cell(DOUBLE)
    capsys.readouterr()
    cell(text)
    said = capsys.readouterr()
    assert told in said.out + said.err
    assert "Traceback" not in said.out + said.err


def test_running_the_cell_again_replaces_the_handler_and_reloading_keeps_it(cell: Cell, capsys) -> None:
    cell(DOUBLE)
    cell(DOUBLE.replace("* 2", "* 3"))
    assert "v2" in capsys.readouterr().out
    cell("%reload_ext rp_notebook")
    assert cell('%runpod job {"x": 1}').result.output == 3


def test_a_pasted_start_declares_and_starts_nothing(cell: Cell) -> None:
    cell(
        "%%runpod_handler\nimport types\nrunpod = None\ndef handler(job):\n    yield 1\n"
        'if __name__ == "__main__":\n'
        '    runpod.serverless.start({"handler": handler, "return_aggregate_stream": True})'
    )
    record = cell("%runpod job {}").result
    assert (record.output, len(record.posts)) == ([1], 2)


def test_a_pasted_start_in_an_ordinary_cell_says_what_is_missing(cell: Cell, capsys) -> None:
    cell(
        "class runpod:\n    class serverless:\n        def start(config):\n            raise RuntimeError('running')\n"
        "runpod.serverless.start({'handler': print})"
    )
    assert "begin the cell with %%runpod_handler" in capsys.readouterr().out


def test_a_handler_cell_is_an_ordinary_cell(cell: Cell) -> None:
    cell("%%runpod_handler\nimport asyncio\nawait asyncio.sleep(0)\nfiles = !echo hi\ndef h(job): return files[0]")
    assert cell("%runpod job 1").result.output == "hi"


def test_export_writes_what_ran_and_the_jobs_become_its_tests(cell: Cell, tmp_path) -> None:
    cell("FACTOR = 2\nprint('noise')")
    cell("%%runpod_handler\ndef double(job):\n    return job['input']['x'] * FACTOR")
    cell('%runpod job {"x": 4}')
    cell(f"%runpod export {tmp_path}/worker")
    assert "noise" not in (tmp_path / "worker" / "handler.py").read_text()
    assert (tmp_path / "worker" / "tests" / "jobs.jsonl").read_text().count("\n") == 1


def test_unloading_leaves_the_shell_as_it_was(cell: Cell) -> None:
    shell = InteractiveShell.instance()
    shell.run_line_magic("unload_ext", "rp_notebook")
    assert "runpod" not in shell.magics_manager.magics["line"]
    assert "RunpodMagics" not in shell.magics_manager.registry
    shell.run_line_magic("load_ext", "rp_notebook")


def test_the_kernel_knows_what_no_cell_tells(cell: Cell, tmp_path) -> None:
    cell("class Model:\n    def __init__(self): self.ready = False\n    def warm(self): self.ready = True; return self")
    cell("model = Model()")
    cell("model.warm()")
    cell("%%runpod_handler\ndef ready(job):\n    return model.ready")
    cell("%runpod job 1")
    cell(f"%runpod export {tmp_path}/worker")
    assert "model.warm()" in (tmp_path / "worker" / "handler.py").read_text()


def test_a_schema_is_checked_before_the_job(cell: Cell, capsys) -> None:
    cell("SCHEMA = {'x': {'type': int, 'required': True, 'constraints': lambda x: x > 0}}")
    cell("%%runpod_handler --schema SCHEMA\ndef double(job):\n    return job['input']['x'] * 2")
    capsys.readouterr()
    cell('%runpod job {"x": -1}')
    assert "'x' breaks its constraint" in "".join(capsys.readouterr())
    assert cell('%runpod job {"x": 1}').result.output == 2


def test_check_says_what_would_go_wrong_later(cell: Cell) -> None:
    cell(
        "import runpod\nSCHEMA = {'x': {'type': int, 'required': False, 'default': 1, 'constraints': lambda x: x > 0}}"
    )
    cell("@runpod.serverless.register_fitness_check\ndef has_disk():\n    raise OSError('full')")
    cell("%%runpod_handler --schema SCHEMA\ndef shows(job):\n    display(job)\n    return {1}")
    cell('%runpod job {"x": 1}')
    found = {finding.code for finding in cell("%runpod check").result.findings}
    assert {"RPJ101", "RPJ140", "RPJ150", "RPS110"} <= found


def test_a_refused_export_says_where_and_writes_nothing(cell: Cell, tmp_path) -> None:
    cell("%%runpod_handler\ndef shows(job):\n    return get_ipython()")
    report = cell(f"%runpod export {tmp_path}/worker").result
    assert report.badge == "REFUSED"
    assert [finding.code for finding in report.findings] == ["RPS110"]
    assert not (tmp_path / "worker").exists()
