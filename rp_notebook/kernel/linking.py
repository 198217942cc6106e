"""Makes a session's handlers reachable from outside: by the Jupyter server, and by whoever serves them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rp_notebook.errors import BadInput
from rp_notebook.kernel.bridge import Bridge
from rp_notebook.kernel.pump import Pump
from rp_notebook.kernel.session import Session
from rp_notebook.kernel.window import Window


def linked(kernel: Any, session: Session) -> Callable[[], None]:
    """From now on a Jupyter server can send jobs to this kernel; the returned function ends that."""
    handlers = session.handlers
    bridge = Bridge(
        kernel,
        lambda: [handler.name for handler in handlers],
        lambda: pump_of(session, in_cell=session.recorder.in_cell),
        handlers.timeout_of,
    )
    close = bridge.open()
    session.shell.events.register("post_run_cell", bridge.announce)
    session.withdraw = bridge.withdraw

    def undo() -> None:
        session.withdraw = None
        session.shell.events.unregister("post_run_cell", bridge.announce)
        close()

    return undo


def pump_of(session: Session, *, in_cell: bool) -> Pump:
    """The pump of a session, on its kernel's main loop. Raises `BadInput` where there is no kernel."""
    if session.pump is None:
        kernel = getattr(session.shell, "kernel", None)
        if kernel is None:
            raise BadInput("jobs can be sent to a kernel, not to a terminal: %runpod serve")
        loop = kernel.io_loop.asyncio_loop
        window = Window(kernel, session.shell)
        session.pump = Pump(session.worker, lambda name: session.handlers.chosen(name, {}), loop, window)
        session.unwatch.append(session.pump.watch(session.shell, in_cell=in_cell))
    return session.pump
