"""Where this kernel's handlers can be reached over HTTP, as the status card says it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rp_notebook.endpoint.operations import in_url
from rp_notebook.kernel.session import Session

LOOK_S = 0.5  # the server is on this machine, and another process
KEPT_OUT = (401, 403)  # what our routes say to who has no key; where they are not mounted, it is 404


def addresses(session: Session) -> Iterator[str]:
    """A line for each place that serves the latest handler: `%runpod serve`, and the Jupyter server."""
    if not len(session.handlers):
        return
    name = in_url(session.handlers.chosen(None, {}).name)
    if session.serving is not None:
        url = on_pod(session.serving.port, "/v2") or session.serving.url
        yield f"endpoint {url}/{name}  (%runpod serve shows its key)"
    server = _server(os.environ)
    opens = None if server is None else _opens(server, name)
    if server is not None and opens is not None:
        url = on_pod(server["port"], f"{server['base_url']}runpod/v2") or f"{server['url']}runpod/v2"
        yield f"endpoint {url}/{name}  ({opens})"


def on_pod(port: int, path: str) -> str | None:
    """The public address of a port, where this machine is a Pod."""
    pod = os.environ.get("RUNPOD_POD_ID")
    return f"https://{pod}-{port}.proxy.runpod.net{path}" if pod else None


def _server(environ: Mapping[str, str]) -> Mapping[str, Any] | None:
    """What the Jupyter server that started this kernel says about itself, to who may read its files."""
    from jupyter_core.paths import jupyter_runtime_dir

    path = Path(jupyter_runtime_dir()) / f"jpserver-{environ.get('JPY_PARENT_PID')}.json"
    try:
        told = json.loads(path.read_text())
        return told if {"url", "port", "base_url"} <= {*told} else None
    except (OSError, ValueError, TypeError):
        return None


def _opens(server: Mapping[str, Any], name: str) -> str | None:
    """Which key opens our routes there; None where they are not mounted."""
    import ssl
    from urllib.error import HTTPError
    from urllib.request import HTTPSHandler, ProxyHandler, build_opener

    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # it is told no secret, and has most often signed its own name
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    try:
        opener = build_opener(ProxyHandler({}), HTTPSHandler(context=anyone))
        opener.open(f"{server['url']}runpod/v2/-/health", timeout=LOOK_S).close()
    except HTTPError as told:
        if told.code not in KEPT_OUT:
            return "any key opens it" if told.headers.get_content_type() == "application/json" else None
        has_token = server.get("token")
        return "the Jupyter server's token is its key" if has_token else f"POST /runpod/keys/{name} makes a key"
    except (OSError, ValueError):
        return None
    return None
