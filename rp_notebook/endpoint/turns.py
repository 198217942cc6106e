"""The turn to act on an event loop: its own thread has it, and others may take it while that one waits."""

from __future__ import annotations

import logging
import selectors
import threading
from collections import deque
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Turns(selectors.DefaultSelector):
    """A loop's selector, which gives the turn away while it waits. The loop's thread takes the first one."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Lock()
        self._behind: deque[Callable[[], object]] = deque()

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

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What has come, as ever."""
        self.give()
        try:
            found: list[tuple[selectors.SelectorKey, int]] = super().select(timeout)
        finally:
            self.take()
        return found
