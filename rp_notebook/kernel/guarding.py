"""Keeps the kernel alive where an interrupt finds ipykernel busy with itself, and where a job calls `exit()`."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` does the same in several steps, any of which may be interrupted
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from rp_notebook.jobs.interrupts import RUNNING, asks_whether_alive, in_use, is_asked

DISPATCHING = ("ipykernel.kernelbase", "dispatch_shell")


def guarded(kernel: Any) -> Callable[[], None]:
    """Takes over the two hooks around each message; the returned function gives them back.

    Between them ipykernel lets SIGINT raise wherever it comes, also in the hooks and in the lines around them, where
    nothing catches it and the kernel ends (ipykernel 7.4: about once in 5000 interrupts at random moments).
    """

    def before() -> None:
        kernel.saved_sigint_handler = _signal.signal(signal.SIGINT, interrupted)

    def interrupted(number: int, frame: FrameType | None) -> None:
        if is_asked(kernel.saved_sigint_handler):  # a job beside this cell is to end, and nothing else
            kernel.saved_sigint_handler(number, frame)
        else:
            _interrupted(frame)

    def after() -> None:
        # A job that began when no cell ran may have ended while one did.
        _signal.signal(signal.SIGINT, in_use(kernel.saved_sigint_handler))

    saved = getattr(kernel, "saved_sigint_handler", None)
    if isinstance(saved, int):
        kernel.saved_sigint_handler = int(saved)  # no enum of `signal`'s own
    kernel.pre_handler_hook, kernel.post_handler_hook = before, after

    def undo() -> None:
        del kernel.pre_handler_hook, kernel.post_handler_hook

    return undo


def staying(shell: Any) -> Callable[[], None]:
    """Has `exit()` and `quit()` end a job as they would end its worker, instead of this shell; returns the way back."""
    own = shell.ask_exit

    def ask_exit() -> None:
        if RUNNING.get() is None:
            own()
            return
        code = getattr(shell, "keepkernel_on_exit", None)  # ipykernel's `exit` takes a code for this
        shell.keepkernel_on_exit = None
        raise SystemExit(code or None)

    shell.ask_exit = ask_exit

    def undo() -> None:
        del shell.ask_exit

    return undo


def _interrupted(frame: FrameType | None) -> None:
    """Raises where ipykernel catches it: below the function that answers a message."""
    if asks_whether_alive(frame):
        return
    called = ""
    while frame is not None:
        if (frame.f_globals.get("__name__"), frame.f_code.co_name) == DISPATCHING:
            if called.endswith("_request") or called.startswith("comm_"):
                raise KeyboardInterrupt
            return
        called = frame.f_code.co_name
        frame = frame.f_back
