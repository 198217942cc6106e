"""The turn to act on an event loop: its own thread has it, and others may take it while that one waits."""

from __future__ import annotations

import asyncio
import logging
import selectors
import threading
from asyncio.events import _get_running_loop, _set_running_loop  # exported there for whoever runs a loop
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ROUNDS = 8  # of the loop, that a visit takes at most: who visits has other things to do

logger = logging.getLogger(__name__)


class Turns(selectors.DefaultSelector):
    """A loop's selector, which gives the turn away while it waits. The loop's thread takes the first one."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Lock()
        self._behind: deque[Callable[[], object]] = deque()
        self._visited: asyncio.AbstractEventLoop | None = None
        self._rounds = 0
        self._wait_s: float | None = None

    def take(self, *, blocking: bool = True) -> bool:
        """Takes the turn; whether it could."""
        return self._turn.acquire(blocking=blocking)

    def give(self) -> None:
        """Gives the turn away, and then does what is to be done behind it."""
        self._turn.release()
        while self._behind:
            try:
                function = self._behind.popleft()
            except IndexError:  # who has the turn by now was quicker
                return
            try:
                function()
            except Exception:
                logger.exception("what was to be done behind a turn failed")

    def behind(self, function: Callable[[], object]) -> None:
        """Has `function` called, by whoever has the turn, when it is over: whom it wakes can take the next one."""
        self._behind.append(function)

    def visit(self, loop: asyncio.AbstractEventLoop) -> float | None:
        """Runs the loop, which nobody else runs, in this thread, which has the turn, until it would wait.

        Returns for how many seconds it would; 0 where a visit would take too long, None where only a file can wake it.
        """
        self._visited, self._rounds = loop, 0
        with running(None):
            try:
                loop.run_forever()
            finally:
                self._visited = None
        return self._wait_s

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What has come, as ever; in a visit, what is there without waiting, and that once."""
        if self._visited is not None:
            return self._visiting(self._visited, timeout)
        self.give()
        try:
            found: list[tuple[selectors.SelectorKey, int]] = super().select(timeout)
        finally:
            self.take()
        return found

    def _visiting(
        self, loop: asyncio.AbstractEventLoop, timeout: float | None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        self._rounds += 1
        found = super().select(0) if self._rounds == 1 else []
        if not found and (timeout != 0 or self._behind or self._rounds > ROUNDS):
            self._wait_s = timeout
            loop.stop()
        return found


@contextmanager
def running(loop: asyncio.AbstractEventLoop | None) -> Iterator[None]:
    """Has `asyncio.get_running_loop` find this loop in the block."""
    before = _get_running_loop()
    _set_running_loop(loop)
    try:
        yield
    finally:
        _set_running_loop(before)
