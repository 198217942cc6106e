"""`%runpod serve`: the endpoint of this kernel for every HTTP client, and what to type there."""

from __future__ import annotations

import atexit
import json
import os
from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import Any

from rp_notebook.endpoint.listening import SHOWN_INPUT, client_lines, unusable
from rp_notebook.endpoint.operations import in_url
from rp_notebook.endpoint.own_calls import OWN_CELL
from rp_notebook.errors import BadInput, UnknownHandler
from rp_notebook.jobs.flag_parser import FlagParser
from rp_notebook.jobs.query import Query
from rp_notebook.kernel.addresses import on_pod
from rp_notebook.kernel.foreground import foreground
from rp_notebook.kernel.keys import keys_of
from rp_notebook.kernel.linking import pump_of
from rp_notebook.kernel.serving import Serving
from rp_notebook.kernel.session import Session
from rp_notebook.panel.form import sample_of
from rp_notebook.panel.report import Report

ANYWHERE = "0.0.0.0"


def serve_flags() -> FlagParser:
    """The flags of `%runpod serve`."""
    parser = FlagParser(prog="%runpod serve", add_help=False, description="The RunPod endpoint of this kernel.")
    parser.add_argument("--port", type=int, metavar="P", help="the port (default: a free one)")
    parser.add_argument("--stop", action="store_true", help="end it; its key is worth nothing then")
    parser.add_argument("--rate-limits", action="store_true", help="limit the calls as the platform does")
    parser.add_argument("--private-webhooks", action="store_true", help="let webhooks reach addresses of this network")
    parser.add_argument("--allow-origin", metavar="ORIGIN", help="let web pages of this origin call it (*: of any)")
    return parser


def serve(session: Session, flags: Namespace) -> Report:
    """Starts, shows or stops the endpoint. Raises `BadInput` when the port cannot be used.

    In a terminal it serves until Ctrl-C.
    """
    if flags.stop:
        session.served = 0, None
        return Report("STOPPED", "dim", "the endpoint" if _stopped(session) else "there was no endpoint")
    if not len(session.handlers):
        raise UnknownHandler("", ())
    if getattr(session.shell, "kernel", None) is not None:
        return _shown(session, flags, "%runpod serve --stop")
    with foreground(session) as run:
        print(_shown(session, flags, "Ctrl-C ends it"), flush=True)  # noqa: T201 (while it serves)
        run()
        _stopped(session)
    return Report("STOPPED", "dim", "the endpoint")


def _shown(session: Session, flags: Namespace, ends: str) -> Report:
    running: Serving | None = session.serving
    if running is None or flags.port not in (None, running.port):
        running = _started(session, flags)
    terms = (flags.rate_limits, flags.private_webhooks, flags.allow_origin)
    if any(terms) and terms != running.terms:
        raise BadInput("it serves already, and not so: %runpod serve --stop, then again")
    names = [handler.name for handler in session.handlers]
    listing = [line for name in reversed(names) for line in (*_lines(session, running, name), "")]
    return Report("SERVING", "good", ", ".join(reversed(names)), [*listing, f"S{OWN_CELL[1:]}"], steps=[ends])


def serve_anew(session: Session, flags: Namespace) -> None:
    """As `serve`, but what is said here holds where a cell serves already, and otherwise."""
    running = session.serving
    if running is not None and (flags.rate_limits or flags.private_webhooks or flags.allow_origin):
        flags.port = flags.port or running.port
        _stopped(session)
    serve(session, flags)


def told(session: Session) -> dict[str, Any]:
    """Where the endpoint is, for who started this kernel to serve it."""
    running = session.serving
    if running is None:
        raise BadInput("there is no endpoint: %runpod serve")
    lines = {handler.name: [*_lines(session, running, handler.name)] for handler in session.handlers}
    return {"url": running.url, "key": running.key, "lines": lines}


def _started(session: Session, flags: Namespace) -> Serving:
    """Only then, what was served before ends: where the port cannot be used, it goes on."""
    before, key = session.served if session.serving is None else (0, session.serving.key)
    for port in (flags.port,) if flags.port else dict.fromkeys((before, 0)):  # somebody may have taken that before
        try:
            started = _listening(session, flags, port, key)
            break
        except OSError as error:
            why = unusable(port, error)
    else:
        raise why
    _stopped(session)
    session.serving, session.served = started, (started.port, started.key)
    stop: Callable[[], object] = lambda: _stopped(session)  # noqa: E731 (one object, to be taken back by)
    atexit.register(stop)
    session.unwatch.append(stop)
    return session.serving


def _listening(session: Session, flags: Namespace, port: int, key: str | None) -> Serving:
    return Serving(
        session.handlers,
        pump_of(session, in_cell=True),
        port=port,
        address=ANYWHERE if "RUNPOD_POD_ID" in os.environ else "127.0.0.1",
        key=key,
        rate_limits=flags.rate_limits,
        private_webhooks=flags.private_webhooks,
        allow_origin=flags.allow_origin,
        lends=getattr(session.shell, "kernel", None) is not None,
    )


def _stopped(session: Session) -> bool:
    running, session.serving = session.serving, None
    if running is not None:
        running.stop()
    return running is not None


def _lines(session: Session, running: Serving, name: str) -> Iterator[str]:
    given = _example(session, name)
    yield f"{running.url}/{in_url(name)}"
    public = on_pod(running.port, f"/v2/{in_url(name)}")
    if public is not None:
        yield f"{public}  (from anywhere, where the Pod exposes HTTP port {running.port})"
    yield from client_lines(running.url, name, running.key, given)


def _example(session: Session, name: str) -> Any:
    """The input of the handler's last job, where it is short and no secret; else one with the keys that it reads."""
    for record in session.history.records(Query(handler=name, here=True, last=1)):
        if len(json.dumps(record.job.input)) <= SHOWN_INPUT and not record.masked:
            return record.job.input
    form = keys_of(session, session.handlers.chosen(name, {}))
    return sample_of(form) if form else {"prompt": "..."}
