"""Tells a client's own server that its job has ended (facts/runpod-contract.md 5.3)."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from tornado.httpclient import HTTPError
from tornado.netutil import DefaultLoopResolver, Resolver
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from rp_notebook.errors import RequestRefused

TRIES = 3
PAUSE_S = 10.0
ANSWERS_S = 30.0
FAILURES = (OSError, HTTPError, ValueError, asyncio.TimeoutError)

IN_URLS = "%!#$&'()*+,/:;=?@[]~"  # what stands in a URL as it is; the rest is written as %20

logger = logging.getLogger(__name__)

PRIVATE = "is not a public address: --private-webhooks (or the setting private_webhooks) allows it"


class Webhooks:
    """Posts to the URLs that clients name. Without `private`, only to addresses that are public.

    Else whoever may start a job could reach what listens on this machine and beside it.
    """

    def __init__(self, *, private: bool, pause_s: float = PAUSE_S) -> None:
        self._private, self._pause_s = private, pause_s
        self._tasks: set[asyncio.Task[None]] = set()

    def refuse(self, url: str) -> None:
        """Raises `RequestRefused` for a URL whose address cannot be told: at once, where the URL itself shows it."""
        host = urlsplit(url).hostname or ""
        if not self._private and (host == "localhost" or not is_public(host, unknown=True)):
            raise RequestRefused(400, f"the webhook's {host} {PRIVATE}")

    def tell(self, url: str, body: bytes) -> None:
        """Posts `body` in the background: again after a failure, three times in all. The log has who was not told."""
        task = asyncio.ensure_future(self._tell(url, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Gives up what has not been told."""
        for task in self._tasks:
            task.cancel()

    async def _tell(self, url: str, body: bytes) -> None:
        why = ""
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(self._pause_s)
            why = await self._trouble(url, body)
            if not why:
                return
        logger.warning("a webhook of %s was not told that its job has ended: %s", urlsplit(url).hostname, why)

    async def _trouble(self, url: str, body: bytes) -> str:
        """Why nobody took it; empty where somebody did."""
        parts = urlsplit(url.strip())
        resolver = DefaultLoopResolver() if self._private else _PublicOnly()
        client = SimpleAsyncHTTPClient(force_instance=True, resolver=resolver)
        try:
            reply = await client.fetch(
                parts._replace(path=quote(parts.path, safe=IN_URLS), query=quote(parts.query, safe=IN_URLS)).geturl(),
                method="POST",
                body=body,
                headers={"Content-Type": "application/json"},
                follow_redirects=False,
                request_timeout=ANSWERS_S,
                raise_error=False,
            )
        except FAILURES as error:
            return str(error) or type(error).__name__
        finally:
            client.close()
        return "" if reply.code == HTTPStatus.OK else f"it answered {reply.code} {reply.reason}"


class _PublicOnly(Resolver):
    """Resolves as ever, and refuses what it finds: a name may stand for another address at each time."""

    async def resolve(self, host: str, port: int, family: Any = socket.AF_UNSPEC) -> list[tuple[int, Any]]:
        found: list[tuple[int, Any]] = await DefaultLoopResolver().resolve(host, port, family)
        if not found or not all(is_public(address[0]) for _, address in found):
            raise OSError(f"{host} {PRIVATE}")
        return found


def is_public(host: str, *, unknown: bool = False) -> bool:
    """Whether an address is one of the whole internet's; `unknown` for a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return unknown
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_global and not address.is_multicast
