"""The worker's routes over real sockets, and a server that stops without a trace."""

import asyncio
import http.client
import json
import threading
import time

import psutil
import pytest

from rp_notebook.endpoint.loopback import Loopback
from rp_notebook.endpoint.queue import Queue
from rp_notebook.endpoint.worker_routes import SETTLED_S, worker_routes
from rp_notebook.jobs.job import Status
from rp_notebook.jobs.request import request_of
from tests.journeys.places import waited

HOLD_S = 0.3


@pytest.fixture
def queue():
    return Queue("ep", time.time)


@pytest.fixture
def server(queue):
    with Loopback(worker_routes({"ep": queue}, "key", hold_s=HOLD_S)) as server:
        yield server


@pytest.fixture
def patient(queue):
    """A server whose held polls are as good as held for ever."""
    with Loopback(worker_routes({"ep": queue}, "key", hold_s=30)) as server:
        yield server


def ask(server, method, path, body=None, key="key"):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)
    form = {"Authorization": key, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request(method, path, body, form)
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply.status, body


def put(server, queue, job_id, **more):
    server.call(lambda: queue.put(request_of({"id": job_id, "input": {"a": "é"}, **more})))


def test_a_waiting_job_is_taken_as_it_was_sent(server, queue):
    put(server, queue, "j", webhook="http://x")
    status, body = ask(server, "GET", "/v2/ep/job-take/w?gpu=x&job_in_progress=0")
    assert (status, body.decode()) == (200, '{"id": "j", "input": {"a": "é"}, "webhook": "http://x"}')


def test_an_empty_poll_is_held_and_then_answered_204(server):
    began = time.monotonic()
    assert ask(server, "GET", "/v2/ep/job-take/w?job_in_progress=0") == (204, b"")
    assert HOLD_S <= time.monotonic() - began < 5


def test_a_job_ends_a_held_poll_at_once(patient, queue):
    got = []
    poll = threading.Thread(target=lambda: got.append(ask(patient, "GET", "/v2/ep/job-take/w?job_in_progress=0")))
    poll.start()
    waited(lambda: patient.call(lambda: queue.workers.asked("w")))
    put(patient, queue, "j")
    poll.join()
    assert json.loads(got[0][1])["id"] == "j"


def test_a_batch_is_a_list_of_as_many_as_there_are(server, queue):
    put(server, queue, "a")
    put(server, queue, "b")
    _, body = ask(server, "GET", "/v2/ep/job-take-batch/w?batch_size=5&job_in_progress=0")
    assert [job["id"] for job in json.loads(body)] == ["a", "b"]


def test_a_poll_whose_worker_has_died_takes_no_job(patient, queue):
    connection = http.client.HTTPConnection(patient.url.removeprefix("http://"))
    connection.request("GET", "/v2/ep/job-take/w?job_in_progress=0", headers={"Authorization": "key"})
    waited(lambda: patient.call(lambda: queue.workers.asked("w")))
    connection.close()
    for _ in range(5):  # turns of its loop, in which it hears of that
        patient.call(lambda: None)
    put(patient, queue, "j")
    assert patient.call(lambda: queue.entry("j").job.status) is Status.IN_QUEUE


def test_a_body_of_25_mb_labelled_as_a_form_arrives_whole(server, queue):
    put(server, queue, "a/b")
    ask(server, "GET", "/v2/ep/job-take/w?job_in_progress=0")
    body = json.dumps({"output": "x=1&y;%" * 3_600_000}).encode()
    status, _ = ask(server, "POST", "/v2/ep/job-done/w/a/b?gpu=x&isStream=true", body)
    final = server.call(lambda: queue.entry("a/b").final)
    assert (status, final.is_stream, len(body) > 25_000_000) == (200, True, True)
    assert final.body == body


def test_streamed_bodies_come_before_the_final_one(server, queue):
    put(server, queue, "j")
    ask(server, "GET", "/v2/ep/job-take/w?job_in_progress=0")
    ask(server, "POST", "/v2/ep/job-stream/w/j?isStream=false", b'{"output": 1}')
    ask(server, "POST", "/v2/ep/job-done/w/j?isStream=true", b'{"output": []}')
    assert [post.kind for post in queue.entry("j").posts] == ["stream", "done"]


def test_a_stop_reaches_the_worker_once_it_would_hear_of_it(server, queue):
    now = time.time()
    queue.clock = lambda: now
    put(server, queue, "j")
    ask(server, "GET", "/v2/ep/job-take/w?job_in_progress=0")
    server.call(lambda: queue.stop("j"))
    assert ask(server, "GET", "/v2/ep/job-stop/w?gpu=x") == (204, b"")
    now += SETTLED_S
    assert ask(server, "GET", "/v2/ep/job-stop/w?gpu=x") == (200, b'{"jobsToStop": ["j"]}')
    assert ask(server, "GET", "/v2/ep/job-stop/w?gpu=x") == (204, b"")


def test_a_failed_fitness_check_is_kept(server, queue):
    path = "/v2/ep/ping/w?gpu=x&status=unhealthy&check=disk&reason=Full"
    assert ask(server, "GET", path)[0] == 200
    assert queue.workers.unhealthy("w") == "disk: Full"


@pytest.mark.parametrize(
    ("method", "path", "body", "key", "status"),
    [
        ("GET", "/v2/ep/job-take/w", None, "Bearer keys", 401),
        ("POST", "/v2/ep/job-done/w/j", b"{}", "wrong", 401),
        ("GET", "/v2/other/job-take/w", None, "key", 404),
        ("POST", "/v2/ep/job-done/w/nobody", b"{}", "key", 404),
        ("POST", "/v2/ep/job-done/w/j", b"{", "key", 400),
    ],
    ids=["bearer", "wrong key", "endpoint", "job", "not JSON"],
)
def test_a_mistake_has_its_status(server, method, path, body, key, status):
    assert ask(server, method, path, body, key)[0] == status


def test_a_server_starts_again_and_leaves_nothing_behind(queue):
    process = psutil.Process()
    before = (threading.active_count(), process.num_fds())
    server = Loopback(worker_routes({"ep": queue}, "key", hold_s=30))
    for _ in range(3):
        server.start()
        # a poll that is still held when the server stops
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
        connection.request("GET", "/v2/ep/job-take/w?job_in_progress=0", headers={"Authorization": "key"})
        while not server.call(lambda: queue.workers.asked("w")):
            time.sleep(0.01)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 15
        connection.close()
    assert (threading.active_count(), process.num_fds()) == before


@pytest.mark.parametrize(
    ("port", "address", "why"),
    [
        (None, "127.0.0.1", "in use"),
        (99999, "127.0.0.1", "from 0 to 65535"),
        (-1, "127.0.0.1", "from 0 to 65535"),
        (0, "192.0.2.1", "assign"),
        (0, "nowhere.invalid", "."),
    ],
    ids=["taken", "too large", "negative", "an address of others", "no address"],
)
def test_a_port_that_cannot_be_used_is_an_error_here_and_not_in_the_thread(server, port, address, why):
    taken = int(server.url.rsplit(":", 1)[1])
    before = threading.active_count()
    with pytest.raises(OSError, match=why):
        Loopback([], taken if port is None else port, address=address).start()
    assert threading.active_count() == before


def test_what_a_call_raises_comes_back(server):
    with pytest.raises(ZeroDivisionError):
        server.call(lambda: 1 // 0)


def test_what_is_done_at_once_is_done_here_while_the_server_waits_and_by_it_while_it_works(server):
    done = []

    def note():
        asyncio.get_running_loop().call_soon(lambda: done.append(threading.get_ident()))
        done.append(threading.get_ident())

    def until(count):
        latest = time.monotonic() + 10
        while len(done) < count:
            assert time.monotonic() < latest
            time.sleep(0.001)

    def done_here():
        done.clear()
        server.at_once(note)
        until(2)
        return done[0] == threading.get_ident()

    waited(done_here)  # once the server has come to wait
    thread = done[1]
    assert thread != threading.get_ident()  # what it set going is the server's own work

    def busy():
        working.set()
        ends.wait(10)

    working, ends = threading.Event(), threading.Event()
    caller = threading.Thread(target=server.call, args=(busy,))
    caller.start()
    working.wait(10)
    server.at_once(note)
    assert len(done) == 2
    ends.set()
    caller.join()
    until(4)
    assert done[2:] == [thread, thread]


def test_what_fails_at_once_leaves_the_server_as_it_was(server, caplog):
    server.at_once(lambda: 1 // 0)
    waited(lambda: "ZeroDivisionError" in caplog.text)  # here, or where the server does not wait yet, there
    assert server.call(lambda: 1) == 1
