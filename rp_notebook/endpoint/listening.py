"""The HTTP server of endpoints on a port of its own, for their clients and their workers, and the key that opens it."""

from __future__ import annotations

import secrets

from rp_notebook.endpoint.client_routes import client_routes
from rp_notebook.endpoint.loopback import LOOPBACK, Loopback
from rp_notebook.endpoint.routes import NoRoute, keyed
from rp_notebook.endpoint.service import Service
from rp_notebook.endpoint.worker_routes import worker_routes

KEY_BYTES = 24


def new_key() -> str:
    """A key that nobody has."""
    return f"rpn_{secrets.token_urlsafe(KEY_BYTES)}"


def listening(service: Service, key: str, port: int, *, address: str = LOOPBACK) -> Loopback:
    """The server of a service, to be started; `port` 0 takes a free one."""
    return Loopback(
        [*client_routes(service, key), *worker_routes(service.endpoints, key)],
        port,
        address=address,
        around=service.running,
        fallback=(NoRoute, {"allowed": keyed(key, lambda name: name)}),
    )


def curl_line(url: str, key: str, body: str) -> str:
    """What to type in a shell for a job on the endpoint at `url`; `body` is its JSON."""
    quoted = body.replace("'", "'\\''")
    headers = f'-H "Authorization: Bearer {key}" -H "Content-Type: application/json"'
    return f"curl -X POST {url}/runsync {headers} -d '{quoted}'"
