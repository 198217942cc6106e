"""A server whose loop another thread runs, as the main thread of a kernel does: over real sockets."""

import asyncio
import http.client
import threading
import time

import pytest

from rp_notebook.endpoint.lending import QUIET_S
from rp_notebook.endpoint.loopback import Loopback
from tests.journeys.places import waited


class Who:
    """Answers who answers; `waits`, after some time."""

    async def get(self, name):
        if name == "waits":
            await asyncio.sleep(0.2)
        self.write(threading.current_thread().name.encode())


@pytest.fixture
def borrower():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="borrower")
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def server(borrower):
    with Loopback([("/([^/]+)", Who, {})]) as server:
        there(borrower, lambda: server.lend(borrower))
        yield server
        there(borrower, server.stop)


def there(loop, function):
    async def called():
        return function()

    return asyncio.run_coroutine_threadsafe(called(), loop).result()


def who(server, path="x"):
    host, port = server.url.removeprefix("http://").split(":")
    client = http.client.HTTPConnection(host, int(port), timeout=10)
    client.request("GET", f"/{path}")
    said = client.getresponse().read().decode()
    client.close()
    return said


def until(server, wanted, path="x"):
    """Some request is answered by that thread: a borrower that a machine holds up loses its turn to the owner."""
    latest = time.monotonic() + 30
    while who(server, path) != wanted:
        assert time.monotonic() < latest


def busy(borrower):
    """Keeps the borrower busy until what is returned is set."""
    is_busy, ends = threading.Event(), threading.Event()
    borrower.call_soon_threadsafe(lambda: (is_busy.set(), ends.wait(30)))
    assert is_busy.wait(30)
    return ends


@pytest.mark.parametrize("pause_s", [0.0, 2 * QUIET_S], ids=["while clients come", "after a while"])
def test_the_borrower_answers_and_while_it_is_busy_the_owner_does(server, borrower, pause_s):
    waited(lambda: [who(server) for _ in range(20)].count("borrower") > 15)
    for _ in range(2):
        time.sleep(pause_s)
        ends = busy(borrower)
        assert {who(server) for _ in range(3)} == {"rp-notebook loopback"}
        ends.set()
        until(server, "borrower")


def test_what_waits_for_a_time_goes_on_whoever_has_the_loop(server, borrower):
    until(server, "borrower", "waits")
    ends = threading.Event()
    threading.Timer(0.1, borrower.call_soon_threadsafe, (ends.wait, 10)).start()
    assert who(server, "waits") == "rp-notebook loopback"
    ends.set()


def test_it_is_asked_across_threads_wherever_the_loop_is(server, borrower):
    waited(lambda: server.call(threading.current_thread).name == "borrower")
    done = threading.Event()
    server.at_once(lambda: asyncio.get_running_loop().call_soon(done.set))
    assert done.wait(10)
    assert there(borrower, lambda: server.call(threading.current_thread)).name == "rp-notebook loopback"


def test_a_borrower_that_lends_again_and_again_keeps_nothing(borrower):
    before = threading.active_count(), len(borrower._selector.get_map())
    server = Loopback([("/([^/]+)", Who, {})])
    for asks in (0, 1, 5) * 5:
        server.start()
        there(borrower, lambda: server.lend(borrower))
        for _ in range(asks):
            who(server)
        there(borrower, server.stop)
        assert (threading.active_count(), len(borrower._selector.get_map())) == before


def test_a_borrower_that_ended_leaves_the_loop_to_its_owner():
    ended = asyncio.new_event_loop()
    with Loopback([("/([^/]+)", Who, {})]) as server:
        server.lend(ended)
        ended.run_until_complete(asyncio.sleep(0.05))
        ended.close()
        assert [who(server) for _ in range(3)] == ["rp-notebook loopback"] * 3
