"""A running job in a few lines: progress as a bar where it is one, streamed text as text."""

from __future__ import annotations

import pytest

from rp_notebook.jobs.events import Progressed, Started, Yielded
from rp_notebook.jobs.job import Job, advance
from rp_notebook.jobs.posts import post_of
from rp_notebook.jobs.request import request_of
from rp_notebook.panel.live import LiveView, fraction


@pytest.mark.parametrize(
    ("progress", "part"),
    [
        *(
            (0.25, 0.25),
            (0, 0.0),
            (1, 1.0),
            (40, 0.4),
            ("40%", 0.4),
            ("40 %", 0.4),
            ("3/10", 0.3),
            ("step 3 / 12", 0.25),
        ),
        *(({"progress": 50}, 0.5), ({"step": 3}, None), ("loading", None), (True, None), (140, None), ("1/0", None)),
        *((None, None), ([1], None), ("a/b", None)),
    ],
)
def test_progress_is_a_bar_where_it_looks_like_one(progress: object, part: float | None) -> None:
    assert fraction(progress) == part


def view(*events) -> str:
    request = request_of({"id": "job-1", "input": 1})
    live = LiveView(advance(Job("job-1", "talk", request), Started(10.0)))
    for event in events:
        live.follow(event)
    return repr(live)


def item(value: object, at: float = 11.0) -> Yielded:
    return Yielded(at, post_of("stream", {"output": value}))


def test_streamed_text_reads_as_text() -> None:
    assert "Hello world\n2 items so far" in view(item("Hello "), item("world"))


def test_other_items_stand_one_below_the_other_and_only_the_newest() -> None:
    shown = view(*(item({"n": n}) for n in range(20)))
    assert '"n": 19' in shown
    assert '"n": 3' not in shown
    assert "20 items so far" in shown


def test_time_and_progress_are_told() -> None:
    shown = view(Progressed(12.5, post_of("progress", {"status": "IN_PROGRESS", "output": "5/10"})))
    assert "2.5 s" in shown
    assert "50%" in shown
