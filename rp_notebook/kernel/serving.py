"""The endpoint of this kernel on a port of its own: a thread answers, and hands jobs to the pump."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial

from rp_notebook.endpoint.endpoint import Endpoint
from rp_notebook.endpoint.listening import listening, new_key
from rp_notebook.endpoint.loopback import LOOPBACK
from rp_notebook.endpoint.own_calls import OWN_CELL, OWN_JOB, Sparing, fail_own_call, is_own_call
from rp_notebook.endpoint.seat import Seat
from rp_notebook.endpoint.service import Service
from rp_notebook.jobs.handlers import Handlers
from rp_notebook.jobs.posts import Post
from rp_notebook.jobs.request import Request
from rp_notebook.kernel.pump import Order, Pump

WORKER = "notebook"
SOON_S = 0.005
SAID_S = 5.0


class Serving:
    """The HTTP server of one kernel; its routes are those of the platform. Raises `OSError` when the port is taken."""

    def __init__(
        self,
        handlers: Handlers,
        pump: Pump,
        *,
        port: int = 0,
        address: str = LOOPBACK,
        key: str | None = None,
        rate_limits: bool = False,
        private_webhooks: bool = False,
        allow_origin: str | None = None,
        lends: bool = False,
    ) -> None:
        self.key = key or new_key()
        self.terms = (rate_limits, private_webhooks, allow_origin)
        self._pump = pump
        self._said_at = 0.0
        self._sparing = Sparing()
        service = Service(
            handlers.__contains__,
            time.time,
            timeout_s=handlers.timeout_of,
            made=self._seated,
            asking=self._asked,
            names=lambda: [handler.name for handler in handlers],
            rate_limits=rate_limits,
            private_webhooks=private_webhooks,
            allow_origin=allow_origin,
        )
        self._endpoints = service.endpoints
        self._server = listening(service, self.key, port, address=address)
        self._server.start()
        if lends:
            self._server.lend(pump.loop)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.url.rsplit(":", 1)[1])

    @property
    def url(self) -> str:
        """The base of all endpoints, as `http://127.0.0.1:PORT/v2`."""
        return f"{self._server.url}/v2"

    def stop(self) -> None:
        """Ends it: who waits is told, what runs is ended."""
        self._server.stop()

    def held(self) -> list[str]:
        """The ids of the jobs that wait or run, for their clients."""
        return self._server.call(lambda: [*self._endpoints.open_jobs()])

    def cancel(self, job_id: str) -> bool | None:
        """Cancels a job as its client would: whether it had begun; None for one that is not open."""

        def act() -> bool | None:
            endpoint = self._endpoints.open_jobs().get(job_id)
            if endpoint is None:
                return None
            endpoint.cancel(job_id)
            return endpoint.entry(job_id).job.started_at is not None

        return self._server.call(act)

    def _asked(self, endpoint: Endpoint, job_id: str, port: int) -> None:
        """Who waits for its own kernel would wait for ever: a cell is told so, and after a while answered so."""
        if self._pump.in_cell:
            self._sparing(lambda: self._search(endpoint, job_id, port))
        elif self._pump.in_job:
            self._sparing(lambda: fail_own_call(endpoint, job_id, port, os.getpid(), OWN_JOB))

    def _search(self, endpoint: Endpoint, job_id: str, port: int) -> None:
        fail_own_call(endpoint, job_id, port, os.getpid())
        if time.monotonic() - self._said_at > SAID_S and is_own_call(endpoint, job_id, port, os.getpid()):
            self._said_at = time.monotonic()
            print(OWN_CELL, file=sys.stderr)  # noqa: T201 (below the cell that waits)

    def _seated(self, endpoint: Endpoint) -> None:
        loop = asyncio.get_running_loop()
        context = copy_context()  # that of a job would go with the next one

        def send(request: Request) -> None:
            outlet.look_soon()
            # Behind the turn: the thread that it wakes may want to take the next one before this one sleeps.
            order = Order(endpoint.name, request, outlet)
            self._server.behind(lambda: context.copy().run(self._pump.offer, order))

        seat = Seat(endpoint.queue, WORKER, send, self._pump.stop)
        outlet = _Across(seat, loop, self._server.at_once)
        endpoint.queue.subscribe(seat.look)


class _Across:
    """Takes what the pump says to the seat's own thread, or hears it in its stead.

    Waking a thread costs more than a small job: it looks again `SOON_S` after one was sent, and until then need not
    hear that it began, nor that somebody was answered.
    """

    def __init__(self, seat: Seat, loop: asyncio.AbstractEventLoop, at_once: Callable[..., None]) -> None:
        self._seat, self._loop, self._at_once = seat, loop, at_once
        self._said: deque[Callable[[], None]] = deque()
        self._looks_at = 0.0

    def look_soon(self) -> None:
        """A job is about to be sent."""
        self._looks_at = time.monotonic() + SOON_S
        self._loop.call_later(SOON_S, self._look)

    def began(self, job_id: str, capacity: int, at: float) -> None:
        self._said.append(partial(self._seat.began, job_id, capacity, at))
        if time.monotonic() > self._looks_at:
            self._wake()

    def posted(self, job_id: str, post: Post) -> None:
        self._said.append(partial(self._seat.posted, job_id, post))
        looks_at = self._looks_at
        with suppress(RuntimeError):
            self._at_once(self._look, lambda: self._looks_at != looks_at or time.monotonic() > looks_at)

    def ended(self, job_id: str, why: str | None, *, cancelled: bool = False) -> None:
        self._said.append(partial(self._seat.ended, job_id, why, cancelled=cancelled))
        self._wake()

    def refused(self, job_id: str, why: str) -> None:
        self._said.append(partial(self._seat.refused, job_id, why))
        self._wake()

    def withdrawn(self, job_id: str) -> None:
        self._said.append(partial(self._seat.withdrawn, job_id))
        self._wake()

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the server has been stopped, and has told its clients so
            self._loop.call_soon_threadsafe(self._look)

    def _look(self) -> None:
        while self._said:
            self._said.popleft()()
