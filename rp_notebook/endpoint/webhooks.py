"""Tells a client's own server that its job has ended (facts/runpod-contract.md 5.3)."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

from tornado.httpclient import HTTPError
from tornado.netutil import DefaultLoopResolver, Resolver
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from rp_notebook.errors import RequestRefused

TRIES = 3
PAUSE_S = 10.0
ANSWERS_S = 30.0
FAILURES = (OSError, HTTPError, ValueError, asyncio.TimeoutError)

PRIVATE = "is not a public address: --private-webhooks (or the setting private_webhooks) allows it"


class Webhooks:
    """Posts to the URLs that clients name. Without `private`, only to addresses that are public.

    Else whoever may start a job could reach what listens on this machine and beside it.
    """

    def __init__(self, *, private: bool, pause_s: float = PAUSE_S) -> None:
        self._private, self._pause_s = private, pause_s
        self._tasks: set[asyncio.Task[bool]] = set()

    def refuse(self, url: str) -> None:
        """Raises `RequestRefused` for a URL whose address cannot be told: at once, where the URL itself shows it."""
        host = urlsplit(url).hostname or ""
        if not self._private and (host == "localhost" or not is_public(host, unknown=True)):
            raise RequestRefused(400, f"the webhook's {host} {PRIVATE}")

    def tell(self, url: str, body: bytes) -> None:
        """Posts `body` in the background: again after a failure, three times in all."""
        task = asyncio.ensure_future(self._tell(url, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Gives up what has not been told."""
        for task in self._tasks:
            task.cancel()

    async def _tell(self, url: str, body: bytes) -> bool:
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(self._pause_s)
            if await self._told(url, body):
                return True
        return False

    async def _told(self, url: str, body: bytes) -> bool:
        resolver = DefaultLoopResolver() if self._private else _PublicOnly()
        client = SimpleAsyncHTTPClient(force_instance=True, resolver=resolver)
        try:
            reply = await client.fetch(
                url,
                method="POST",
                body=body,
                headers={"Content-Type": "application/json"},
                follow_redirects=False,
                request_timeout=ANSWERS_S,
                raise_error=False,
            )
        except FAILURES:
            return False
        finally:
            client.close()
        return bool(reply.code == 200)


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
