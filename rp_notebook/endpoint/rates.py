"""How often a client may call, as the platform limits it (facts/runpod-contract.md 5.7)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType

from rp_notebook.errors import RequestRefused

WINDOW_S = 10.0
# Calls in ten seconds, and at the same time. What more workers allow is not documented.
LIMITS: Mapping[str, tuple[int, int | None]] = MappingProxyType(
    {
        "runsync": (2000, 400),
        "run": (1000, 200),
        "status": (2000, 400),
        "stream": (2000, 400),
        "cancel": (100, 20),
        "purge-queue": (2, None),
        "openai": (2000, 400),
        "requests": (10, 2),
    }
)


class Rates:
    """The calls to one endpoint. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._calls: dict[str, deque[float]] = {}
        self._open: dict[str, int] = {}

    def enter(self, operation: str) -> Callable[[], None]:
        """A call begins; the returned function ends it. Raises `RequestRefused` with 429 over a limit."""
        most, at_once = LIMITS.get(operation, (None, None))
        if most is None:
            return lambda: None
        now, calls = self._clock(), self._calls.setdefault(operation, deque())
        while calls and calls[0] <= now - WINDOW_S:
            calls.popleft()
        if len(calls) >= most:
            raise RequestRefused(429, f"more than {most} calls of /{operation} in {WINDOW_S:g} seconds")
        if at_once is not None and self._open.get(operation, 0) >= at_once:
            raise RequestRefused(429, f"more than {at_once} calls of /{operation} at a time")
        calls.append(now)
        self._open[operation] = self._open.get(operation, 0) + 1

        def leave() -> None:
            self._open[operation] -= 1

        return leave
