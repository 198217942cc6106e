"""An endpoint for its clients: statuses, times, retention, what ends a job; over a clock that the test sets."""

import json

import pytest

from rp_notebook.endpoint import endpoint as module
from rp_notebook.endpoint.asked import asked_of
from rp_notebook.endpoint.endpoint import Endpoint
from rp_notebook.endpoint.entry import received
from rp_notebook.errors import RequestRefused


class At:
    """An endpoint, and the clock and the worker that go with it."""

    def __init__(self):
        self.now = 1000.0
        self.finished = []
        self.endpoint = Endpoint("ep", lambda: self.now, finished=lambda entry, asked: self.finished.append(entry))
        self.queue = self.endpoint.queue

    def run(self, mode="run", **more):
        asked = asked_of(json.dumps({"input": 1, **more}).encode(), mode)
        return self.endpoint.run(asked).job.id

    def after(self, seconds):
        self.now += seconds
        self.endpoint.tick()

    def status(self, job_id):
        return json.loads(self.endpoint.status(job_id))

    def done(self, job_id, **body):
        self.queue.post(job_id, received("done", json.dumps(body).encode()))


@pytest.fixture
def at():
    return At()


def test_a_job_goes_from_the_queue_to_its_answer(at):
    job_id = at.run()
    assert at.status(job_id) == {"id": job_id, "status": "IN_QUEUE"}
    at.after(1.5)
    at.queue.take("w-1")
    at.after(0.25)
    told = {"id": job_id, "status": "IN_PROGRESS", "workerId": "w-1", "delayTime": 1500, "executionTime": 250}
    assert at.status(job_id) == told
    at.queue.post(job_id, received("done", b'{"status": "IN_PROGRESS", "output": {"step": 1}}'))
    assert at.status(job_id) == {**told, "output": {"step": 1}}
    at.done(job_id, output={"a": "é"})
    at.after(100)
    assert at.status(job_id) == {**told, "status": "COMPLETED", "output": {"a": "é"}}
    assert [entry.job.id for entry in at.finished] == [job_id]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"output": [1], "stopPod": True}, {"status": "COMPLETED", "output": [1]}),
        ({}, {"status": "COMPLETED"}),
        ({"output": None}, {"status": "COMPLETED", "output": None}),
        ({"error": "boom"}, {"status": "FAILED", "error": "boom"}),
        ({"output": {"x": 1}, "error": "boom"}, {"status": "FAILED", "error": "boom", "output": {"x": 1}}),
        ({"error": {"code": 1}}, {"status": "COMPLETED"}),
        ({"output": {"error": "inside"}}, {"status": "COMPLETED", "output": {"error": "inside"}}),
    ],
    ids=["stopPod", "nothing", "null", "error", "both", "an error that is no text", "inside"],
)
def test_an_answer_is_told_as_the_platform_tells_it(at, body, told):
    job_id = at.run()
    at.queue.take("w")
    at.done(job_id, **body)
    status = at.status(job_id)
    assert {key: status[key] for key in status if key in ("status", "output", "error")} == told


@pytest.mark.parametrize(("mode", "limit"), [("run", 10_000_000), ("runsync", 20_000_000)])
def test_an_answer_over_the_limit_ends_completed_without_output(at, mode, limit):
    fits, large = at.run(mode), at.run(mode)
    at.queue.take("w", 2)
    at.done(fits, output="x" * (limit - 14))
    at.done(large, output="x" * (limit - 13))
    assert len(at.status(fits)["output"]) == limit - 14
    assert "output" not in at.status(large)
    assert at.status(large)["status"] == "COMPLETED"
    assert at.queue.entry(large).oversized == limit + 1


@pytest.mark.parametrize(("mode", "seconds"), [("run", 1800), ("runsync", 60)])
def test_a_result_is_kept_for_its_time(at, mode, seconds):
    job_id = at.run(mode)
    at.queue.take("w")
    at.done(job_id, output=1)
    at.after(seconds - 1)
    assert at.status(job_id)["output"] == 1
    at.after(1)
    with pytest.raises(RequestRefused) as refused:
        at.status(job_id)
    assert refused.value.status == 404


def test_the_execution_timeout_of_a_job_wins_over_the_handlers_and_the_default(at):
    at.endpoint = Endpoint("ep", lambda: at.now, timeout_s=lambda: 30.0)
    at.queue = at.endpoint.queue
    own, handlers = at.run(policy={"executionTimeout": 5000}), at.run()
    at.queue.take("w", 2)
    at.after(5)
    assert at.status(own)["status"] == "FAILED"
    assert at.status(own)["error"] == "executionTimeout exceeded"
    assert at.status(handlers)["status"] == "IN_PROGRESS"
    at.after(25)
    assert at.status(handlers)["executionTime"] == 30000
    assert at.queue.stops("w") == (own, handlers)


def test_a_lost_job_goes_on_for_its_client_until_the_timeout(at):
    job_id = at.run()
    at.queue.take("w")
    at.queue.lose(job_id, "not JSON")
    at.after(30)
    assert at.status(job_id)["status"] == "IN_PROGRESS"
    at.after(600)
    assert at.status(job_id)["status"] == "FAILED"
    lost = at.run()
    at.queue.take("w")
    at.queue.lose(lost, "not JSON")
    assert at.endpoint.cancel(lost) == {"id": lost, "status": "CANCELLED"}
    assert at.queue.stops("w") == ()


@pytest.mark.parametrize("taken", [False, True])
def test_a_job_is_deleted_when_its_time_to_live_is_over(at, taken):
    job_id = at.run(policy={"ttl": 10000})
    if taken:
        at.queue.take("w")
    at.after(10)
    with pytest.raises(RequestRefused):
        at.status(job_id)
    assert at.queue.stops("w") == ((job_id,) if taken else ())
    assert at.endpoint.health()["jobs"]["inQueue"] == 0


def test_a_time_to_live_can_be_set_later(at):
    job_id = at.run()
    at.endpoint.status_parts(job_id, ttl_s=20)
    at.after(19)
    assert at.status(job_id)
    at.after(1)
    with pytest.raises(RequestRefused):
        at.status(job_id)


def test_a_worker_that_falls_silent_times_its_jobs_out(at):
    silent, alive = at.run(), at.run()
    at.queue.take("w")
    at.queue.ask("w", busy=True)
    at.queue.take("v")
    for _ in range(7):
        at.queue.ping("v")
        at.after(10)
    assert at.status(silent)["status"] == "TIMED_OUT"
    assert at.status(alive)["status"] == "IN_PROGRESS"
    assert at.endpoint.retry(silent)["status"] == "IN_QUEUE"


def test_a_stream_is_drained_item_by_item(at):
    job_id = at.run()
    at.queue.take("w")
    assert not at.endpoint.has_news(job_id)
    for item in (1, "zwei"):
        at.queue.post(job_id, received("stream", json.dumps({"output": item}).encode()))
    assert at.endpoint.has_news(job_id)
    read = lambda: json.loads(at.endpoint.stream(job_id))  # noqa: E731
    assert read() == {"status": "IN_PROGRESS", "stream": [{"output": 1}, {"output": "zwei"}]}
    assert read()["stream"] == []
    at.queue.post(job_id, received("stream", b'{"output": 3}'))
    at.done(job_id, output=[])
    assert read() == {"status": "COMPLETED", "stream": [{"output": 3}]}
    assert read() == {"status": "COMPLETED", "stream": []}


def test_a_streamed_text_over_a_megabyte_is_split(at):
    job_id = at.run()
    at.queue.take("w")
    text = "é" * 1_100_000
    at.queue.post(job_id, received("stream", json.dumps({"output": text}).encode()))
    items = json.loads(at.endpoint.stream(job_id))["stream"]
    assert "".join(item["output"] for item in items) == text
    assert all(len(json.dumps(item)) <= 1_000_000 for item in items)


def test_cancelling_reaches_the_worker_and_spares_what_has_ended(at):
    waits, runs, ended = at.run(), at.run(), at.run()
    for job_id in (runs, ended):
        at.queue.begin(job_id, "w")
    at.done(ended, output=1)
    assert [at.endpoint.cancel(job_id)["status"] for job_id in (waits, runs, ended)] == [
        "CANCELLED",
        "CANCELLED",
        "COMPLETED",
    ]
    assert at.queue.stops("w") == (runs,)
    at.done(runs, output="late")
    assert "output" not in at.status(runs)


def test_only_what_failed_is_tried_again_with_the_same_id_and_input(at):
    job_id = at.run()
    with pytest.raises(RequestRefused, match="IN_QUEUE"):
        at.endpoint.retry(job_id)
    at.queue.take("w")
    at.done(job_id, error="boom", output=1)
    assert at.endpoint.retry(job_id) == {"id": job_id, "status": "IN_QUEUE"}
    assert at.status(job_id) == {"id": job_id, "status": "IN_QUEUE"}
    at.after(599)
    (request,) = at.queue.take("w")
    at.after(1.5)  # what was due for the first try is not for this one
    at.done(job_id, output=2)
    assert (request.decoded()["input"], at.status(job_id)["output"]) == (1, 2)
    assert at.endpoint.health()["jobs"] == {"completed": 1, "failed": 1, "retried": 1, "inProgress": 0, "inQueue": 0}


def test_purging_ends_what_waits_and_spares_what_runs(at):
    runs, waits, reserved = at.run(), at.run(), at.run()
    at.queue.take("w")
    at.queue.reserve()
    assert at.endpoint.purge() == {"removed": 2, "status": "completed"}
    assert [at.status(job_id)["status"] for job_id in (runs, waits, reserved)] == [
        "IN_PROGRESS",
        "CANCELLED",
        "CANCELLED",
    ]
    assert not at.queue.begin(reserved, "kernel")


def test_health_counts_workers_by_what_they_do(at):
    at.run()
    for worker in ("busy", "idle", "sick"):
        at.queue.ask(worker, busy=False)
    at.queue.ping("sick", "disk: full")
    at.queue.take("busy")
    assert at.endpoint.health()["workers"] == {
        "idle": 1,
        "initializing": 0,
        "ready": 1,
        "running": 1,
        "throttled": 0,
        "unhealthy": 1,
    }
    at.after(30)
    at.queue.ask("idle", busy=False)
    at.after(31)  # nothing was heard of the others for longer
    workers = at.endpoint.health()["workers"]
    assert (workers["idle"], workers["running"], workers["unhealthy"]) == (1, 0, 0)


def test_a_worker_that_is_gone_fails_its_jobs_and_leaves_the_queue(at):
    runs, waits = at.run(), at.run()
    at.queue.take("w")
    at.queue.abandon("w", "the kernel died")
    assert (at.status(runs)["status"], at.status(runs)["error"]) == ("FAILED", "the kernel died")
    assert at.status(waits)["status"] == "IN_QUEUE"


def test_what_is_over_leaves_nothing_behind(at, monkeypatch):
    monkeypatch.setattr(module, "KEPT_BYTES", 2_000_000)
    for _ in range(3000):
        job_id = at.run()
        at.queue.take("w")
        at.done(job_id, output="x" * 1000)
    assert sum(1 for _ in at.queue.entries) < 2000
    assert len(at.endpoint._reminders) < 2 * sum(1 for _ in at.queue.entries) + 1000
    at.after(1800)
    left = (at.queue._entries, at.queue._watchers, at.queue._running, at.endpoint._asked, at.endpoint._kept)
    assert not any(left)
    assert len(at.endpoint._reminders) < 2000
    assert at.endpoint._kept_bytes == 0


def test_the_input_of_a_job_that_is_not_tried_again_is_not_kept(at):
    done, failed = at.run(), at.run()
    at.queue.take("w", 2)
    at.done(done, output=1)
    at.queue.fail(failed, "the kernel died")
    kept = at.queue.entry(done).job.request.body + at.endpoint._asked[done].request.body
    assert kept == ""
    at.endpoint.retry(failed)
    (again,) = at.queue.take("w")
    assert '"input"' in again.body
