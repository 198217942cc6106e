"""`%runpod serve` in a terminal: there it serves until Ctrl-C, and the main thread runs the jobs meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rp_notebook.errors import BadInput
from rp_notebook.kernel.pump import Pump
from rp_notebook.kernel.session import Session

ENDS_S = 3.0  # how long a job that is ended may take


@contextmanager
def foreground(session: Session) -> Iterator[Callable[[], None]]:
    """A pump for the block, which calls what it is given to run jobs until Ctrl-C. Raises `BadInput` in a loop."""
    loop = _loop()
    if loop.is_running():
        raise BadInput("a loop runs here, and jobs would wait for its end: rp-notebook serve NOTEBOOK")
    pump = session.pump = Pump(session.worker, lambda name: session.handlers.chosen(name, {}), loop)
    unwatch = pump.watch(session.shell, in_cell=False)

    def run() -> None:
        try:
            loop.run_forever()
        except KeyboardInterrupt:
            return

    try:
        yield run
    finally:
        latest = time.monotonic() + ENDS_S
        while pump.held() and time.monotonic() < latest:
            loop.run_until_complete(asyncio.sleep(0.05))
        unwatch()
        session.pump = None


def _loop() -> asyncio.AbstractEventLoop:
    """The one on which the terminal runs cells: what a top-level await made belongs to it."""
    try:
        from IPython.core.async_helpers import get_asyncio_loop
    except ImportError:  # before IPython 8
        return asyncio.get_event_loop()
    loop: asyncio.AbstractEventLoop = get_asyncio_loop()  # type: ignore[no-untyped-call] # IPython says nothing
    return loop
