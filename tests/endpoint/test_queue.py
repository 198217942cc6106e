"""The queue as plain state: order, states, what comes late, what is lost."""

import itertools
import json

import pytest

from rp_notebook.endpoint.entry import received
from rp_notebook.endpoint.queue import SENT_NOTHING, Queue
from rp_notebook.errors import BadInput
from rp_notebook.jobs.job import Status
from rp_notebook.jobs.request import request_of


@pytest.fixture
def queue():
    return Queue("ep", itertools.count(100.0).__next__)


def put(queue, *ids):
    for one in ids:
        queue.put(request_of({"id": one, "input": {"n": one}}))


def done(value):
    return received("done", json.dumps(value).encode())


def test_jobs_are_taken_in_the_order_in_which_they_were_put(queue):
    put(queue, "a", "b", "c")
    assert [request.id for request in queue.take("w", 2)] == ["a", "b"]
    assert [request.id for request in queue.take("w", 2)] == ["c"]
    assert queue.take("w") == ()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"output": 1}, Status.COMPLETED),
        ({}, Status.COMPLETED),
        ({"output": 1, "error": "boom"}, Status.FAILED),
        ({"error": {"code": 1}}, Status.COMPLETED),
        ({"status": "IN_PROGRESS", "output": 5}, Status.IN_PROGRESS),
    ],
    ids=["output", "empty", "error", "an error that is no text", "progress"],
)
def test_a_posted_body_decides_the_status(queue, body, status):
    put(queue, "a")
    queue.take("w")
    queue.post("a", done(body))
    assert queue.entry("a").job.status is status


def test_bodies_are_kept_as_posted_and_late_ones_apart(queue):
    put(queue, "a")
    queue.take("w")
    bodies = [b'{"output":  1}', '{"output": "hé"}'.encode(), b'{"status": "IN_PROGRESS", "output": NaN}']
    queue.post("a", received("stream", bodies[0]))
    queue.post("a", received("done", bodies[1], is_stream=True))
    queue.post("a", received("done", bodies[2]))
    entry = queue.entry("a")
    assert [post.body for post in (*entry.posts, *entry.late)] == bodies
    assert [(post.kind, post.is_stream, post.valid_json) for post in (*entry.posts, *entry.late)] == [
        ("stream", False, True),
        ("done", True, True),
        ("progress", False, False),
    ]
    assert entry.final.body == bodies[1]


def test_what_an_idle_worker_has_not_answered_is_lost(queue):
    put(queue, "a", "b")
    queue.take("w")
    queue.take("other")
    queue.ask("w", busy=True)
    assert not queue.entry("a").ended
    queue.ask("w", busy=False)
    assert queue.entry("a").job.lost == SENT_NOTHING
    assert not queue.entry("b").ended


def test_a_stopped_job_is_told_once_to_its_worker_and_ignores_an_answer(queue):
    put(queue, "a", "b")
    queue.take("w")
    queue.stop("a")
    queue.stop("b")
    assert queue.stops("w") == ("a",)
    assert queue.stops("w") == ()
    queue.post("a", done({"output": 1}))
    assert queue.entry("a").job.status is Status.CANCELLED
    assert queue.take("w") == ()


def test_a_post_to_an_unknown_job_is_a_stray(queue):
    assert queue.post("nobody", done({"output": 1})) is None
    assert [job_id for job_id, _ in queue.strays] == ["nobody"]


def test_an_id_may_be_used_again_only_after_its_job_ended(queue):
    put(queue, "a")
    with pytest.raises(BadInput, match="IN_QUEUE"):
        put(queue, "a")
    queue.take("w")
    queue.post("a", done({"output": 1}))
    put(queue, "a")
    assert queue.entry("a").job.status is Status.IN_QUEUE


def test_whoever_subscribes_hears_of_changes_until_the_end(queue):
    heard = []
    unsubscribe = queue.subscribe(lambda: heard.append(1))
    put(queue, "a")
    unsubscribe()
    put(queue, "b")
    assert heard == [1]


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff"], ids=["nothing", "cut", "a list", "not text"])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(BadInput):
        received("done", body)
