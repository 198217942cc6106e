"""What a panel hears of jobs: everything, in few messages, and the end at once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from rp_notebook.jobs.handler import as_handler
from rp_notebook.jobs.history import History
from rp_notebook.jobs.request import request_of
from rp_notebook.jobs.worker import Worker
from rp_notebook.panel import feed as module
from rp_notebook.panel.feed import EVERY_S, ITEMS, Feed
from tests.journeys.places import waited


def heard(handler, *, jobs: int = 1, mine: bool = True, after_s: float = 0.0, said: Any = None) -> list[dict]:
    history, said = History(), [] if said is None else said
    feed = Feed(history, said.append, lambda record: {"id": record.id} if mine else None)
    stop = feed.watch()
    worker = Worker(history)
    for _ in range(jobs):
        asyncio.run(worker.run(as_handler(handler, name="h"), request_of(1)))
    time.sleep(after_s)
    stop()
    assert not feed.live
    return said


def few(began: float) -> int:
    """How many messages there may have been since then, on however slow a machine."""
    return int((time.monotonic() - began) / EVERY_S) + 3


def test_a_short_job_is_one_message_with_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SOON_S", 5.0)  # no job is short on a machine that stands still
    (told,) = heard(lambda job: "done")
    assert told["live"] == []
    assert [(row.handler, row.outcome) for row in told["rows"]] == [("h", "COMPLETED")]
    assert told["told"] == [{"id": told["ended"][0]}]


def test_a_fast_stream_is_told_in_few_messages_and_nothing_of_its_text_is_lost() -> None:
    def talk(job):
        for number in range(400):
            yield f"{number} "
            time.sleep(0.001)

    began = time.monotonic()
    said = heard(talk)
    streamed = [state for told in said for state in told["live"]]
    text = "".join(state["text"] for state in streamed)
    assert "".join(f"{number} " for number in range(400)).startswith(text)
    assert 2 <= len(said) <= few(began)
    assert sum(len(state["text"].split()) for state in streamed) == streamed[-1]["count"] > 200


def test_a_flood_is_told_by_its_newest_items() -> None:
    def flood(job):
        for number in range(3000):
            yield {"n": number}
        time.sleep(0.1)

    said = heard(flood)
    assert max(len(state["items"]) for told in said for state in told["live"]) <= ITEMS


def test_a_running_job_is_heard_of_before_it_ends_though_it_says_nothing() -> None:
    said: list[dict] = []
    first, last = heard(lambda job: waited(lambda: said) and None, said=said)
    assert [state["handler"] for state in first["live"]] == ["h"]
    assert last["ended"]


def test_jobs_of_others_are_told_together() -> None:
    began = time.monotonic()
    said = heard(lambda job: 1, jobs=50, mine=False, after_s=0.3)
    assert len(said) <= few(began)
    assert sum(len(told["rows"]) for told in said) == 50
    assert not any(told["told"] for told in said)
