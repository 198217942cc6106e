from __future__ import annotations

import threading
import time

import psutil
import pytest

from rp_notebook.kernel.errand import Errand, interruptible
from rp_notebook.panel.report import Report
from rp_notebook.proof.processes import popen
from rp_notebook.proof.proving import prove_folder

SLEEPS = "import time, runpod\nrunpod.serverless.start({'handler': lambda job: time.sleep(600)})\n"


class Told(list):
    """What an errand said, and what is awaited of it."""

    def __init__(self) -> None:
        super().__init__()
        self.began = threading.Event()

    def act(self, say) -> Report:
        say("it began")
        self.began.set()
        while True:
            time.sleep(0.01)


def on_a_thread(errand: Errand, _: Told) -> threading.Thread:
    thread = threading.Thread(target=errand)
    thread.start()
    return thread


def on_the_main_thread(errand: Errand, told: Told) -> threading.Thread:
    ends = threading.Thread(target=lambda: (told.began.wait(), time.sleep(0.1), errand.give_up()))
    ends.start()
    interruptible(errand)
    return ends


@pytest.mark.parametrize("where", [on_a_thread, on_the_main_thread])
def test_an_errand_that_is_given_up_ends_and_says_so_once(where) -> None:
    told = Told()
    errand = Errand(told.act, told.append)
    thread = where(errand, told)
    told.began.wait()
    if where is on_a_thread:
        errand.give_up()
    thread.join(10)
    errand.give_up()
    assert [each["kind"] for each in told] == ["log", "report"]
    assert "CANCELLED" in told[-1]["html"]


def test_an_errand_that_is_given_up_before_its_turn_never_begins() -> None:
    told = Told()
    errand = Errand(told.act, told.append)
    errand.give_up()
    errand()
    assert [each["kind"] for each in told] == ["report"]
    assert not told.began.is_set()


@pytest.mark.parametrize("where", [on_a_thread, on_the_main_thread])
def test_an_errand_that_is_given_up_while_it_starts_a_process_leaves_none(where) -> None:
    told, ours = Told(), psutil.Process()

    def act(say) -> None:
        told.began.set()
        with popen(["sleep", "600"], preexec_fn=lambda: time.sleep(0.3)) as process:
            process.wait()

    errand = Errand(act, told.append)
    thread = where(errand, told)
    if where is on_a_thread:
        while not ours.children():
            time.sleep(0.001)
        errand.give_up()
    thread.join(10)
    assert "CANCELLED" in told[-1]["html"]
    assert ours.children() == []


def test_a_proof_that_is_given_up_leaves_no_worker(tmp_path) -> None:
    (tmp_path / "handler.py").write_text(SLEEPS)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "jobs.jsonl").write_text('{"id": "a", "input": {}}\n')
    told = Told()
    ours = psutil.Process()
    errand = Errand(lambda say: (told.began.set(), prove_folder(tmp_path))[1], told.append)
    thread = on_a_thread(errand, told)
    while not ours.children():
        time.sleep(0.02)
    errand.give_up()
    thread.join(20)
    assert "CANCELLED" in told[-1]["html"]
    assert ours.children() == []
