"""Traffic: when clients send their jobs."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from random import Random

from rp_notebook.errors import BadInput


@dataclass(frozen=True)
class Traffic:
    """Jobs at random, `rate` a second on average, `burst` at a time; or those of `clients`, if there are any.

    A client sends its next job when the one before is over. Raises `BadInput` for what is no traffic.
    """

    rate: float
    burst: int = 1
    clients: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.rate < math.inf or self.burst < 1 or self.clients < 0:
            raise BadInput("--rate is a number above 0, --burst and --concurrency whole numbers from 1 on")

    def __str__(self) -> str:
        if self.clients:
            return f"{self.clients} client{'s' * (self.clients > 1)}, each with its next job when the last is over"
        together = f", {self.burst} at a time" if self.burst > 1 else ""
        return f"{self.rate:g} job{'s' * (self.rate != 1)} a second at random{together}"


class Arrivals:
    """The jobs of some traffic over `seconds`: the first at 0, and none later than that."""

    def __init__(self, traffic: Traffic, seconds: float, random: Random) -> None:
        self._traffic, self._seconds, self._random = traffic, seconds, random
        self._due = deque([0.0] * (traffic.clients or traffic.burst))

    @property
    def next(self) -> float | None:
        """When the next job comes, in seconds from the start; None where none does, or only after one has ended."""
        return self._due[0] if self._due else None

    def take(self) -> float:
        """Lets the next job come, and returns when."""
        at = self._due.popleft()
        if not self._due and not self._traffic.clients:
            then = at + self._random.expovariate(self._traffic.rate / self._traffic.burst)
            if then < self._seconds:
                self._due.extend([then] * self._traffic.burst)
        return at

    def ended(self, at: float) -> None:
        """A job has ended, and its client sends the next one."""
        if self._traffic.clients and at < self._seconds:
            self._due.append(at)
