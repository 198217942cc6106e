"""Keeps a window's event loop (`%gui`) away while jobs run: it lets nothing but the kernel's next message go on."""

from __future__ import annotations

import asyncio
from typing import Any

AWAY_S = 0.02  # ipykernel enters it 0.001 s after it was set, and may have that due still


class Window:
    """The window's loop of `kernel`, if there is one; for the main thread."""

    def __init__(self, kernel: Any, shell: Any) -> None:
        self._kernel, self._shell = kernel, shell
        self._held: tuple[Any, str | None] | None = None
        self._due: asyncio.TimerHandle | None = None

    def hold(self) -> None:
        """From now on only the kernel's own loop runs."""
        if self._due is not None:
            self._due.cancel()
        if self._kernel.eventloop is not None:
            self._held = self._kernel.eventloop, self._shell.active_eventloop
            self._kernel.eventloop = None

    def release(self) -> None:
        """The window goes on, in a moment."""
        if self._held is not None:
            self._due = self._kernel.io_loop.asyncio_loop.call_later(AWAY_S, self._again)

    def _again(self) -> None:
        held, self._held = self._held, None
        if held is not None and held[1] == self._shell.active_eventloop:  # no cell has chosen another one, or none
            self._kernel.eventloop = held[0]
