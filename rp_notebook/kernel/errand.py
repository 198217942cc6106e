"""What the panel asks for and takes long: an export or a proof, which tells how far it is and can be given up."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Callable
from typing import Any

from rp_notebook.errors import RpNotebookError
from rp_notebook.panel.report import Report

Say = Callable[[dict[str, Any]], None]
GIVEN_UP = Report("CANCELLED", "dim", "nothing was changed")


class Errand:
    """Call it, on any thread, to do what `act` does; `say` hears each line that `act` says, and at last its report."""

    def __init__(self, act: Callable[[Callable[[str], None]], Report], say: Say) -> None:
        self._act, self._say = act, say
        self._thread: int | None = None  # while it is done
        self._over = self._given_up = False

    def __call__(self) -> None:
        if self._over:
            return
        self._thread = threading.get_ident()
        told: dict[str, Any] = {"html": "", "error": "that failed: the kernel's log says why"}
        try:
            told = {"html": self._act(self._said)._repr_html_()}
        except KeyboardInterrupt:
            told = {"html": GIVEN_UP._repr_html_()}
        except (RpNotebookError, OSError) as error:
            told["error"] = str(error)
        finally:
            self._ended(told)

    def give_up(self) -> None:
        """Ends it as Ctrl-C would, or sees to it that it never begins. From any thread."""
        self._given_up = True
        if self._thread is None:
            if not self._over:
                self._ended({"html": GIVEN_UP._repr_html_()})
        elif self._thread == threading.main_thread().ident:
            signal.pthread_kill(self._thread, signal.SIGINT)
        else:  # raised there at its next step: it waits for its worker in short ones
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread), ctypes.py_object(KeyboardInterrupt)
            )

    def _said(self, line: str) -> None:
        if self._given_up:  # and what was raised for that came where Python passes over it, as in a `__del__`
            raise KeyboardInterrupt
        self._say({"kind": "log", "line": line})

    def _ended(self, told: dict[str, Any]) -> None:
        self._thread, self._over = None, True
        self._say({"kind": "report", **told})


def interruptible(chore: Callable[[], object]) -> None:
    """Does something in which Ctrl-C raises, which it does not in a callback of the kernel's loop."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        chore()
    except KeyboardInterrupt:  # after the chore had seen to it, or before it could
        return
    finally:
        signal.signal(signal.SIGINT, before)
