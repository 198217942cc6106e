"""The extension in a real Jupyter server: who is let in, what kernels do to it, and what it leaves behind."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import psutil
import pytest

from tests.journeys.fuzzing import Fuzz
from tests.journeys.places import TOKEN, Place, begun, celling, connected, in_a_cell, in_jupyter, jupyter, waited

OVERLAPS = """%%runpod_handler --concurrency 3
async def overlaps(job):
    running.add(job["id"])
    most.append(len(running))
    try:
        await asyncio.sleep(job["input"] or 0.5)
    finally:
        running.remove(job["id"])
"""
HANDLERS = (
    "import asyncio, json, os, time",
    "%%runpod_handler\ndef dumps(job):\n    return json.dumps(job['input'])",
    "%%runpod_handler\ndef echo(job):\n    return job['input']",
    "%%runpod_handler\ndef sleeps(job):\n    time.sleep(60)",
    "running, most = set(), []",
    OVERLAPS,
)
OWN_CALL = """import urllib.request
def call(path, data=None):
    asked = urllib.request.Request("{url}/" + path, data, {{"Authorization": "{key}"}})
    return json.load(urllib.request.urlopen(asked))
told = call("run", b'{{"input": 1}}')
while told["status"] == "IN_QUEUE":
    time.sleep(0.2)
    told = call("status/" + told["id"])
print(told["status"], told["error"])
"""
# As those of Qt and Tk: it runs until something comes through the kernel's own channels, whatever else there is to do.
WINDOW = """import asyncio, os, time
from ipykernel import eventloops
entered = []
def window(kernel):
    entered.append(1)
    stream = getattr(eventloops, "get_shell_stream", lambda kernel: kernel.shell_stream)(kernel)
    while not (stream.flush(limit=1) or os.path.exists({over!r})):
        time.sleep(0.001)
kernel = get_ipython().kernel
"""
pytestmark = pytest.mark.kernel


class Server:
    """A Jupyter server, and the calls that a client makes."""

    def __init__(self, place: Place, root: Path) -> None:
        self.place, self.root = place, root
        self.base = place.url.removesuffix("/runpod/v2")

    def ask(self, method: str, path: str, body: object = None, token: str | None = TOKEN, **headers: str):
        host, _, base = self.base.removeprefix("http://").partition("/")
        connection = http.client.HTTPConnection(host, timeout=60)
        given = {"Authorization": token} if token else {}
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        connection.request(method, f"/{base}/{path}", data, {**given, **headers})
        reply = connection.getresponse()
        text = reply.read()
        connection.close()
        self.cookies = reply.headers.get_all("Set-Cookie") or []
        return reply.status, json.loads(text) if "json" in reply.headers["Content-Type"] else text

    def sent(self, handler: str, given: object = None) -> str:
        status, told = self.ask("POST", f"runpod/v2/{handler}/run", {"input": given})
        assert status == 200, told
        return told["id"]

    def status(self, handler: str, job_id: str) -> dict:
        return self.ask("GET", f"runpod/v2/{handler}/status/{job_id}")[1]

    def sync(self, handler: str, given: object) -> dict:
        return self.ask("POST", f"runpod/v2/{handler}/runsync", {"input": given})[1]

    def kernel(self, *cells: str):
        """A further kernel: its id, its client, and the way to run a cell in it."""
        kernel = jupyter(self.base, "POST", "/api/kernels", {})["id"]
        client = connected(self.root / "RUNTIME_DIR" / f"kernel-{kernel}.json")
        cell = celling(client)
        for code in cells:
            cell(code)
        return kernel, client, cell


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("jupyter")
    with in_jupyter(root, *HANDLERS) as place:
        yield Server(place, root)


@pytest.mark.parametrize("form", [TOKEN, f"Bearer {TOKEN}", f"token {TOKEN}"], ids=["bare", "bearer", "token"])
def test_the_servers_token_is_the_key(server, form):
    status, told = server.ask("POST", "runpod/v2/echo/runsync", {"input": "é"}, form)
    assert (status, told["status"], told["output"]) == (200, "COMPLETED", "é")


@pytest.mark.parametrize("form", [None, "wrong", "Bearer wrong", "Bearer", "Basic eDp5"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "runpod/v2/echo/health"),
        ("POST", "runpod/v2/echo/run"),
        ("GET", "runpod/v2/nobody/status/x"),
        ("POST", "runpod/v2/echo/openai/v1/completions"),
        ("GET", "runpod/v2/echo/nothing"),
        ("POST", "runpod/keys/echo"),
        ("DELETE", "runpod/keys/echo"),
    ],
)
def test_nobody_is_told_anything_without_it(server, form, method, path):
    status, _ = server.ask(method, path, b"{}" if method == "POST" else None, form)
    assert status in (401, 403)


def test_a_browser_needs_the_origin_and_the_xsrf_token_that_jupyter_asks_for(server):
    server.ask("GET", f"lab?token={TOKEN}", token=None)
    server.ask("GET", f"tree?token={TOKEN}", token=None) if not server.cookies else None
    cookies = SimpleCookie()
    for line in server.cookies:
        cookies.load(line)
    assert cookies
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())
    post = ("POST", "runpod/v2/echo/runsync", {"input": 1}, None)
    assert server.ask(*post, Cookie=cookie)[0] == 403
    xsrf = cookies["_xsrf"].value
    assert server.ask(*post, Cookie=cookie, **{"X-XSRFToken": xsrf})[0] == 200
    foreign = {"Origin": "http://elsewhere.example", "X-XSRFToken": xsrf}
    assert server.ask(*post, Cookie=cookie, **foreign)[0] == 403
    assert server.ask("GET", "runpod/v2/echo/health", None, None, Cookie=cookie, Origin=foreign["Origin"])[0] == 403


def test_by_a_host_that_jupyter_does_not_go_by_nobody_is_told_that_the_token_is_wrong(server):
    status, told = server.ask("GET", "runpod/v2/echo/health", Host="notebook.example")
    assert (status, "host" in told["error"]) == (403, True)


def test_a_key_opens_one_endpoint_and_nothing_else_until_it_is_revoked(server):
    key = server.ask("POST", "runpod/keys/echo")[1]["key"]
    assert server.ask("POST", "runpod/v2/echo/runsync", {"input": 1}, key)[1]["output"] == 1
    for method, path in (("POST", "runpod/v2/sleeps/run"), ("POST", "runpod/keys/echo"), ("GET", "api/kernels")):
        assert server.ask(method, path, b"{}" if method == "POST" else None, key)[0] in (401, 403)
    assert server.ask("DELETE", "runpod/keys/echo")[1]["revoked"] == 1
    assert server.ask("GET", "runpod/v2/echo/health", None, key)[0] == 401


@pytest.mark.parametrize(("size", "status"), [(20_000_000, 200), (30_000_000, 413)])
def test_large_bodies_pass_up_to_the_limit_and_are_told_over_it(server, size, status):
    body = b'{"input": "%s"}' % (b"x" * (size - 14))
    answered, told = server.ask("POST", "runpod/v2/echo/runsync", body)
    assert answered == status
    if status == 200:
        assert told["status"] == "COMPLETED"
        assert len(told["output"]) == size - 14


def test_cancelling_reaches_a_handler_that_blocks_the_kernel_and_spares_it(server):
    job_id = server.sent("sleeps")
    waited(lambda: server.status("sleeps", job_id)["status"] == "IN_PROGRESS")
    assert server.ask("POST", f"runpod/v2/sleeps/cancel/{job_id}")[1]["status"] == "CANCELLED"
    assert server.sync("echo", "next")["output"] == "next"
    assert server.place.cell("'alive'") == "'alive'"


def test_the_status_card_shows_the_address_in_the_server(server):
    card = server.place.cell("%runpod")
    url = server.place.url.replace("127.0.0.1", "localhost")
    assert f"endpoint {url}/" in card.replace("127.0.0.1", "localhost")


def test_to_jupyter_a_kernel_that_runs_jobs_is_not_idle(server):
    path = f"/api/kernels/{server.place.kernel}"
    server.sync("echo", 1)
    time.sleep(0.1)
    before = jupyter(server.base, "GET", path)["last_activity"]
    server.sync("echo", 1)
    assert jupyter(server.base, "GET", path)["last_activity"] > before


def test_async_jobs_overlap_through_the_server_too(server, tmp_path):
    server.place.cell("most.clear()")
    with in_a_cell(server.place.cell, tmp_path):
        ids = [server.sent("overlaps") for _ in range(6)]
    for job_id in ids:
        waited(lambda job_id=job_id: server.status("overlaps", job_id)["status"] == "COMPLETED")
    assert server.place.cell("max(most)") == "3"


def test_a_busy_kernel_is_a_queue(server, tmp_path):
    with in_a_cell(server.place.cell, tmp_path):
        ids = [server.sent("echo", n) for n in range(3)]
        assert [server.status("echo", job_id)["status"] for job_id in ids] == ["IN_QUEUE"] * 3
        server.ask("POST", f"runpod/v2/echo/cancel/{ids[0]}")
    waited(lambda: server.status("echo", ids[2])["status"] == "COMPLETED")
    assert [server.status("echo", job_id).get("output") for job_id in ids] == [None, 1, 2]


def test_who_waits_for_a_job_when_the_extension_is_loaded_anew_is_told(server):
    job_id = server.sent("overlaps", 60)
    waited(lambda: server.status("overlaps", job_id)["status"] == "IN_PROGRESS")
    server.place.cell("%reload_ext rp_notebook")
    told = waited(lambda: server.ask("GET", f"runpod/v2/overlaps/status-sync/{job_id}?wait=5000")[1])
    assert (told["status"], "loaded anew" in told["error"]) == ("FAILED", True)
    assert server.sync("echo", "next")["output"] == "next"


def test_a_job_that_waits_while_the_extension_is_unloaded_runs_when_it_is_loaded_again(server, tmp_path):
    sent = tmp_path / "sent"
    wait = f"while not os.path.exists({str(sent)!r}):\n    time.sleep(0.05)\n"
    unload = f"{wait}get_ipython().run_line_magic('unload_ext', 'rp_notebook')"
    cell = begun(server.place.cell, unload, tmp_path, [])
    job_id = server.sent("echo", "after all")
    sent.touch()
    cell.join()
    server.place.cell("'the job that was sent is lost here'")
    time.sleep(1.2)
    assert server.status("echo", job_id)["status"] == "IN_QUEUE"
    server.place.cell("%load_ext rp_notebook")
    assert waited(lambda: server.status("echo", job_id).get("output")) == "after all"


def test_a_cell_cancels_jobs_that_the_server_keeps_though_it_has_sent_none_before(server, tmp_path):
    kernel, client, own_cell = server.kernel(
        "import os, time", "%load_ext rp_notebook", "%%runpod_handler\ndef kept(job):\n    return job['input']"
    )
    ids = tmp_path / "ids"
    shown: list[str] = []
    code = (
        f"while not os.path.exists({str(ids)!r}):\n    time.sleep(0.05)\n"
        f"get_ipython().run_line_magic('runpod', 'cancel ' + open({str(ids)!r}).read())"
    )
    cell = begun(own_cell, code, tmp_path, shown)
    jobs = [server.sent("kept", n) for n in range(3)]
    (tmp_path / "there").write_text(" ".join(jobs[:2]))
    (tmp_path / "there").rename(ids)
    cell.join()
    assert shown[0].count("waits in the Jupyter server") == 2
    assert waited(lambda: server.status("kept", jobs[2]).get("output")) == 2
    assert [server.status("kept", job_id)["status"] for job_id in jobs[:2]] == ["CANCELLED"] * 2
    client.stop_channels()
    jupyter(server.base, "DELETE", f"/api/kernels/{kernel}")


def test_a_kernel_that_lets_the_loop_of_a_window_run_gets_jobs_and_answers_them(server, tmp_path):
    kernel, client, cell = server.kernel(
        WINDOW.format(over=str(tmp_path / "over")),
        "%load_ext rp_notebook",
        "%%runpod_handler\ndef opens(job):\n    kernel.eventloop = window",
        "%%runpod_handler\ndef drawn(job):\n    return [job['input'], bool(entered)]",
        "%%runpod_handler\nasync def awaits(job):\n    await asyncio.sleep(0.05)\n    return bool(entered)",
    )
    assert waited(lambda: server.sync("drawn", 1).get("output")) == [1, False]
    server.sync("opens", None)  # from a cell, ipykernel may not tell its end
    assert waited(lambda: server.sync("drawn", 1)["output"][1])
    for given in ("é" * 500_000, *range(20)):
        assert server.sync("drawn", given)["output"] == [given, True]
        assert given not in range(5) or server.sync("awaits", 1)["output"]
    (tmp_path / "over").touch()
    assert waited(lambda: cell("kernel.eventloop is window") == "True")
    client.stop_channels()
    jupyter(server.base, "DELETE", f"/api/kernels/{kernel}")


def test_a_window_that_opens_while_the_link_does_gets_jobs_too(server, tmp_path):
    slow = "import rp_notebook.kernel.bridge as bridge\nPipe = bridge.Pipe\ndef slow(*given):\n"
    slow += "    while not there:\n        time.sleep(0.01)\n    return Pipe(*given)\nbridge.Pipe, there = slow, []"
    opened = "%%runpod_handler\ndef opened(job):\n    return bool(entered)"
    window = WINDOW.format(over=str(tmp_path / "over"))
    kernel, client, _ = server.kernel(window, "%load_ext rp_notebook", opened, slow)
    server.ask("GET", "runpod/v2/opened/health")
    client.execute("kernel.eventloop = window\nthere.append(1)")  # whose end ipykernel may not tell
    threading.Timer(5.0, (tmp_path / "over").touch).start()  # if so, nobody wakes the kernel but its user
    assert waited(lambda: server.sync("opened", 1)["output"])
    client.stop_channels()
    jupyter(server.base, "DELETE", f"/api/kernels/{kernel}")


def test_a_cell_cancels_jobs_that_run_and_one_that_waits_for_them_and_the_server_hears_of_it(server):
    ids = [server.sent("overlaps", 60) for _ in range(4)]
    waited(lambda: all(server.status("overlaps", job_id)["status"] == "IN_PROGRESS" for job_id in ids[:3]))
    waited(lambda: ids[3] in server.place.cell("print(get_ipython().meta['rp_notebook'].pump.held())"))
    shown = server.place.cell(f"%runpod cancel {' '.join(ids)}")
    assert (shown.count("is being stopped"), shown.count("it never began")) == (3, 1)
    waited(lambda: {server.status("overlaps", job_id)["status"] for job_id in ids} == {"CANCELLED"})
    assert server.sync("echo", "next")["output"] == "next"


def test_a_kernel_without_the_extension_is_a_409_at_once_with_the_line_to_type(server, tmp_path):
    kernel, client, cell = server.kernel()
    with in_a_cell(cell, tmp_path):  # busy, at that
        status, told = server.ask("POST", f"runpod/v2/{kernel}.echo/run", {"input": 1})
    assert (status, "%load_ext rp_notebook" in told["error"]) == (409, True)
    assert server.ask("POST", "runpod/v2/nobody/run", {"input": 1})[0] == 409
    client.stop_channels()
    jupyter(server.base, "DELETE", f"/api/kernels/{kernel}")
    status, told = server.ask("POST", "runpod/v2/nobody/run", {"input": 1})
    assert (status, "there are: dumps, echo, overlaps, sleeps" in told["error"]) == (404, True)
    status, told = server.ask("POST", "runpod/v2/echo/runsyncs", {"input": 1})
    assert (status, "there is nothing here" in told["error"]) == (404, True)


def test_odd_requests_to_one_endpoint_are_answered_as_its_document_says_and_tell_nothing_of_another(server):
    canary = "the answer of another kernel"
    other, client, _ = server.kernel(
        "%load_ext rp_notebook", f"%%runpod_handler\ndef secret(job):\n    return {canary!r}"
    )
    foreign = waited(lambda: server.sync("secret", 1).get("id"))
    key = server.ask("POST", "runpod/keys/dumps")[1]["key"]
    document = server.ask("GET", "runpod/v2/dumps/openapi.json", None, key)[1]
    for held in ("/job-take/{worker}", "/job-take-batch/{worker}", "/job-stop/{worker}"):  # a second each
        del document["paths"][held]
    seed = str(time.time())
    fuzz = Fuzz(
        f"{server.place.url}/dumps", key, document, [server.sent("dumps", 1), foreign], canary, random.Random(seed),
        alone=False,
    )  # fmt: skip
    fuzz.run(400)
    assert {200, 400, 401, 404, 405} <= {*fuzz.answered}, f"{fuzz.answered}, seed {seed}"
    assert server.ask("GET", f"runpod/v2/secret/status/{foreign}", None, key)[0] == 401
    assert server.ask("GET", f"runpod/v2/dumps/status/{foreign}", None, key)[0] == 404
    assert canary in server.status("secret", foreign)["output"]
    server.ask("DELETE", "runpod/keys/dumps")
    client.stop_channels()
    jupyter(server.base, "DELETE", f"/api/kernels/{other}")


def test_a_handler_that_two_kernels_have_is_asked_for_by_its_kernel(server):
    cells = ("%load_ext rp_notebook", "%%runpod_handler\ndef echo(job):\n    return 'the other'")
    other, client, _ = server.kernel(*cells)
    waited(lambda: server.ask("POST", "runpod/v2/echo/run", {"input": 1})[0] == 409)
    assert server.sync(f"{other}.echo", 1)["output"] == "the other"
    assert server.sync(f"{server.place.kernel[:8]}.echo", 1)["output"] == 1
    client.stop_channels()
    jupyter(server.base, "DELETE", f"/api/kernels/{other}")
    assert waited(lambda: server.sync("echo", 2).get("output") == 2)


@pytest.mark.parametrize("how", ["killed", "restarted"])
def test_a_kernel_that_is_gone_fails_what_ran_and_keeps_what_waits(server, how):
    again = (
        "%load_ext rp_notebook",
        "%%runpod_handler\ndef waits(job):\n    import time\n    time.sleep(job['input'])",
    )
    kernel, client, cell = server.kernel(*again)
    running: list[dict] = []
    client_of = threading.Thread(target=lambda: running.append(server.sync("waits", 60)), daemon=True)
    client_of.start()
    waited(lambda: server.ask("GET", "runpod/v2/waits/health")[1]["jobs"]["inProgress"] == 1)
    queued = server.sent("waits", 0)
    began = time.monotonic()
    if how == "killed":
        (pid,) = [
            child.pid
            for child in psutil.Process(server.place.server.pid).children(recursive=True)
            if any(kernel in argument for argument in child.cmdline())
        ]
        os.kill(pid, signal.SIGKILL)
    else:
        jupyter(server.base, "POST", f"/api/kernels/{kernel}/restart", {})
    client_of.join()
    assert time.monotonic() - began < 40
    assert running[0]["status"] == "FAILED"
    assert "the kernel" in running[0]["error"]
    assert server.status("waits", queued)["status"] == "IN_QUEUE"
    waited(lambda: jupyter(server.base, "GET", f"/api/kernels/{kernel}")["execution_state"] in ("idle", "busy"))
    client.stop_channels()
    client = connected(server.root / "RUNTIME_DIR" / f"kernel-{kernel}.json")
    cell = celling(client)
    for code in again:
        cell(code)
    waited(lambda: server.status("waits", queued)["status"] == "COMPLETED")
    client.stop_channels()
    jupyter(server.base, "DELETE", f"/api/kernels/{kernel}")


def test_a_cell_that_calls_its_own_kernel_and_who_waits_at_the_end_of_a_server_without_a_token_are_told(tmp_path):
    first = "from rp_notebook.endpoint import own_calls; own_calls.OWN_S = 1"
    with in_jupyter(tmp_path, *HANDLERS, first=first, token="") as place:
        ending = Server(place, tmp_path)
        assert "(any key opens it)" in place.cell("%runpod")
        without = [ending.ask("POST", "runpod/v2/echo/runsync", {"input": 1}, key)[0] for key in (None, "any")]
        assert without == [403, 200]
        assert "FAILED sent from a cell" in place.cell(OWN_CALL.format(url=f"{place.url}/echo", key=place.key))
        answered: list[dict] = []
        clients = [
            threading.Thread(target=lambda handler=handler: answered.append(ending.sync(handler, 1)))
            for handler in ("sleeps", "echo")
        ]
        clients[0].start()
        waited(lambda: ending.ask("GET", "runpod/v2/sleeps/health")[1]["jobs"]["inProgress"] == 1)
        clients[1].start()
        waited(lambda: ending.ask("GET", "runpod/v2/echo/health")[1]["jobs"]["inQueue"] == 1)
        children = psutil.Process(place.server.pid).children(recursive=True)
        place.server.terminate()
        for client in clients:
            client.join()
    assert [told["status"] for told in answered] == ["FAILED"] * 2
    assert {told["error"] for told in answered} == {"the Jupyter server was stopped"}
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
