"""Everything that routes need of their server: endpoints, who may call, how often, and whom to tell."""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager

from rp_notebook.endpoint.asked import Asked
from rp_notebook.endpoint.endpoint import Endpoint
from rp_notebook.endpoint.endpoints import Endpoints, Made
from rp_notebook.endpoint.rates import Rates
from rp_notebook.endpoint.ticking import ticking
from rp_notebook.endpoint.webhooks import Webhooks
from rp_notebook.errors import BadInput
from rp_notebook.jobs.runner import Clock

ANSWERED_S = 1.0  # how long a server that stops lets its open requests be answered
STOPPED = "the endpoint was stopped"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


class Service:
    """`endpoints` under their names, with webhooks and, if `rate_limits`, the platform's limits on calls."""

    def __init__(
        self,
        known: Callable[[str], bool],
        clock: Clock,
        *,
        timeout_s: Callable[[str], float | None] = lambda _name: None,
        made: Made = lambda _endpoint: None,
        asking: Callable[[Endpoint, str, int], None] = lambda _endpoint, _job_id, _port: None,
        names: Callable[[], Iterable[str]] = tuple,
        rate_limits: bool = False,
        private_webhooks: bool = False,
        allow_origin: str | None = None,
    ) -> None:
        self.endpoints = Endpoints(known, clock, timeout_s=timeout_s, made=made, finished=self._finished)
        self.webhooks = Webhooks(private=private_webhooks)
        self.names = names  # of the endpoints that there are, to who asks for another
        self.asking = asking  # hears which job a client asks about, and from which port
        self.origin = None if allow_origin is None else origin_of(allow_origin)  # of web pages that may call
        self.open = 0  # requests that are being answered
        self._clock = clock
        self._rates: dict[str, Rates] | None = {} if rate_limits else None

    def enter(self, endpoint: Endpoint, operation: str) -> Callable[[], None]:
        """A call begins; the returned function ends it. Raises `RequestRefused` over a limit."""
        leave = _nothing
        if self._rates is not None:
            leave = self._rates.setdefault(endpoint.name, Rates(self._clock)).enter(operation)
        self.open += 1

        def end() -> None:
            self.open -= 1
            leave()

        return end

    @asynccontextmanager
    async def running(self, why: str = STOPPED) -> AsyncGenerator[None, None]:
        """While the block runs, time passes; then every job ends as FAILED with `why`, and who waits is told."""
        async with ticking(self.endpoints, self._clock):
            yield
        self.endpoints.close(why)
        clock = asyncio.get_running_loop().time
        latest = clock() + ANSWERED_S
        while self.open and clock() < latest:
            await asyncio.sleep(0.01)
        self.webhooks.close()

    def _finished(self, asked: Asked, status: Callable[[], bytes]) -> None:
        if asked.webhook is not None:
            self.webhooks.tell(asked.webhook, status())


def origin_of(text: str) -> str:
    """The origin of a web page as a browser writes it, or `*`. Raises `BadInput` for anything else."""
    origin = text.strip().rstrip("/").lower()
    if origin != "*" and not _ORIGIN.fullmatch(origin):
        raise BadInput(
            f"{text[:80]!r} is no origin of a web page: write http://localhost:5173 as a browser shows it, or *"
        )
    return origin


def holds_key(authorization: str | None, key: str) -> bool:
    """Whether a header holds the key, bare or as `Bearer`."""
    scheme, _, rest = (authorization or "").strip().partition(" ")
    given = rest.strip() if scheme.lower() == "bearer" and rest else (authorization or "").strip()
    return hmac.compare_digest(given.encode(), key.encode())


def _nothing() -> None:
    """Ends a call that nobody counts."""
