"""The clients' routes over real sockets; the jobs are run by a few lines that stand for a worker."""

import http.client
import json
import socket
import threading
import time
from functools import partial

import psutil
import pytest

from rp_notebook.endpoint import client_routes as module
from rp_notebook.endpoint.asked import asked_of
from rp_notebook.endpoint.client_routes import client_routes
from rp_notebook.endpoint.entry import received
from rp_notebook.endpoint.loopback import Loopback
from rp_notebook.endpoint.routes import NoRoute, keyed
from rp_notebook.endpoint.service import Service
from rp_notebook.errors import BadInput
from tests.journeys.places import waited

KEY = "the-key"


def serving(**options):
    service = Service(lambda name: name == "ep", time.time, names=lambda: ["ep"], **options)
    server = Loopback(
        client_routes(service, KEY),
        around=service.running,
        fallback=(NoRoute, {"allowed": keyed(KEY, lambda name: name), "origin": service.origin}),
    )
    server.service = service
    return server


@pytest.fixture(scope="module")
def server():
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def no_jobs(server):
    yield
    server.call(lambda: server.service.endpoints.close("the test is over"))


def ask(server, method, path, body=None, authorization=f"Bearer {KEY}", **headers):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)
    given = {"Authorization": authorization} if authorization else {}
    connection.request(method, path, json.dumps(body) if isinstance(body, dict) else body, {**given, **headers})
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    assert reply.headers["Content-Type"] == "application/json"
    return reply.status, json.loads(text) if text else None


def queue(server):
    return server.service.endpoints["ep"]


def working(server, *bodies, turn=None):
    """Takes the next job and posts these bodies for it, in a thread; streamed ones first, each in its `turn`."""

    def work():
        while not (taken := server.call(lambda: queue(server).take("w"))):
            time.sleep(0.005)
        for body in bodies:
            assert turn is None or turn.acquire(timeout=20)
            post = received("done" if body is bodies[-1] else "stream", json.dumps(body).encode())
            server.call(partial(queue(server).post, taken[0].id, post))

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_synchronous_job_is_answered_when_it_ends(server):
    working(server, {"output": {"a": "é"}})
    status, told = ask(server, "POST", "/v2/ep/runsync", {"input": {}})
    assert (status, told["status"], told["output"], told["workerId"]) == (200, "COMPLETED", {"a": "é"}, "w")
    assert told["id"].startswith("sync-")
    assert ask(server, "GET", f"/v2/ep/status/{told['id']}") == (200, told)


def test_a_wait_that_is_over_is_answered_with_the_present_status(server):
    began = time.monotonic()
    status, told = ask(server, "POST", "/v2/ep/runsync?wait=1000", {"input": {}})
    assert (status, told["status"], set(told)) == (200, "IN_QUEUE", {"id", "status"})
    assert 0.9 < time.monotonic() - began < 20
    working(server, {"output": 1})
    assert ask(server, "GET", f"/v2/ep/status-sync/{told['id']}?wait=5000")[1]["output"] == 1


def test_all_who_wait_for_a_job_are_told_that_it_was_forgotten_or_has_ended(server):
    def waiting(job_id, told):
        client = threading.Thread(target=lambda: told.append(ask(server, "GET", f"/v2/ep/status-sync/{job_id}")))
        client.start()
        return client

    for forgotten in (True, False):
        job_id = ask(server, "POST", "/v2/ep/run", {"input": {}})[1]["id"]
        told = []
        clients = [waiting(job_id, told) for _ in range(3)]
        while server.call(lambda: server.service.open) < len(clients):
            time.sleep(0.01)
        if forgotten:
            server.call(partial(server.service.endpoints.endpoint("ep")._forget, job_id))  # as its ttl does
        else:
            working(server, {"output": 7})
        for client in clients:
            client.join(20)
        assert [(status, body.get("output")) for status, body in told] == [(404, None) if forgotten else (200, 7)] * 3


def test_items_arrive_as_they_are_yielded(server):
    _, told = ask(server, "POST", "/v2/ep/run", {"input": {}})
    turn = threading.Semaphore(0)
    working(server, {"output": 1}, {"output": "zwei"}, {"output": 3}, {"output": []}, turn=turn)
    for item in (1, "zwei", 3):  # and the next one has not come by then
        turn.release()
        drained = waited(lambda: ask(server, "GET", f"/v2/ep/stream/{told['id']}")[1]["stream"])
        assert [each["output"] for each in drained] == [item]
    turn.release()
    assert waited(lambda: ask(server, "GET", f"/v2/ep/stream/{told['id']}")[1]["status"] == "COMPLETED")


def test_a_stream_without_news_is_held_and_then_answered(server, monkeypatch):
    monkeypatch.setattr(module, "HOLD_S", 0.2)
    _, told = ask(server, "POST", "/v2/ep/run", {"input": {}})
    assert ask(server, "GET", f"/v2/ep/stream/{told['id']}")[1] == {"status": "IN_QUEUE", "stream": []}


def test_jobs_are_cancelled_retried_purged_and_counted(server):
    ids = [ask(server, "POST", "/v2/ep/run", {"input": {}})[1]["id"] for _ in range(3)]
    assert ask(server, "POST", f"/v2/ep/cancel/{ids[0]}") == (200, {"id": ids[0], "status": "CANCELLED"})
    working(server, {"error": "boom"}).join()
    assert ask(server, "GET", f"/v2/ep/status/{ids[1]}")[1]["error"] == "boom"
    assert ask(server, "POST", f"/v2/ep/retry/{ids[1]}") == (200, {"id": ids[1], "status": "IN_QUEUE"})
    assert ask(server, "GET", "/v2/ep/health")[1]["jobs"]["inQueue"] == 2
    assert ask(server, "POST", "/v2/ep/purge-queue") == (200, {"removed": 2, "status": "completed"})
    listed = {told["id"]: told["status"] for told in ask(server, "GET", "/v2/ep/requests")[1]["requests"]}
    assert [listed[job_id] for job_id in ids] == ["CANCELLED"] * 3


@pytest.mark.parametrize("form", [f"Bearer {KEY}", f"bearer {KEY}", KEY])
def test_the_key_is_taken_bare_or_as_bearer(server, form):
    assert ask(server, "GET", "/v2/ep/health", authorization=form)[0] == 200


@pytest.mark.parametrize("form", ["", "Bearer", "Bearer wrong", f"{KEY}x", f"Basic {KEY}", "Bearer é"])
@pytest.mark.parametrize("path", ["/v2/ep/health", "/v2/nobody/health", "/", "/v2/../etc/passwd", "/v2/ep/status/x"])
def test_without_the_key_nothing_is_told(server, form, path):
    assert ask(server, "GET", path, authorization=form.encode("latin-1").decode("latin-1"))[0] == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v2/ep/run", None, 405),
        ("POST", "/v2/ep/status/x", b"", 405),
        ("POST", "/v2/ep/stream/x", b"", 405),
        ("DELETE", "/v2/ep/health", None, 405),
        ("PUT", "/v2/ep/runsync", b"{}", 405),
        ("GET", "/v2/nobody/health", None, 404),
        ("GET", "/v2/ep/status/nobody", None, 404),
        ("GET", "/v2/ep/stream/nobody", None, 404),
        ("GET", "/v2/ep/status-sync/nobody", None, 404),
        ("POST", "/v2/ep/cancel/nobody", b"", 404),
        ("POST", "/v2/ep/retry/nobody", b"", 404),
        ("GET", "/v2/ep/nothing", None, 404),
        ("GET", "/v2/ep/status/%2e%2e%2f%2e%2e%2fetc", None, 404),
        ("GET", "/v2/ep/status/%ff", None, 404),
        ("POST", "/v2/ep/run", b"{", 400),
        ("POST", "/v2/ep/run", b'{"input": 1, "webhook": "http://127.0.0.1/x"}', 400),
        ("POST", "/v2/ep/run", b'{"input": 1, "webhook": "http://169.254.169.254/x"}', 400),
        ("POST", "/v2/ep/runsync?wait=x", b'{"input": 1}', 400),
        ("POST", "/v2/ep/runsync?wait=999", b'{"input": 1}', 400),
    ],
)
def test_a_mistake_has_its_status_and_says_why(server, method, path, body, status):
    answered, told = ask(server, method, path, body)
    assert (answered, list(told)) == (status, ["error"])


def headers(server, method, path, key=None):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)
    connection.request(method, path, headers={"Authorization": key} if key else {})
    reply = connection.getresponse()
    reply.read()
    connection.close()
    named = {name: value for name, value in reply.headers.items() if name.startswith("Access-Control")}
    return reply.status, named


def test_web_pages_of_another_origin_may_call_only_where_that_was_said(server):
    assert headers(server, "OPTIONS", "/v2/ep/run") == (401, {})
    assert headers(server, "GET", "/v2/ep/health", KEY) == (200, {})
    allowed = {"Access-Control-Allow-Origin": "http://localhost:5173"}
    with serving(allow_origin="http://LOCALHOST:5173/") as other:
        for path in ("/v2/ep/run", "/v2/ep/status/x", "/v2/ep/openai/v1/models", "/v2/nobody/run"):
            status, told = headers(other, "OPTIONS", path)
            assert (status, told["Access-Control-Allow-Headers"]) == (204, "Authorization, Content-Type")
            assert told.items() >= allowed.items()
        asked = http.client.HTTPConnection(other.url.removeprefix("http://"), timeout=20)
        theirs = "authorization,x-stainless-os"
        asked.request("OPTIONS", "/v2/ep/run", headers={"Access-Control-Request-Headers": theirs})
        assert asked.getresponse().headers["Access-Control-Allow-Headers"] == theirs
        asked.close()
        assert headers(other, "GET", "/v2/ep/health", KEY) == (200, allowed)
        assert headers(other, "GET", "/v2/ep/health", "wrong") == (401, allowed)
        assert headers(other, "GET", "/v2/ep/nothing", KEY) == (404, allowed)


@pytest.mark.parametrize(
    "text", ["localhost:5173", "http://x/y", "http://x\r\nSet-Cookie: y", ""], ids=["scheme", "path", "lines", "none"]
)
def test_what_is_no_origin_is_refused(text):
    with pytest.raises(BadInput, match="no origin of a web page"):
        serving(allow_origin=text)


def test_who_asks_for_what_is_not_there_is_told_what_is(server):
    assert ask(server, "POST", "/v2/pe/run", b"{}")[1]["error"] == "there is no endpoint 'pe'; there are: ep"
    assert "POST /v2/NAME/runsync runs a job" in ask(server, "POST", "/v2/ep/runsinc", b"{}")[1]["error"]


@pytest.mark.parametrize("route", ["run", "runsync"])
def test_a_body_of_30_mb_is_read_to_its_end_and_answered_413(server, route):
    before = psutil.Process().memory_info().rss
    body = b'{"input": "%s"}' % (b"x" * 30_000_000)
    for _ in range(5):
        status, told = ask(server, "POST", f"/v2/ep/{route}", body)
        assert (status, "30.0 MB" in told["error"]) == (413, True)
    assert psutil.Process().memory_info().rss - before < 120_000_000


def test_a_body_that_stops_half_way_harms_nobody(server):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as half:
        half.sendall(
            f"POST /v2/ep/run HTTP/1.1\r\nHost: x\r\nAuthorization: {KEY}\r\nContent-Length: 99\r\n\r\n{{".encode()
        )
        assert ask(server, "GET", "/v2/ep/health")[0] == 200
    assert ask(server, "GET", "/v2/ep/health")[1]["jobs"]["inQueue"] == 0


def test_openai_clients_are_answered_with_the_workers_own_output(server):
    path, call = "/v2/ep/openai/v1/chat/completions", {"model": "m", "messages": []}
    working(server, {"output": [{"object": "chat.completion"}]})
    assert ask(server, "POST", path, call) == (200, {"object": "chat.completion"})
    working(server, {"output": []})  # of a generator without `return_aggregate_stream`
    assert ask(server, "POST", path, call) == (200, [])
    working(server, {"error": "no model"})
    status, told = ask(server, "POST", path, call)
    assert (status, told["error"]["message"]) == (400, "no model")
    for body, key, status in ((b"{", KEY, 400), (b"{}", "wrong", 401)):
        refused, told = ask(server, "POST", path, body, key)
        assert (refused, told["error"].keys()) == (status, {"message", "type", "param", "code"})
    working(server, {"output": {"data": []}})
    assert ask(server, "GET", "/v2/ep/openai/v1/models") == (200, {"data": []})
    error = b'{"error": {"message": "oom", "type": "invalid_request_error", "param": null, "code": null}}'
    for last, end in (({"output": []}, b""), ({"error": "oom"}, b"data: %s\n\n" % error)):
        turn = threading.Semaphore(1)
        working(server, {"output": "data: {}\n\n"}, {"output": {"n": 1}}, last, turn=turn)
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)
        connection.request("POST", path, json.dumps({**call, "stream": True}), {"Authorization": KEY})
        reply = connection.getresponse()
        assert reply.headers["Content-Type"] == "text/event-stream"
        assert reply.read(10) == b"data: {}\n\n"
        turn.release(2)
        assert reply.read() == b'data: {"n": 1}\n\n' + end
        connection.close()


def test_rate_limits_hold_where_they_are_asked_for(server):
    for _ in range(3):
        assert ask(server, "POST", "/v2/ep/purge-queue")[0] == 200
    with serving(rate_limits=True) as limited:
        assert [ask(limited, "POST", "/v2/ep/purge-queue")[0] for _ in range(3)] == [200, 200, 429]


def test_a_thousand_jobs_and_two_hundred_waiting_clients_hold(server):
    answers = []
    waiting = [
        threading.Thread(target=lambda n=n: answers.append(ask(server, "POST", "/v2/ep/runsync", {"input": n})))
        for n in range(200)
    ]
    for client in waiting:
        client.start()
    ids = [ask(server, "POST", "/v2/ep/run", {"input": n})[1]["id"] for n in range(1000)]
    while server.call(lambda: queue(server).waiting) < 1200:
        time.sleep(0.01)

    def work():
        for request in queue(server).take("w", 2000):
            body = json.dumps({"output": request.decoded()["input"]}).encode()
            queue(server).post(request.id, received("done", body))

    server.call(work)
    for client in waiting:
        client.join()
    assert sorted(told["output"] for _, told in answers) == list(range(200))
    assert [json.loads(server.call(lambda j=j: endpoint(server).status(j)))["output"] for j in ids] == list(range(1000))


def endpoint(server):
    return server.service.endpoints.endpoint("ep")


def test_who_waits_when_the_server_stops_is_told_why_and_it_starts_again(server):
    process = psutil.Process()
    before = (threading.active_count(), process.num_fds())
    stopped = serving()
    for _ in range(2):
        stopped.start()
        answers = []
        asking = partial(ask, stopped, "POST", "/v2/ep/runsync", {"input": 1})
        client = threading.Thread(target=lambda answers=answers, asking=asking: answers.append(asking()))
        client.start()
        while not stopped.call(lambda: queue(stopped).waiting):
            time.sleep(0.01)
        began = time.monotonic()
        stopped.stop()
        client.join()
        assert time.monotonic() - began < 15
        assert [(status, told["status"], told["error"]) for status, told in answers] == [
            (200, "FAILED", "the endpoint was stopped")
        ]
    assert (threading.active_count(), process.num_fds()) == before


def test_a_server_stops_also_where_something_is_due_sooner_at_that_moment():
    with serving() as server:
        time.sleep(0.1)  # it waits by now, and is not woken by what comes
        asked = asked_of(b'{"input": {}}', "run")
        server.at_once(lambda: server.service.endpoints.endpoint("ep").run(asked), lambda: False)
        stopping = threading.Thread(target=server.stop, daemon=True)
        stopping.start()
        stopping.join(10)
        assert not stopping.is_alive()
