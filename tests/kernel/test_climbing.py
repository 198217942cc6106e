"""`%runpod export` in a real IPython shell: its jobs again in a clean process before anything is written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from tests.export.test_writing import contents
from tests.kernel.conftest import Cell

HANDLER = "%%runpod_handler\ndef scale(job):\n    return job['input']['x'] * table['k']"


def codes(report):
    return {finding.code for finding in report.findings}


def test_an_export_says_how_it_was_proved(cell: Cell, tmp_path) -> None:
    cell("table = {'k': 2}")
    cell(HANDLER)
    first = cell(f"%runpod export {tmp_path}/worker").result
    assert "RPP111" in codes(first)
    assert first.steps[0].startswith("%runpod job")
    cell('%runpod job {"x": 4}')
    report = cell(f"%runpod export {tmp_path}/worker").result
    assert "1 of 1 jobs answered alike in a clean process; rung 1" in report.listing[-1]
    assert "RPP111" not in codes(report)
    cell(f"%runpod export {tmp_path}/again")
    assert contents(tmp_path / "again") == contents(tmp_path / "worker")


def test_a_value_that_no_cell_made_is_written(cell: Cell, tmp_path) -> None:
    cell("table = {'k': 2}")
    cell(HANDLER)
    cell("get_ipython().push({'table': {'k': 3}})")
    cell('%runpod job {"x": 4}')
    report = cell(f"%runpod export {tmp_path}/worker").result
    assert "rung 4" in report.listing[-1]
    assert "table = {'k': 3}" in (tmp_path / "worker" / "handler.py").read_text()


def test_shell_output_is_written_as_a_list(cell: Cell, tmp_path) -> None:
    cell("files = !echo a; echo b")
    cell("%%runpod_handler\ndef names(job):\n    return [f for f in files]")
    cell('%runpod job {"x": 4}')
    assert "RPS111" in codes(cell(f"%runpod export {tmp_path}/worker").result)
    assert "files = ['a', 'b']" in (tmp_path / "worker" / "handler.py").read_text()


def test_what_cannot_be_proved_is_not_written(cell: Cell, tmp_path) -> None:
    cell("class Table(dict):\n    pass\ntable = Table(k=2)")
    cell(HANDLER)
    cell("get_ipython().user_ns['table']['k'] = 3")
    cell('%runpod job {"x": 4}')
    report = cell(f"%runpod export {tmp_path}/worker").result
    assert report.badge == "REFUSED"
    assert "RPS108" in codes(report)
    assert not (tmp_path / "worker").exists()


def test_jobs_from_before_the_last_change_prove_nothing(cell: Cell, tmp_path) -> None:
    cell("table = {'k': 2}")
    cell(HANDLER)
    cell('%runpod job {"x": 4}')
    cell("table = {'k': 5}")
    report = cell(f"%runpod export {tmp_path}/worker").result
    (said,) = [finding for finding in report.findings if finding.code == "RPP111"]
    assert "before the last change" in said.message
    assert report.steps[0].startswith("%runpod replay")
    assert not (tmp_path / "worker" / "tests" / "jobs.jsonl").exists()


def test_training_stops_and_a_value_can_be_frozen_instead(cell: Cell, tmp_path) -> None:
    cell("class Model:\n    def fit(self, xs):\n        self.k = max(xs)\n        return self")
    cell("import numpy as np\nmodel = Model()\nmodel.fit([1, 2])\ntable = {'k': model.k}")
    cell(HANDLER)
    cell('%runpod job {"x": 4}')
    report = cell(f"%runpod export {tmp_path}/worker").result
    assert (report.badge, codes(report)) == ("REFUSED", {"RPS132"})
    frozen = cell(f"%runpod export {tmp_path}/frozen --freeze table").result
    assert "table = {'k': 2}" in (tmp_path / "frozen" / "handler.py").read_text()
    assert "RPS108" in codes(frozen)
    cell(f"%runpod export {tmp_path}/trains --train")
    assert "model.fit([1, 2])" in (tmp_path / "trains" / "handler.py").read_text()


def test_a_name_to_freeze_that_is_no_variable_is_a_mistake(cell: Cell, tmp_path, capsys) -> None:
    cell("table = {'k': 2}")
    cell(HANDLER)
    cell(f"%runpod export {tmp_path}/worker --freeze tabel")
    assert "--freeze tabel: there is no variable of that name" in capsys.readouterr().err


def test_a_secret_of_the_environment_is_never_written(cell: Cell, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "tulip-canary-77")
    cell("import os")
    cell("get_ipython().push({'table': {'k': 'Bearer ' + os.environ['SOME_API_KEY']}})")
    cell(HANDLER)
    cell('%runpod job {"x": 1}')
    report = cell(f"%runpod export {tmp_path}/worker").result
    assert report.badge == "REFUSED"
    assert any("secret" in finding.message for finding in report.findings)
    assert "tulip-canary-77" not in repr(report)


def test_a_dry_run_replays_nothing(cell: Cell, tmp_path) -> None:
    cell("table = {'k': 2}")
    cell(HANDLER)
    cell("get_ipython().user_ns['table']['k'] = 3")
    cell('%runpod job {"x": 4}')
    assert cell(f"%runpod export {tmp_path}/worker --dry-run").result.badge == "DRY RUN"


@pytest.mark.timeout(60)
def test_an_interrupt_ends_the_replay_and_writes_nothing(cell: Cell, tmp_path) -> None:
    cell("import sys, time")
    cell("if sys.flags.isolated:\n    time.sleep(50)\nelse:\n    table = {'k': 2}")
    cell(HANDLER)
    cell('%runpod job {"x": 4}')
    timer = threading.Timer(3.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    report = cell(f"%runpod export {tmp_path}/worker").result
    timer.join()
    assert report.badge == "CANCELLED"
    assert not (tmp_path / "worker").exists()
    assert psutil.Process().children(recursive=True) == []


def test_secrets_of_the_code_are_there_in_the_replay_and_nowhere_else(cell: Cell, tmp_path) -> None:
    secret = "sk-proj-" + "a1B2c3D4e5F6" * 3
    cell(f"API_KEY = '{secret}'")
    cell("get_ipython().push({'table': {'k': 2}})")
    cell("%%runpod_handler\ndef tells(job):\n    return [len(API_KEY), API_KEY, table['k']]")
    cell('%runpod job {"x": 4}')
    report = cell(f"%runpod export {tmp_path}/worker").result
    assert "1 of 1 jobs answered alike" in report.listing[-1]
    assert "environment: OPENAI_API_KEY (secret)" in report.listing
    assert {"RPS105", "RPS121"} <= codes(report)
    written = [path.read_bytes() for path in (tmp_path / "worker").rglob("*") if path.is_file()]
    assert not [body for body in written if secret.encode() in body]
    assert secret not in repr(report)
    cell("API_KEY = API_KEY[::-1]")
    cell("get_ipython().user_ns['API_KEY'] = 'other'")
    cell('%runpod job {"x": 5}')
    refused = cell(f"%runpod export {tmp_path}/worker").result
    assert secret not in repr(refused)


def test_a_dropped_cell_is_replaced_by_the_value_that_is_frozen(cell: Cell, tmp_path) -> None:
    cell("table = {'k': 1}\ntable['k'] += 1")
    cell(HANDLER)
    cell('%runpod job {"x": 4}')
    cell("%runpod drop 2")
    assert "RPS151" in codes(cell(f"%runpod export {tmp_path}/worker").result)
    report = cell(f"%runpod export {tmp_path}/worker --freeze table").result
    assert report.badge == "CREATED"
    module = (tmp_path / "worker" / "handler.py").read_text()
    assert ("table = {'k': 2}" in module, "+= 1" in module) == (True, False)
    explained = cell("%runpod why table").result
    assert "table = {'k': 2}" in "\n".join(explained.listing), "as the last export was cut"
    assert cell(f"%runpod export {tmp_path}/strict --freeze table --strict").result.badge == "CREATED"


def test_a_reloaded_module_is_another_one_than_earlier_jobs_saw(cell: Cell, tmp_path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "rp_lit.py").write_text("K = 2")
    cell("import importlib, rp_lit")
    cell("%%runpod_handler\ndef twice(job):\n    return job['input']['x'] * rp_lit.K")
    cell('%runpod job {"x": 4}')
    (tmp_path / "rp_lit.py").write_text("K = 20")
    cell("importlib.reload(rp_lit)")
    cell('%runpod job {"x": 5}')
    report = cell(f"%runpod export {tmp_path}/worker").result
    assert "1 of 1 jobs answered alike" in report.listing[-1]
    assert "RPP117" in codes(report)
    assert (tmp_path / "worker" / "tests" / "jobs.jsonl").read_text().count("\n") == 1


def test_a_name_that_is_frozen_for_nothing_is_told(cell: Cell, tmp_path) -> None:
    cell("table = {'k': 2}\nother = 3")
    cell(HANDLER)
    report = cell(f"%runpod export {tmp_path}/worker --freeze other").result
    assert any("`other` is not exported" in finding.message for finding in report.findings)


def test_jobs_that_take_long_are_replayed_as_far_as_there_is_time(cell: Cell, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("rp_notebook.kernel.climbing.JOBS_S", 0.0)
    cell("table = {'k': 2}")
    cell(HANDLER)
    cell('%runpod job {"x": 4}')
    cell('%runpod job {"x": 5}')
    report = cell(f"%runpod export {tmp_path}/worker").result
    assert "1 of 1 jobs answered alike" in report.listing[-1]
    assert any("1 of 2 jobs were not replayed" in finding.message for finding in report.findings)
    assert (tmp_path / "worker" / "tests" / "jobs.jsonl").read_text().count("\n") == 2


def test_a_job_that_is_answered_otherwise_each_time_is_a_test_that_takes_any_answer(cell: Cell, tmp_path) -> None:
    cell("import random\n")
    cell("%%runpod_handler\ndef draws(job):\n    return {'kept': job['input'], 'drawn': random.random()}")
    cell("%runpod job 'a'")
    report = cell(f"%runpod export {tmp_path}/worker").result
    assert "RPP113" in codes(report)
    (line,) = (tmp_path / "worker" / "tests" / "jobs.jsonl").read_text().splitlines()
    assert {*json.loads(line)} == {"id", "input"}
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    assert subprocess.run(tests, cwd=tmp_path / "worker", check=False).returncode == 0


def test_where_jobs_count_the_first_ones_are_tests(cell: Cell, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("rp_notebook.kernel.climbing.JOBS_KEPT", 3)
    cell("count = 0")
    cell("%%runpod_handler\ndef counts(job):\n    global count\n    count += 1\n    return count")
    for _ in range(4):
        cell("%runpod job 'a'")
    report = cell(f"%runpod export {tmp_path}/worker").result
    assert "3 of 3 jobs answered alike" in report.listing[-1]
    cell("%%runpod_handler\ndef counts(job):\n    global count\n    count += 1\n    return [count]")
    cell("%runpod job 'a'")
    (refused,) = [f for f in cell(f"%runpod export {tmp_path}/worker").result.findings if f.code == "RPS108"]
    assert "jobs change count: run the cell again that makes it" in refused.fix
    cell("count = 0")
    cell("%runpod job 'a'")
    assert "1 of 1 jobs answered alike" in cell(f"%runpod export {tmp_path}/worker").result.listing[-1]


def test_jobs_that_all_fail_are_no_comfort(cell: Cell, tmp_path) -> None:
    cell("%%runpod_handler\ndef reads(job):\n    import os\n    return os.environ['NOT_' + job['input']]")
    cell("%runpod job 'HERE'")
    (said,) = [f for f in cell(f"%runpod export {tmp_path}/worker").result.findings if f.code == "RPP136"]
    assert said.message.endswith("in the notebook too: KeyError: 'NOT_HERE'")


def test_large_requests_are_no_tests_but_the_latest(cell: Cell, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("rp_notebook.kernel.climbing.JOBS_BYTES", 1000)
    cell("table = {'k': 2}")
    cell(HANDLER)
    cell('%runpod job {"x": 3}')
    cell("large = {'x': 4, 'image': 'a' * 2000}")
    cell("%runpod job large")
    cell('%runpod job {"x": 5}')
    report = cell(f"%runpod export {tmp_path}/worker").result
    assert any("1 of 3 jobs are no tests of the export" in finding.message for finding in report.findings)
    jobs = tmp_path / "worker" / "tests" / "jobs.jsonl"
    assert [json.loads(line)["input"]["x"] for line in jobs.read_text().splitlines()] == [3, 5]
    cell("large['x'] = 6")
    cell("%runpod job large")
    cell(f"%runpod export {tmp_path}/worker")
    assert [json.loads(line)["input"]["x"] for line in jobs.read_text().splitlines()] == [3, 5, 6]


def test_the_same_job_again_is_no_other_test(cell: Cell, tmp_path) -> None:
    cell("table = {'k': 2}")
    cell(HANDLER)
    cell('%runpod job --repeat 5 {"x": 4}')
    cell('%runpod job {"x": 5}')
    cell(f"%runpod export {tmp_path}/worker")
    lines = (tmp_path / "worker" / "tests" / "jobs.jsonl").read_text().splitlines()
    assert [json.loads(line)["input"]["x"] for line in lines] == [4, 5]


def test_a_folder_need_not_be_named(cell: Cell, tmp_path) -> None:
    cell("table = {'k': 2}")
    cell(HANDLER)
    assert "scale-worker: no earlier export" in str(cell("%runpod export --dry-run").result.listing)
    assert "no handler.py in scale-worker" in str(cell("%runpod prove").error_in_exec)
    cell("%runpod export")
    cell(f"%runpod export {tmp_path}/other")
    cell("%runpod export scale-worker")
    assert (tmp_path / "scale-worker" / "handler.py").is_file()
    assert cell("%runpod export").result.headline.startswith("scale → scale-worker:")  # the last, not the newest
    cell("import os\nos.makedirs('elsewhere')\nos.chdir('elsewhere')")
    assert cell("%runpod export").result.headline.startswith(f"scale → {tmp_path}/scale-worker:")
