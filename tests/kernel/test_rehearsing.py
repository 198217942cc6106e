"""`%runpod rehearse` in a real shell: traffic, the simulated endpoint, failures, and what bad input gets."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest
from IPython.core.interactiveshell import InteractiveShell

from tests.jobs.test_gauge import TwoDevices
from tests.kernel.conftest import Cell
from tests.kernel.test_gpus import prices_file

WORKS = "%%runpod_handler\nimport time\ndef works(job):\n    time.sleep(0.005)\n    return job['input']['n']"
ODD = (
    "%%runpod_handler\ndef odd(job):\n    n = job['input']\n    print('said by', n)\n"
    "    if n == 1:\n        raise ValueError('one')\n    return {2} if n == 2 else n"
)
KINDS = {
    "sync": "def fine(job):\n    return 1",
    "async": "async def fine(job):\n    return 1",
    "generator": "def fine(job):\n    yield 1",
    "async generator": "async def fine(job):\n    yield 1",
}
SHORT = "%runpod rehearse --for 0.2 --rate 40"
QUICK = "%runpod rehearse --for 0.01 --rate 0.2 --inputs '{\"n\": 1}'"


def body(report, kind: str, nth: int = -1) -> dict:
    """What a client got for a kind of failure: the last answer, or another one."""
    text = "\n".join(report.listing)
    part = text[text.index(f"{kind}: ") :].split("\n\n")[0]
    return json.JSONDecoder().raw_decode(part.split("GET /status/ID")[nth].partition("\n")[2].strip())[0]


def test_jobs_of_the_history_are_sent_again_and_the_endpoint_is_simulated(cell: Cell, capsys) -> None:
    cell(WORKS)
    for n in (1, 2, 3):
        cell(f'%runpod job {{"n": {n}}}')
    report = cell(f"{SHORT} --cold-start 7 --pool ADA_24").result
    said = repr(report)
    assert report.badge == "REHEARSED"
    assert "all COMPLETED" in said
    assert "40 jobs a second at random, for 0.2 s, from 3 jobs of the history" in " ".join(said.split())
    assert "7.0 s until a worker is ready (by --cold-start)" in said
    assert "ADA_24, 1.12 USD/h of 2026-08-20 (as given)" in said
    rows = [line.split()[:3] for line in report.listing if line.startswith(("0-", "1-"))]
    assert rows == [["0-3", "delay", "4"], ["0-3", "1", "job"], ["1-3", "delay", "4"], ["0-6", "delay", "4"]]
    assert {finding.code for finding in report.findings} == {"RPJ180", "RPJ181"}
    assert max(map(len, said.splitlines())) <= 80
    assert "USD/1000" in report._repr_html_()
    assert "Ctrl-C or Stop ends it" in capsys.readouterr().out
    assert len(cell("%runpod jobs").result.lines) == 3


def test_failures_are_counted_by_kind_and_the_first_of_each_is_a_job_to_look_at(cell: Cell, capsys) -> None:
    cell(ODD)
    cell("numbers = [1, 2, 3]")
    report = cell("%runpod rehearse --for 0.01 --burst 30 --inputs numbers").result
    said = repr(report)
    assert report.tone == "bad"
    assert "FAILED  ValueError: one" in said
    assert "LOST  production would lose this result: output is set" in said
    assert "from 3 inputs of --inputs" in " ".join(said.split())
    assert {line.outcome for line in cell("%runpod jobs").result.lines} == {"FAILED", "LOST"}
    assert "said by" not in capsys.readouterr().out


def test_golden_jobs_are_the_traffic_where_there_are_any_and_clients_wait_for_their_answers(cell: Cell) -> None:
    cell(WORKS)
    cell('%runpod job {"n": 1}')
    cell("%runpod golden")
    cell('%runpod job {"n": 2}')
    report = cell("%runpod rehearse --for 0.2 --concurrency 2").result
    assert "2 clients, each with its next job when the last is over, for 0.2 s, from 1 golden job" in report.listing[0]
    assert "RPJ180" not in [finding.code for finding in report.findings]


@pytest.mark.parametrize("kind", KINDS)
def test_every_failure_shows_what_a_client_gets(cell: Cell, kind: str) -> None:
    cell(f"%%runpod_handler --aggregate --timeout 40\n{KINDS[kind]}")
    report = cell("%runpod rehearse --fail").result
    assert report.badge == "INJECTED"
    assert body(report, "exception")["status"] == "FAILED"
    assert "injected by" in body(report, "exception")["error"]
    timeout = body(report, "timeout")
    assert (timeout["status"], timeout["error"]) == ("FAILED", "executionTimeout exceeded")
    assert body(report, "lost", 1)["status"] == "IN_PROGRESS"
    lost = body(report, "lost")
    assert (lost["status"], lost["error"]) == ("FAILED", "executionTimeout exceeded")
    assert lost["executionTime"] == pytest.approx(40_000, abs=2000)
    large = body(report, "oversized")
    assert large["status"] == "COMPLETED"
    assert "output" not in large
    assert body(report, "death", 1)["status"] == "IN_PROGRESS"
    died = body(report, "death")
    assert died["status"] == "FAILED" if "timeout" in died["error"].lower() else "TIMED_OUT"
    assert "RPJ101" in repr(report)
    assert "RPJ103" in repr(report)
    assert max(map(len, repr(report).splitlines())) <= 80
    only = repr(cell("%runpod rehearse --fail death").result)
    assert "death: " in only
    assert "lost: " not in only


def test_the_time_and_the_price_of_another_card_can_be_given(cell: Cell, tmp_path) -> None:
    cell(WORKS)
    there = f"--seconds 3 --scale-by requests --workers-max 9 --prices {prices_file(tmp_path)}"
    report = cell(f"{SHORT} --inputs '{{\"n\": 1}}' {there}").result
    said = repr(report)
    assert "MINE, 3600.00 USD/h of 2030-01-01" in said
    assert "from 1 input of --inputs" in " ".join(said.split())
    assert "0-9      4 jobs each" in said
    assert [finding.code for finding in report.findings] == ["RPJ180"]
    assert "40 jobs a second are more than 9 workers do (2." in " ".join(said.split())


STOPPED = """%%runpod_handler
import signal, threading, time
def {name}(job):
    ran.append(1)
    if len(ran) == {jobs}:
        threading.Timer(0.05, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()
        time.sleep(60)
"""


def test_the_price_is_that_of_the_cheapest_pool_that_holds_the_jobs(cell: Cell, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=TwoDevices()))
    cell(WORKS)
    said = " ".join(repr(cell(QUICK).result).split())
    assert "price AMPERE_80, 2.74 USD/h of 2026-08-20 (the cheapest that holds its jobs)" in said


def test_a_cold_start_is_the_one_that_a_proof_measured_until_another_is_given(cell: Cell) -> None:
    cell(WORKS)
    assert "30.0 s until a worker is ready (assumed: --cold-start S" in repr(cell(QUICK).result)
    cell("get_ipython().magics_manager.registry['RunpodMagics'].session.cold_start = ('worker', 4.2)")
    assert "4.2 s until a worker is ready (measured by %runpod prove worker)" in repr(cell(QUICK).result)
    assert "9.0 s until a worker is ready (by --cold-start)" in repr(cell(f"{QUICK} --cold-start 9").result)


def test_inputs_are_held_to_the_schema_of_their_handler(cell: Cell, capsys) -> None:
    cell("schema = {'n': {'type': int, 'required': True}}")
    cell(WORKS.replace("%%runpod_handler", "%%runpod_handler --schema schema"))
    cell('%runpod rehearse --inputs \'[{"n": 1}, {"n": "one"}]\'')
    said = "".join(capsys.readouterr())
    assert "n" in said
    assert "UsageError" in said
    assert "Sending" not in said


def test_stop_shows_what_was_measured_and_the_next_job_runs(cell: Cell) -> None:
    for name, jobs in (("some", 5), ("none", 1)):
        cell("ran = []")
        cell(STOPPED.format(name=name, jobs=jobs))
        report = cell("%runpod rehearse --for 3600 --rate 20 --inputs 1").result
        assert report.badge == "STOPPED"
        assert len(cell("ran").result) == jobs
    assert repr(report).startswith("STOPPED  none: no job ended before that")
    cell(WORKS)
    assert str(cell('%runpod job {"n": 1}').result.status) == "COMPLETED"


MISTAKES = (
    ("", "no job of works has ended yet: %runpod job {...}, or give --inputs LIST"),
    ("-n nope", "known: works"),
    ("-n wroks", "did you mean works?"),
    ("--inputs nothing", "NameError"),
    ("--inputs '[]'", "an empty list"),
    ("--inputs '[{1}]'", "is set"),
    ('--inputs {"a":1}', "--inputs '[{...}]'"),
    ("--inputs 1 --seconds 0", "--seconds is a number of seconds above 0"),
    ("--inputs 1 --rate 0", "--rate is a number above 0"),
    ("--inputs 1 --rate nan", "--rate is a number above 0"),
    ("--inputs 1 --burst 0", "whole numbers from 1 on"),
    ("--inputs 1 --concurrency 0", "--concurrency takes a number from 1 on"),
    ("--inputs 1 --concurrency 2 --rate 3", "takes the place of --rate"),
    ("--inputs 1 --for -1", "--for is a number of seconds above 0"),
    ("--inputs 1 --for 1e6 --rate 1e6", "at most 100,000: give a lower --rate"),
    ("--inputs 1 --workers-max 0", "--workers-max is at least 1"),
    ("--inputs 1 --workers-min 4 --workers-max 2", "--workers-min at most --workers-max"),
    ("--inputs 1 --scale-threshold 0", "--scale-threshold is a number above 0"),
    ("--inputs 1 --cold-start -1", "--cold-start is a number of seconds"),
    ("--inputs 1 --pool ADA24", "did you mean ADA_24?"),
    ("--inputs 1 --scale-by dealy", "did you mean delay?"),
    ("--inputs 1 --prices nosuch.json", "cannot read nosuch.json"),
    ("--fail tiemout", "did you mean timeout?"),
    ("--wokers-max 3", "did you mean --workers-max?"),
)


def test_a_users_mistake_is_one_line(cell: Cell, capsys) -> None:
    cell(WORKS)
    for line, told in MISTAKES:
        capsys.readouterr()
        cell(f"%runpod rehearse {line}")
        said = "".join(capsys.readouterr())
        assert told in said, line
        assert "Traceback" not in said, line
        assert "Sending" not in said, line


def test_without_a_handler_it_says_how_to_have_one(cell: Cell, capsys) -> None:
    cell("%runpod rehearse")
    assert "begin a cell with %%runpod_handler" in capsys.readouterr().err
    _, offered = InteractiveShell.instance().complete(None, "%runpod rehearse --fail d", 25)
    assert offered == ["death"]
    _, offered = InteractiveShell.instance().complete(None, "%runpod rehearse --pool AMPERE_1", 32)
    assert offered == ["AMPERE_16"]
