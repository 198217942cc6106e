"""An HTTP server on a loopback port with a thread and an event loop of its own."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from rp_notebook.endpoint.connection import Connection, Matched
from rp_notebook.endpoint.exchange import Exchange
from rp_notebook.endpoint.lending import Lending
from rp_notebook.endpoint.transport import accepting
from rp_notebook.endpoint.turns import Turns, running

T = TypeVar("T")
Route = tuple[str, type[Any], dict[str, Any]]  # a pattern of paths, and what is mixed into an `Exchange` for it
Routed = tuple[re.Pattern[str], type[Exchange], dict[str, Any]]
Around = Callable[[], AbstractAsyncContextManager[None]]

LOOPBACK = "127.0.0.1"
PORTS = 65536
BACKLOG = 1024  # clients that come at the same moment
ASKED_OFTEN = 64  # paths whose route is remembered
FLUSHED_S = 1.0  # how long a server that stops lets clients take what they were answered


@dataclass(frozen=True)
class _Running:
    loop: asyncio.AbstractEventLoop
    turns: Turns
    stopping: asyncio.Event
    port: int


class Loopback:
    """An HTTP server on 127.0.0.1 with a thread and an event loop of its own.

    `port` 0 takes a free one; `address` may be another than that of the loopback. `around` is entered on the server's
    loop when it listens; it is left when it takes no more connections, before the open ones are closed. `fallback`
    answers what no route matches. Use it as a context manager, or `start` and `stop`, which may be repeated; after
    `stop` no thread, socket or loop is left.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        port: int = 0,
        *,
        address: str = LOOPBACK,
        around: Around | None = None,
        fallback: tuple[type[Any], dict[str, Any]] | None = None,
    ) -> None:
        self._routes = [_routed(*route) for route in routes]
        self._last = _routed(".*", *(fallback or (object, {})))
        self._address = address
        self._around = around or _nothing
        self._port = port
        self._thread: threading.Thread | None = None
        self._running: _Running | None = None
        self._lending: Lending | None = None

    @property
    def url(self) -> str:
        """Where it listens, as `http://127.0.0.1:PORT`; raises `RuntimeError` while it does not."""
        return f"http://{LOOPBACK}:{self._up().port}"

    def start(self) -> None:
        """Listens. Raises `OSError` when the port cannot be used: taken, privileged, out of range."""
        if self._running is not None:
            return
        if not 0 <= self._port < PORTS:  # the system may take its lower bits
            raise OSError(f"a port is a number from 0 to {PORTS - 1}")
        started: Future[_Running] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="rp-notebook loopback", daemon=True)
        self._thread.start()
        try:
            self._running = started.result()
        except OSError:
            self._thread.join()
            raise

    def stop(self) -> None:
        """Closes every connection and ends the thread. Call it in the borrower's thread, if there is one."""
        if self._running is None or self._thread is None:
            return
        lending, self._lending = self._lending, None
        if lending is not None:
            lending.end()
        self._running.loop.call_soon_threadsafe(self._running.stopping.set)
        self._thread.join()
        self._thread = self._running = None
        if lending is not None:
            lending.close()

    def lend(self, borrower: asyncio.AbstractEventLoop) -> None:
        """Until `stop`, has the thread of another loop, in which this is called, serve while it does nothing else."""
        up = self._up()
        if self._lending is None and hasattr(up.turns, "fileno"):  # not on Windows
            self._lending = Lending(up.loop, up.turns, borrower)
            up.loop.call_soon_threadsafe(up.loop.stop)

    def at_once(self, function: Callable[[], None], wakes: Callable[[], bool] = lambda: True) -> None:
        """Calls `function` on the server's loop: in this thread while the server's own waits, else there and later.

        That thread is woken only behind it, which takes longer than a small job, and only if `wakes` then says so: it
        finds what there is to do whenever it goes on.
        """
        up = self._up()
        if up.turns.take(blocking=False):
            try:
                with running(up.loop):
                    function()
            except Exception as error:  # noqa: BLE001 (as a loop does with its callbacks)
                up.loop.call_exception_handler({"message": f"{function!r} failed", "exception": error})
            finally:
                up.turns.give()
            if not wakes():
                return
            function = _no_more
        up.loop.call_soon_threadsafe(function)

    def behind(self, function: Callable[[], object]) -> None:
        """Calls `function` when this turn of the loop is over, in the thread that has it."""
        self._up().turns.behind(function)

    def call(self, function: Callable[[], T]) -> T:
        """The result of `function`, called on the server's loop: nothing else may touch its queues.

        By whoever has the loop then: Ctrl-C, which may end the waiting here, cannot end that.
        """

        async def called() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(called(), self._up().loop).result()

    def __enter__(self) -> Loopback:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _up(self) -> _Running:
        if self._running is None:
            raise RuntimeError("the server is not running: call start()")
        return self._running

    def _run(self, started: Future[_Running]) -> None:
        """As `asyncio.run`, which takes no selector."""
        turns = Turns()
        turns.take()
        with closing(asyncio.SelectorEventLoop(turns)) as loop:
            loop.set_debug(False)  # it would refuse other threads that have the turn
            serving = loop.create_task(self._serve(started, turns))
            serving.add_done_callback(lambda _: loop.stop())
            loop.run_forever()
            while not serving.done():  # it was stopped to be lent
                if self._lending is not None:
                    self._lending.lend()
                loop.run_forever()
            serving.result()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())

    async def _serve(self, started: Future[_Running], turns: Turns) -> None:
        loop = asyncio.get_running_loop()
        connections: set[Connection] = set()
        match = lru_cache(ASKED_OFTEN)(self._match)

        def made() -> Connection:
            connection = Connection(match, connections.discard)
            connections.add(connection)
            return connection

        stopping = asyncio.Event()
        async with self._around():
            try:
                listener = socket.create_server((self._address, self._port), backlog=BACKLOG)
            except OSError as error:
                started.set_exception(error)
                return
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # which its clients inherit
            end_accepting = accepting(loop, listener, made)
            started.set_result(_Running(loop, turns, stopping, listener.getsockname()[1]))
            await stopping.wait()
            end_accepting()
        await _closed(connections)

    def _match(self, path: str) -> Matched:
        found, route, given = next(
            (found, route, given)
            for pattern, route, given in (*self._routes, self._last)
            if (found := pattern.fullmatch(path))
        )
        groups = [unquote_to_bytes(group.encode("latin-1")).decode(errors="replace") for group in found.groups()]
        return groups, route, given


async def _closed(connections: set[Connection]) -> None:
    for connection in tuple(connections):
        connection.close()
    clock = asyncio.get_running_loop().time
    latest = clock() + FLUSHED_S
    while connections:
        if clock() > latest:
            for connection in tuple(connections):
                connection.abort()
        await asyncio.sleep(0.001)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def _routed(pattern: str, route: type[Any], given: dict[str, Any]) -> Routed:
    bases = (Exchange,) if route is object else (route, Exchange)
    return re.compile(pattern), type(route.__name__, bases, {}), given


@asynccontextmanager
async def _nothing() -> AsyncGenerator[None, None]:
    yield


def _no_more() -> None:
    """What was to be done is done: the loop looks at what came of it."""
