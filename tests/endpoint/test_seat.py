"""The place of a kernel at a queue that it shares with SDK workers."""

from __future__ import annotations

import json

import pytest

from rp_notebook.endpoint.entry import received
from rp_notebook.endpoint.queue import RESERVED_S, Queue
from rp_notebook.endpoint.seat import INTERRUPTED, Seat
from rp_notebook.jobs.job import Status
from rp_notebook.jobs.request import request_of


class Kernel:
    """A queue whose clock stands still, with a kernel's seat; what reached the kernel is in `sent` and `stopped`."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sent: list[str] = []
        self.stopped: list[str] = []
        self.queue = Queue("ep", lambda: self.now)
        self.seat = Seat(
            self.queue,
            "kernel",
            lambda request: self.sent.append(request.id),
            lambda job_id, _reason: self.stopped.append(job_id),
        )
        self.queue.subscribe(self.seat.look)

    def put(self, job_id: str) -> None:
        self.queue.put(request_of({"id": job_id, "input": 1}))


def done(output: object):
    return received("done", json.dumps({"output": output}).encode())


def test_a_job_that_a_kernel_was_sent_is_left_to_it_for_a_moment():
    at = Kernel()
    at.put("a")
    assert (at.sent, at.queue.take("w")) == (["a"], ())
    at.now += RESERVED_S
    assert [request.id for request in at.queue.take("w")] == ["a"]
    assert at.stopped == ["a"]


@pytest.mark.parametrize(
    "says",
    [
        lambda seat: seat.ended("a", None, cancelled=True),
        lambda seat: seat.ended("a", "it was lost"),
        lambda seat: seat.posted("a", received("stream", b'{"output": 0}')),
        lambda seat: seat.posted("a", done("of the kernel")),
        lambda seat: seat.refused("a", "no such handler"),
    ],
    ids=["cancelled", "lost", "an item", "an answer", "refused"],
)
def test_what_a_kernel_says_of_a_job_that_another_worker_took_is_not_heard(says):
    at = Kernel()
    at.put("a")
    at.now += RESERVED_S
    at.queue.take("w")
    at.seat.began("a", 1, at.now)  # it had, before it heard that it shall not
    says(at.seat)
    at.queue.post("a", done("of the worker"))
    entry = at.queue.entry("a")
    assert (entry.job.status, entry.worker, [post.body for post in entry.posts]) == (
        Status.COMPLETED,
        "w",
        [b'{"output": "of the worker"}'],
    )
    at.put("b")
    assert at.sent == ["a", "b"]


def test_a_job_of_its_own_that_is_interrupted_has_failed():
    at = Kernel()
    at.put("a")
    at.seat.began("a", 1, at.now)
    at.seat.ended("a", None, cancelled=True)
    job = at.queue.entry("a").job
    assert (job.status, job.error) == (Status.FAILED, INTERRUPTED)
