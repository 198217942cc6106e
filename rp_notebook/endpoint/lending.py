"""Lends an event loop to the thread of another one, which runs it while it has nothing else to do.

What two threads do for a client takes longer than what one does: each waits for the other to wake, and for the
interpreter.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from rp_notebook.endpoint.turns import Turns

PATIENCE_S = 0.002  # so long, what comes waits for the borrower before its owner takes the loop back
LOOKS_S = 0.004  # so often its owner looks whether it does, while it comes at all
QUIET_S = 0.25  # when the borrower did not come for so long, nothing came, and the owner sleeps until something does


class Lending:
    """Lends `loop`, whose selector `turns` is, to the thread of `borrower`.

    That one comes when a file or a timer of the loop wants it. While it is busy with something else, the owner runs
    the loop itself, until the borrower has time again.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, turns: Turns, borrower: asyncio.AbstractEventLoop) -> None:
        self._loop, self._turns, self._borrower = loop, turns, borrower
        self._bell, self._heard = socket.socketpair()
        self._lent = self._ended = self._reads = False
        self._visits = 0
        self._due_at = math.inf  # by the monotonic clock
        self._timer: asyncio.TimerHandle | None = None

    # the owner's thread

    def lend(self) -> None:
        """Lends the loop for as long as its borrower comes in time; with the turn, and when the loop has stopped."""
        self._lent, self._due_at = True, time.monotonic()
        self._turns.give()
        self._tell(self._begin)
        self._until_overdue()
        self._turns.take()
        self._lent = False
        self._tell(self._ask)

    def _until_overdue(self) -> None:
        visits, quiet_at = self._visits, 0.0
        with selectors.DefaultSelector() as files:
            for file in (self._turns.fileno(), self._heard):
                files.register(file, selectors.EVENT_READ)

            def wanted() -> bool:
                return bool(files.select(0)) or time.monotonic() >= self._due_at

            while not self._ended:
                if time.monotonic() < quiet_at:
                    time.sleep(LOOKS_S)
                else:
                    due_at = self._due_at
                    files.select(None if due_at == math.inf else max(due_at - time.monotonic(), 0) + PATIENCE_S)
                if wanted():
                    before = self._visits
                    time.sleep(PATIENCE_S)
                    if self._visits == before and wanted():
                        return
                if self._visits != visits:
                    visits, quiet_at = self._visits, time.monotonic() + QUIET_S

    def _tell(self, function: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the borrower's loop is closed: it comes no more
            self._borrower.call_soon_threadsafe(function)

    # the borrower's thread

    def end(self) -> None:
        """Gives the loop back for good, before it ends."""
        self._ended = True
        if self._reads:
            self._borrower.remove_reader(self._turns.fileno())
        if self._timer is not None:
            self._timer.cancel()
        self._bell.send(b"\0")

    def close(self) -> None:
        """Closes what it opened, once the owner's thread has ended."""
        self._bell.close()
        self._heard.close()

    def _ask(self) -> None:
        """The borrower has time again, for the first time since the owner took the loop back."""
        if not self._ended:
            self._borrower.remove_reader(self._turns.fileno())
            self._reads = False
            self._loop.call_soon_threadsafe(self._loop.stop)

    def _begin(self) -> None:
        if not (self._reads or self._ended):
            self._borrower.add_reader(self._turns.fileno(), self._visit)
            self._reads = True
        self._visit()

    def _visit(self) -> None:
        if self._ended or not self._turns.take(blocking=False):
            return
        try:
            if not self._lent:
                return
            wait_s = self._turns.visit(self._loop)
            self._visits += 1
        finally:
            self._turns.give()
        self._come_again(wait_s)

    def _come_again(self, wait_s: float | None) -> None:
        self._due_at = math.inf if wait_s is None else time.monotonic() + wait_s
        if wait_s is None:
            return
        now = self._borrower.time()
        if self._timer is not None:
            if now < self._timer.when() <= now + wait_s:
                return
            self._timer.cancel()
        self._timer = self._borrower.call_at(now + wait_s, self._visit)
