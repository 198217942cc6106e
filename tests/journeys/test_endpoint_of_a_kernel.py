"""`%runpod serve` in a real kernel: what running jobs from outside does to it, and what it does to them."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.journeys.places import Place, begun, in_a_cell, in_a_kernel, url_and_key, waited

CALLS = """%%runpod_handler
def calls(job):
    import json, urllib.request
    from rp_notebook.endpoint import own_calls
    own_calls.OWN_S = 0.5
    def told(path, body=None):
        asked = urllib.request.Request(job["input"]["url"] + path, body, {"Authorization": job["input"]["key"]})
        return json.load(urllib.request.urlopen(asked))
    sent = then = told("/echo/runsync?wait=1000", b'{"input": 1}')
    while then["status"] == "IN_QUEUE":
        time.sleep(0.1)
        then = told("/echo/status/" + sent["id"])
    return [sent, then]
"""
OVERLAPS = """%%runpod_handler --concurrency 3
async def overlaps(job):
    running.add(job["id"])
    most.append(len(running))
    await asyncio.sleep(0.5)
    running.remove(job["id"])
    return id(model)
"""
TICKS = """%%runpod_handler
def ticks(job):
    for n in range(4):
        while not os.path.exists(f"{job['input']}/{n}"):
            time.sleep(0.01)
        yield n
"""
HANDLERS = (
    "import asyncio, os, threading, time\nmodel = object()\nseen = []\nrunning, most = set(), []",
    "%%runpod_handler\ndef echo(job):\n    print('printed')\n    return job['input']",
    "%%runpod_handler\ndef sleeps(job):\n    time.sleep(60)",
    "%%runpod_handler\nasync def awaits(job):\n    await asyncio.sleep(60)",
    "%%runpod_handler\nasync def blocks(job):\n    time.sleep(60)",
    "%%runpod_handler\ndef yields(job):\n    yield 1\n    time.sleep(60)",
    "%%runpod_handler\nasync def ayields(job):\n    yield 1\n    await asyncio.sleep(60)",
    OVERLAPS,
    TICKS,
    "%%runpod_handler --timeout 5\ndef slow(job):\n    time.sleep(60)",
    "%%runpod_handler\ndef main(job):\n    return threading.current_thread() is threading.main_thread()",
    "%%runpod_handler\ndef loses(job):\n    return {1, 2}",
    CALLS,
    "import sys\nendings = [sys.exit, exit, quit]",
    "%%runpod_handler\ndef exits(job):\n    seen.append(job['input']['way'])\n    endings[job['input']['way']](3)",
)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with in_a_kernel(*HANDLERS) as place:
        yield place


def ask(place: Place, method: str, path: str, body: object = None) -> dict:
    host, _, base = place.url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=60)
    data = None if body is None else json.dumps(body).encode()
    connection.request(method, f"/{base}/{path}", data, {"Authorization": place.key})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def sent(place: Place, handler: str, given: object = None, **more: object) -> str:
    return ask(place, "POST", f"{handler}/run", {"input": given, **more})["id"]


def status(place: Place, handler: str, job_id: str) -> dict:
    return ask(place, "GET", f"{handler}/status/{job_id}")


def ended(place: Place, handler: str, job_id: str) -> dict:
    waited(lambda: status(place, handler, job_id)["status"] not in ("IN_QUEUE", "IN_PROGRESS"))
    return status(place, handler, job_id)


def runs(place: Place, handler: str, job_id: str) -> None:
    waited(lambda: status(place, handler, job_id)["status"] == "IN_PROGRESS")


def sync(place: Place, handler: str, given: object = None) -> object:
    return ask(place, "POST", f"{handler}/runsync", {"input": given})["output"]


pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("handler", ["sleeps", "awaits", "blocks", "yields", "ayields"])
def test_cancelling_ends_a_running_handler_and_spares_the_kernel(place, handler):
    job_id = sent(place, handler)
    runs(place, handler, job_id)
    began = time.monotonic()
    assert ask(place, "POST", f"{handler}/cancel/{job_id}") == {"id": job_id, "status": "CANCELLED"}
    assert sync(place, "echo", "next") == "next"
    assert time.monotonic() - began < 10
    assert place.cell("type(model).__name__") == "'object'"


def test_a_thousand_jobs_and_two_hundred_clients_that_wait_lose_nothing_and_leave_no_memory(place, tmp_path):
    resident = "import gc, psutil\ngc.collect()\npsutil.Process().memory_info().rss"
    answered: dict[int, object] = {}

    def waits(number: int) -> None:
        answered[number] = sync(place, "echo", [number, "x" * 1000])

    for number in range(10):
        waits(number)
    place.cell("import json\njson.loads('')")  # what IPython shows a traceback with comes with the first, and is large
    place.cell(resident)
    before = int(place.cell(resident))
    busy = begun(place.cell, "time.sleep(60)", tmp_path, [])
    clients = [threading.Thread(target=waits, args=(number,)) for number in range(200)]
    ids = [sent(place, "echo", [number, "x" * 1000]) for number in range(800)]
    for client in clients:
        client.start()
    waited(lambda: ask(place, "GET", "echo/health")["jobs"]["inQueue"] == 1000)
    place.kernel.interrupt_kernel()
    for thread in (busy, *clients):
        thread.join(60)
    assert answered == {number: [number, "x" * 1000] for number in range(200)}
    assert [status(place, "echo", job_id)["output"][0] for job_id in ids] == [*range(800)]
    kept = 1000 * 2 * 1100  # bytes of requests and answers, for half an hour
    assert int(place.cell(resident)) - before < 10_000_000 + kept


def test_what_a_job_sets_in_a_context_variable_ends_with_it_also_for_those_that_wait_behind_it(place, tmp_path):
    place.cell("import contextvars\nheld = contextvars.ContextVar('held', default=0)")
    place.cell("%%runpod_handler\ndef keeps(job):\n    found = held.get()\n    held.set(found + 1)\n    return found")
    cell = begun(place.cell, "time.sleep(1)", tmp_path, [])
    ids = [sent(place, "keeps") for _ in range(4)]
    cell.join()
    assert [ended(place, "keeps", job_id)["output"] for job_id in ids] == [0, 0, 0, 0]


@pytest.mark.parametrize("way", [0, 1, 2], ids=["sys.exit", "exit", "quit"])
def test_a_handler_that_ends_its_worker_fails_as_with_a_real_one_and_spares_the_kernel(place, way):
    told = ask(place, "POST", "exits/runsync", {"input": {"way": way}})
    assert (told["status"], told["error"]) == (
        "FAILED",
        "the handler called sys.exit(3): the worker process ends and posts nothing",
    )
    shown = place.cell(f"%runpod jobs {told['id']}")
    assert ("FAILED  exits" in shown, "LOST" in shown, told["error"] in " ".join(shown.split())) == (True, False, True)
    assert place.cell("type(model).__name__, seen.pop()") == f"('object', {way})"
    assert sync(place, "echo", "next") == "next"


def test_the_lines_to_type_have_the_keys_that_a_handler_reads(place):
    place.cell("%%runpod_handler\ndef asked(job):\n    return job['input']['text'] * int(job['input'].get('n', 1))")
    assert """-d '{"input": {"text": "..."}}'""" in place.cell("%runpod serve")
    assert "%runpod serve --stop, then again" in place.cell("%runpod serve --allow-origin *")


def test_a_timeout_ends_a_running_handler_as_the_platform_would(place):
    ids = {name: sent(place, name, policy=policy) for name, policy in (("slow", {}), ("awaits", {"ttl": 10_000}))}
    told = ended(place, "slow", ids["slow"])
    assert (told["status"], told["error"]) == ("FAILED", "executionTimeout exceeded")
    assert 5000 <= told["executionTime"] < 20_000
    waited(lambda: "error" in status(place, "awaits", ids["awaits"]))  # deleted: a 404
    assert sync(place, "echo", "next") == "next"
    assert "executionTimeout exceeded" in place.cell(f"%runpod jobs {ids['slow'][:13]}")


def test_a_busy_kernel_is_a_queue_and_cells_and_jobs_never_overlap(place, tmp_path):
    place.cell("%%runpod_handler\ndef marks(job):\n    seen.append('job')")
    code = "seen.append('cell')\nwhile waits():\n    await asyncio.sleep(0.05)\nseen.append('end')"
    with in_a_cell(place.cell, tmp_path, code):
        job_id = sent(place, "marks")
        time.sleep(0.5)
        assert status(place, "marks", job_id) == {"id": job_id, "status": "IN_QUEUE"}
    assert ended(place, "marks", job_id)["delayTime"] > 300
    assert place.cell("seen") == "['cell', 'end', 'job']"


def test_jobs_that_are_ended_while_they_wait_never_begin(place, tmp_path):
    place.cell("%%runpod_handler\ndef marks(job):\n    seen.append(job['input'])\nseen.clear()")
    with in_a_cell(place.cell, tmp_path):
        first, second, third = (sent(place, "marks", n) for n in (1, 2, 3))
        ask(place, "POST", f"marks/cancel/{first}")
        assert ask(place, "POST", "marks/purge-queue")["removed"] == 2
        fourth = sent(place, "marks", 4)
    assert ended(place, "marks", fourth)["status"] == "COMPLETED"
    assert [status(place, "marks", job_id)["status"] for job_id in (first, second, third)] == ["CANCELLED"] * 3
    assert place.cell("seen") == "[4]"


def test_async_jobs_overlap_up_to_their_concurrency_and_sync_ones_have_the_main_thread(place, tmp_path):
    with in_a_cell(place.cell, tmp_path):
        ids = [sent(place, "overlaps") for _ in range(6)]
    models = {ended(place, "overlaps", job_id)["output"] for job_id in ids}
    assert place.cell("max(most)") == "3"
    assert models == {int(place.cell("id(model)"))}
    assert sync(place, "main") is True


def test_items_arrive_as_they_are_yielded(place, tmp_path):
    job_id = sent(place, "ticks", str(tmp_path))
    for item in range(4):  # and the next one has not come by then
        (tmp_path / str(item)).touch()
        drained = waited(lambda: ask(place, "GET", f"ticks/stream/{job_id}")["stream"])
        assert [each["output"] for each in drained] == [item]
    assert ended(place, "ticks", job_id)["status"] == "COMPLETED"


def test_an_edited_handler_answers_the_next_job(place):
    place.cell("%%runpod_handler\ndef edited(job):\n    return 'old'")
    assert sync(place, "edited") == "old"
    place.cell("%%runpod_handler\nasync def edited(job):\n    return 'new'")
    assert sync(place, "edited") == "new"


def test_a_lost_result_is_in_progress_as_for_the_platform_until_it_is_cancelled(place):
    job_id = sent(place, "loses")
    waited(lambda: "LOST" in place.cell(f"%runpod jobs {job_id[:13]}"))
    assert status(place, "loses", job_id)["status"] == "IN_PROGRESS"
    assert ask(place, "POST", f"loses/cancel/{job_id}")["status"] == "CANCELLED"


def test_what_a_job_prints_belongs_to_it_and_shows_below_no_cell(place):
    shown: list[str] = []
    cell = threading.Thread(target=lambda: shown.append(place.cell("await asyncio.sleep(0.5)")))
    cell.start()
    assert sync(place, "echo", 1) == 1
    cell.join()
    assert shown == [""]
    kept = place.cell("[*get_ipython().meta['rp_notebook'].history.of('echo')][-1].printed")
    assert kept == "'printed\\n'"


def test_cancelling_a_job_beside_a_cell_does_not_touch_the_cell(place):
    job_id = sent(place, "awaits")
    runs(place, "awaits", job_id)
    shown: list[str] = []
    code = "for n in range(30):\n    time.sleep(0.05)\n'whole'"
    cell = threading.Thread(target=lambda: shown.append(place.cell(code)))
    cell.start()
    time.sleep(0.6)
    ask(place, "POST", f"awaits/cancel/{job_id}")
    cell.join()
    assert shown == ["'whole'"]
    assert sync(place, "echo", "next") == "next"


def test_a_cell_that_calls_its_own_endpoint_is_answered_as_the_queue_would_and_told_what_to_write(place):
    code = (
        "import json, urllib.request\nfrom rp_notebook.endpoint import own_calls\nown_calls.OWN_S = 1.5\n"
        f"asked = urllib.request.Request('{place.url}/echo/runsync?wait=2000', b'{{\"input\": 5}}', "
        f"{{'Authorization': '{place.key}'}})\n"
        "told = json.load(urllib.request.urlopen(asked))\nprint(told['status'])\n"
        "asked = urllib.request.Request(asked.full_url.split('/runsync')[0] + '/status/' + told['id'], "
        "headers=asked.headers)\nwhile told['status'] == 'IN_QUEUE':  # who calls is not searched for all the time\n"
        "    time.sleep(0.1)\n    told = json.load(urllib.request.urlopen(asked))\nprint(told)\n"
        f"asked = urllib.request.Request('{place.url}/echo/openai/v1/models', headers=asked.headers)\n"
        "from rp_notebook.endpoint import client_routes\nclient_routes.HOLD_S = 0.5\n"
        "try:\n    urllib.request.urlopen(asked)\nexcept OSError as error:\n    print(error)\n"
        "own_calls.OWN_S, client_routes.HOLD_S = 90, 5"
    )
    shown = place.cell(code)
    assert "IN_QUEUE" in shown.splitlines()
    assert "'status': 'FAILED'" in shown
    assert "HTTP Error 400" in shown
    assert 2 <= shown.count("await rp_notebook.arun_job") <= 3  # it is said again on a slow machine


def test_a_job_that_calls_the_endpoint_of_its_own_kernel_ends_too(place):
    first, then = sync(place, "calls", {"url": place.url, "key": place.key})
    place.cell("from rp_notebook.endpoint import own_calls; own_calls.OWN_S = 90")
    assert (first["status"], then["status"]) == ("IN_QUEUE", "FAILED")
    assert "call the other handler's function" in then["error"]


def test_a_cell_cancels_jobs_by_their_id_wherever_they_come_from_and_no_others(place):
    running = sent(place, "awaits")
    runs(place, "awaits", running)
    begin = (
        "import json, rp_notebook, urllib.request\nmine = [asyncio.ensure_future(rp_notebook.arun_job(awaits, "
        "{'id': f'mine-{n}', 'input': 1})) for n in (1, 2)]\nawait asyncio.sleep(0.1)\n"
        "line = '%runpod cancel mi'\nget_ipython().complete(None, line, len(line))[1]"
    )
    assert place.cell(begin) == "['mine-1', 'mine-2']"
    assert "several jobs have an id that begins with 'mine': mine-1, mine-2" in place.cell("%runpod cancel mine")
    assert "there are: " in place.cell("%runpod cancel nobody")
    wait_and_cancel = (
        f"asked = urllib.request.Request('{place.url}/echo/run', b'{{\"input\": 5}}', "
        f"{{'Authorization': '{place.key}'}})\n"
        "waiting = [json.load(urllib.request.urlopen(asked))['id'] for _ in range(3)]\nprint(waiting)\n"
        f"get_ipython().run_line_magic('runpod', ' '.join(['cancel', 'mine-1', '{running}', *waiting]))"
    )
    shown = place.cell(wait_and_cancel)
    assert "mine-1  its handler is being stopped" in shown
    assert f"{running}  its handler is being stopped" in shown
    assert shown.count("it never began") == 3
    assert status(place, "awaits", running)["status"] == "CANCELLED"
    waited(lambda: place.cell("mine[0].cancelled(), mine[1].done()") == "(True, False)")
    waiting = place.cell("print(*waiting)").split()
    assert [status(place, "echo", job_id)["status"] for job_id in waiting] == ["CANCELLED"] * 3
    assert "has ended: CANCELLED" in place.cell(f"%runpod cancel {running}")
    place.cell("%runpod cancel mine-2")
    assert sync(place, "echo", "next") == "next"


def test_serving_stops_and_starts_again_and_its_old_key_is_worth_nothing(place):
    assert sync(place, "echo", 0) == 0  # whatever threads a job needs are there
    before = place.cell("len(threading.enumerate())")
    shown = place.cell("%runpod serve")
    assert url_and_key(shown) == (place.url, place.key)
    assert f"endpoint {place.url}/" in place.cell("%runpod")
    assert "STOPPED" in place.cell("%runpod serve --stop")
    assert "endpoint http" not in place.cell("%runpod")
    with pytest.raises(OSError, match="refused"):
        ask(place, "GET", "echo/health")
    again = Place(*url_and_key(place.cell("%runpod serve")))
    assert sync(again, "echo", 1) == 1
    assert "error" in ask(Place(again.url, place.key), "GET", "echo/health")
    waited(lambda: place.cell("len(threading.enumerate())") == before)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for port in (taken.getsockname()[1], 99999):
            assert f"port {port} cannot be used" in place.cell(f"%runpod serve --port {port}")
        moved = url_and_key(place.cell("%runpod serve --port 0"))
        assert (moved[0] != again.url, moved[1]) == (True, again.key)
    again = Place(*moved)
    assert sync(again, "echo", 2) == 2
    place.cell("%reload_ext rp_notebook")  # who was given the address and the key goes on with them
    assert url_and_key(place.cell("%runpod serve")) == (again.url, again.key)
    assert sync(again, "echo", 2) == 2
    place.cell("%reload_ext rp_notebook")
    with socket.create_server(("127.0.0.1", int(again.url.split(":")[2].removesuffix("/v2")))):
        moved = url_and_key(place.cell("%runpod serve"))
    assert (moved[0] != again.url, moved[1]) == (True, again.key)
    assert sync(Place(*moved), "echo", 2) == 2


class Asking(threading.Thread):
    """A client that waits for the end of a job."""

    def __init__(self, place: Place, handler: str) -> None:
        super().__init__(daemon=True)
        self.place, self.handler = place, handler
        self.told: dict | Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.told = ask(self.place, "POST", f"{self.handler}/runsync", {"input": 1})
        except (OSError, http.client.HTTPException, ValueError) as gone:
            self.told = gone


def test_a_kernel_that_is_interrupted_restarted_or_killed_leaves_no_client_waiting():
    with in_a_kernel(*HANDLERS[:3]) as first:
        client = Asking(first, "sleeps")
        waited(lambda: ask(first, "GET", "sleeps/health")["jobs"]["inProgress"])
        first.kernel.interrupt_kernel()
        client.join(60)
        assert client.told["error"] == "the kernel was interrupted or restarted"
        clients = [Asking(first, "sleeps")]
        waited(lambda: ask(first, "GET", "sleeps/health")["jobs"]["inProgress"])
        clients.append(Asking(first, "echo"))
        waited(lambda: ask(first, "GET", "echo/health")["jobs"]["inQueue"])
        first.kernel.restart_kernel()
        for client in clients:
            client.join(60)
        assert [client.told["status"] for client in clients] == ["FAILED"] * 2
        assert clients[0].told["error"] == "the kernel was interrupted or restarted"
        for code in ("%load_ext rp_notebook", *HANDLERS[:3]):
            first.cell(code)
        again = Place(*url_and_key(first.cell("%runpod serve")))
        client = Asking(again, "sleeps")
        waited(lambda: ask(again, "GET", "sleeps/health")["jobs"]["inProgress"])
        first.kernel.signal_kernel(signal.SIGKILL)
        client.join(60)
        assert isinstance(client.told, Exception)
        with pytest.raises(OSError, match=r"refused|reset"):
            ask(again, "GET", "echo/health")
