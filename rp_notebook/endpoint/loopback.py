"""An HTTP server on a loopback port with a thread and an event loop of its own."""

from __future__ import annotations

import asyncio
import re
import threading
from asyncio.events import _get_running_loop, _set_running_loop  # exported there for whoever runs a loop
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

from rp_notebook.endpoint.connection import Connection, Matched
from rp_notebook.endpoint.exchange import Exchange
from rp_notebook.endpoint.turns import Turns

T = TypeVar("T")
Route = tuple[str, type[Any], dict[str, Any]]  # a pattern of paths, and what is mixed into an `Exchange` for it
Around = Callable[[], AbstractAsyncContextManager[None]]

LOOPBACK = "127.0.0.1"
PORTS = 65536
BACKLOG = 1024  # clients that come at the same moment
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
        self._routes = [_matched(*route) for route in routes]
        self._last = _matched(".*", *(fallback or (object, {})))
        self._address = address
        self._around = around or _nothing
        self._port = port
        self._thread: threading.Thread | None = None
        self._running: _Running | None = None

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
        """Closes every connection and ends the thread."""
        if self._running is None or self._thread is None:
            return
        self._running.loop.call_soon_threadsafe(self._running.stopping.set)
        self._thread.join()
        self._thread = self._running = None

    def at_once(self, function: Callable[[], None], wakes: Callable[[], bool] = lambda: True) -> None:
        """Calls `function` on the server's loop: in this thread while the server's own waits, else there and later.

        That thread is woken only behind it, which takes longer than a small job, and only if `wakes` then says so: it
        finds what there is to do whenever it goes on.
        """
        loop, turns = self._up().loop, self._up().turns
        if turns.take(blocking=False):
            before = _get_running_loop()
            _set_running_loop(loop)
            try:
                function()
            except Exception as error:  # noqa: BLE001 (as a loop does with its callbacks)
                loop.call_exception_handler({"message": f"{function!r} failed", "exception": error})
            finally:
                _set_running_loop(before)
                turns.give()
            if not wakes():
                return
            function = _no_more
        loop.call_soon_threadsafe(function)

    def behind(self, function: Callable[[], object]) -> None:
        """Calls `function` when this turn of the loop is over, in the thread that has it."""
        self._up().turns.behind(function)

    def call(self, function: Callable[[], T]) -> T:
        """The result of `function`, called on the server's thread: the only one that may touch its queues."""

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
            loop.run_until_complete(self._serve(started, turns))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())

    async def _serve(self, started: Future[_Running], turns: Turns) -> None:
        loop = asyncio.get_running_loop()
        connections: set[Connection] = set()

        def made() -> Connection:
            connection = Connection((*self._routes, self._last), connections.discard)
            connections.add(connection)
            return connection

        stopping = asyncio.Event()
        async with self._around():
            try:
                server = await loop.create_server(made, self._address, self._port, backlog=BACKLOG)
            except OSError as error:
                started.set_exception(error)
                return
            started.set_result(_Running(loop, turns, stopping, server.sockets[0].getsockname()[1]))
            await stopping.wait()
            server.close()
        await _closed(connections)


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


def _matched(pattern: str, route: type[Any], given: dict[str, Any]) -> Matched:
    bases = (Exchange,) if route is object else (route, Exchange)
    return re.compile(pattern), type(route.__name__, bases, {}), given


@asynccontextmanager
async def _nothing() -> AsyncGenerator[None, None]:
    yield


def _no_more() -> None:
    """What was to be done is done: the loop looks at what came of it."""
