"""The kernels of a Jupyter server and the endpoints of their handlers."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

from rp_notebook import wire
from rp_notebook.endpoint.asked import Parsed
from rp_notebook.endpoint.endpoint import Endpoint
from rp_notebook.endpoint.own_calls import Sparing, fail_own_call
from rp_notebook.endpoint.seat import Seat
from rp_notebook.endpoint.service import Service
from rp_notebook.endpoint.ticking import woken
from rp_notebook.errors import RequestRefused
from rp_notebook.jobs.interrupts import Reason
from rp_notebook.jobs.request import Request
from rp_notebook.server.known import Known, tell
from rp_notebook.server.link import Link
from rp_notebook.server.managed import is_alive, is_reachable, process_of, speaks_python, state_of

LOOK_S = 0.5  # how often a kernel with jobs is looked at
SOON_S = 0.01  # after one has ended its pipe, which is most often there again in a moment
FRESH_S = 1.0  # so long, what was found out about kernels is believed
TO_TYPE = "%load_ext rp_notebook"
ENDED, RESTARTED = "the kernel died, or was restarted", "the kernel was restarted"
GONE = "the kernel was shut down"


logger = logging.getLogger(__name__)


class Kernels:
    """Finds the endpoint that a client names, over `manager`, the server's kernel manager."""

    def __init__(self, manager: Any, *, rate_limits: bool, private_webhooks: bool) -> None:
        self._manager = manager
        self.service = Service(
            lambda key: self._split(key) is not None,
            time.time,
            timeout_s=self._timeout_s,
            made=self._made,
            asking=self._asked,
            rate_limits=rate_limits,
            private_webhooks=private_webhooks,
        )
        self._known: dict[str, Known] = {}
        self._found: dict[str, tuple[float, str]] = {}
        self._turn = asyncio.Lock()
        self._cut = asyncio.Event()
        self._sparing = Sparing()

    async def endpoint(self, name: str, *, for_jobs: bool) -> Endpoint:
        """The endpoint `HANDLER` or `KERNEL.HANDLER`; one whose kernel has begun anew is not there `for_jobs`.

        Raises `RequestRefused`: 404 or 409, and what to type.
        """
        at, key = self._found.get(name, (0.0, ""))
        if time.monotonic() - at > FRESH_S or key.partition("/")[0] not in self._manager:
            try:
                async with self._turn:
                    key = await self._key(name)
            except RequestRefused:
                left = [key for key in self.service.endpoints if key.endswith(f"/{name}") and self._split(key)]
                if for_jobs or len(left) != 1:
                    raise
                key = left[0]
            else:
                if not self._is_silent(key.partition("/")[0]):
                    self._found[name] = time.monotonic(), key
        found = self.service.endpoints.endpoint(key)
        assert found is not None  # its kernel is known
        return found

    async def watch(self) -> None:
        """Looks after kernels that have jobs, for ever."""
        pause = LOOK_S
        while True:
            if await woken(self._cut, pause):
                self._cut.clear()
                pause = SOON_S
            pause = min(2 * pause, LOOK_S)
            for kernel_id in tuple(self._known):
                async with self._turn:
                    try:
                        await self._look(kernel_id)
                    except Exception:  # our own mistake, or Jupyter's: the others are looked after, and it is again
                        logger.exception("kernel %s cannot be looked at", kernel_id)

    async def close(self) -> None:
        """Leaves every kernel."""
        for known in self._known.values():
            await known.link.close()
        self._known.clear()
        self._found.clear()

    async def _key(self, name: str) -> str:
        kernel_ids = self._manager.list_kernel_ids()
        handlers = dict(zip(kernel_ids, await asyncio.gather(*map(self._handlers, kernel_ids)), strict=True))
        kernel, _, rest = name.partition(".")
        having = [kernel_id for kernel_id, names in handlers.items() if names is not None and name in names]
        if not having and rest:
            meant = [kernel_id for kernel_id in handlers if kernel_id.startswith(kernel)]
            having = [kernel_id for kernel_id in meant if rest in (handlers[kernel_id] or ())]
            handlers, name = {kernel_id: handlers[kernel_id] for kernel_id in meant}, rest
        have = "have" if having else "are too busy to say whether they have"
        having = having or [kernel_id for kernel_id in handlers if self._is_silent(kernel_id)]
        if len(having) > 1:
            choices = ", ".join(f"{kernel_id[:8]}.{name[:80]}" for kernel_id in having)
            raise RequestRefused(409, f"several kernels {have} a handler {name[:80]!r}: ask for one of {choices}")
        if not having:
            raise _nobody(name, handlers)
        (kernel_id,) = having
        return f"{kernel_id}/{name}"

    async def _handlers(self, kernel_id: str) -> frozenset[str] | None:
        """The handlers of a kernel, as it says now, or said last if it is slow; None when it does not know us."""
        await self._look(kernel_id)
        if kernel_id not in self._manager:  # any more
            return None
        kernel = self._manager.get_kernel(kernel_id)
        known = self._known.get(kernel_id)
        if known is not None:
            known.silent = False
        if not await is_reachable(kernel):
            return None
        if known is None:
            known = self._known[kernel_id] = self._linked(kernel_id, kernel)
        with suppress(asyncio.TimeoutError):
            await known.link.handlers()
        known.silent = not known.link.has_said and speaks_python(kernel)
        return known.link.said

    def _is_silent(self, kernel_id: str) -> bool:
        known = self._known.get(kernel_id)
        return known is not None and known.silent

    def _linked(self, kernel_id: str, kernel: Any) -> Known:
        def heard(handler: str, said: wire.Said) -> None:
            kernel.last_activity = datetime.now(timezone.utc)  # Jupyter may end kernels that do nothing
            known = self._known.get(kernel_id)
            seat = known.seats.get(handler) if known is not None else None
            if known is not None and seat is not None:
                tell(seat, said)
                if isinstance(said, wire.Began):
                    known.timeouts[handler] = said.timeout_s

        def lost() -> None:
            for seat in self._known[kernel_id].seats.values():
                seat.gone("a message of the kernel was lost: it says more than this server takes")
                seat.back()

        def cut() -> None:
            known = self._known[kernel_id]
            for seat in known.seats.values():
                seat.gone(ENDED)
            known.present = False  # until it is looked at
            self._cut.set()

        return Known(Link(kernel.get_connection_info(session=False), heard, lost, cut), process_of(kernel))

    async def _look(self, kernel_id: str) -> None:
        """Whether a kernel that we know is still the one that it was; what ran there has failed if not."""
        known = self._known.get(kernel_id)
        if known is None:
            return
        if kernel_id not in self._manager:
            await self._left(kernel_id, GONE)
            for seat in known.seats.values():
                seat.close(GONE)
            return
        kernel = self._manager.get_kernel(kernel_id)
        if not await is_alive(kernel):
            if known.process is not None:
                await self._again(kernel_id, kernel, known, ENDED)
                self._known[kernel_id].process = None  # whatever comes is another
        elif process_of(kernel) != known.process:
            await self._again(kernel_id, kernel, known, RESTARTED)
        elif not known.present or (state_of(kernel) == "idle" and known.has_sent):
            with suppress(asyncio.TimeoutError):
                known.attend(await known.link.handlers() or frozenset())

    async def _left(self, kernel_id: str, why: str) -> None:
        known = self._known.pop(kernel_id)
        for seat in known.seats.values():
            seat.gone(why)
        self._found.clear()
        await known.link.close()

    async def _again(self, kernel_id: str, kernel: Any, before: Known, why: str) -> None:
        """Another process stands behind the id, or none does: a new link, since the old may still hold messages."""
        await self._left(kernel_id, why)
        known = self._known[kernel_id] = self._linked(kernel_id, kernel)
        known.seats, known.had, known.present = before.seats, before.had, False

    def _made(self, endpoint: Endpoint) -> None:
        kernel_id, handler = endpoint.name.split("/", 1)

        def send(request: Request) -> None:
            if isinstance(request, Parsed):
                request.forget()
            self._known[kernel_id].link.send(handler, request)

        def stop(job_id: str, reason: Reason) -> None:
            if kernel_id in self._known:
                self._known[kernel_id].link.stop(job_id, reason)

        known = self._known[kernel_id]
        seat = known.seats[handler] = Seat(endpoint.queue, f"kernel-{kernel_id[:8]}", send, stop)
        if handler in (known.link.said or ()):
            known.had.add(handler)
        else:
            seat.gone(ENDED)  # until the kernel says that it has the handler
            known.present = False
        endpoint.queue.subscribe(seat.look)

    def _asked(self, endpoint: Endpoint, job_id: str, port: int) -> None:
        """A cell may call the endpoint of its own kernel."""
        kernel_id, _, _ = endpoint.name.partition("/")
        kernel = self._manager.get_kernel(kernel_id) if kernel_id in self._manager else None
        pid = process_of(kernel)
        if state_of(kernel) == "busy" and isinstance(pid, int):
            self._sparing(lambda: fail_own_call(endpoint, job_id, port, pid))

    def _split(self, key: str) -> tuple[str, str] | None:
        kernel_id, _, handler = key.partition("/")
        return (kernel_id, handler) if kernel_id in self._known else None

    def _timeout_s(self, key: str) -> float | None:
        kernel_id, _, handler = key.partition("/")
        known = self._known.get(kernel_id)
        return None if known is None else known.timeouts.get(handler)


def _nobody(name: str, handlers: dict[str, frozenset[str] | None]) -> RequestRefused:
    strangers = [kernel_id for kernel_id, names in handlers.items() if names is None]
    known = sorted({handler for names in handlers.values() for handler in names or ()})
    if strangers:
        which = ", ".join(kernel_id[:8] for kernel_id in strangers)
        return RequestRefused(
            409,
            f"no kernel that has the extension has a handler {name[:80]!r}; in the notebook of kernel {which}, "
            f"type {TO_TYPE} and run the cell that begins with %%runpod_handler",
        )
    there = f"there are: {', '.join(known)}" if known else "begin a cell with %%runpod_handler"
    return RequestRefused(404, f"there is no handler {name[:80]!r}; {there}")
