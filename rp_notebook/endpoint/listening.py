"""The HTTP server of endpoints on a port of its own, for their clients and their workers, and the key that opens it."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from typing import Any

from rp_notebook.endpoint.client_routes import client_routes
from rp_notebook.endpoint.loopback import LOOPBACK, Loopback
from rp_notebook.endpoint.operations import in_url
from rp_notebook.endpoint.routes import NoRoute, keyed
from rp_notebook.endpoint.service import Service
from rp_notebook.endpoint.worker_routes import worker_routes
from rp_notebook.errors import BadInput

KEY_BYTES = 24
SHOWN_INPUT = 200  # characters of an input that is written into a line to type


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
        fallback=(NoRoute, {"allowed": keyed(key, lambda name: name), "origin": service.origin}),
    )


def unusable(port: int, error: OSError) -> BadInput:
    """What to tell of a port on which nobody could listen."""
    why = os.strerror(error.errno) if error.errno is not None else error
    return BadInput(f"port {port} cannot be used ({why}): name another, or none")


def client_lines(url: str, name: str, key: str, given: Any) -> Iterator[str]:
    """What to type for a job with that input on an endpoint below `url`: in a shell, and in Python."""
    body = json.dumps({"input": given}).replace("'", "'\\''")
    headers = f'-H "Authorization: Bearer {key}" -H "Content-Type: application/json"'
    name = in_url(name)
    yield f"curl -X POST {url}/{name}/runsync {headers} -d '{body}'"
    yield f'import os; os.environ["RUNPOD_ENDPOINT_BASE_URL"] = "{url}"; import runpod'
    asked = f'{{"input": {given!r}}}' if given else "{}"  # RunPod's client takes an empty input for none, and adds one
    yield f'runpod.Endpoint("{name}", api_key="{key}").run_sync({asked})'
