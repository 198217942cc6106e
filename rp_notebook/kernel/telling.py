"""What a kernel says to one Jupyter server: at once, or together with what comes just behind it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import groupby
from typing import Any

from rp_notebook import wire
from rp_notebook.kernel.pipe import Pipe

SOON_S = 0.005  # a message costs as much as a small job; so long, what follows upon one is collected
IDLE_S = 0.1  # so long the thread looks on for what may follow


class Telling:
    """Sends what is said, in its order, through the comms of handlers; from any thread.

    The end of a job goes at once, and what it has waited for goes with it. A job's beginning waits `SOON_S` for its
    end, and so does what is said that soon after a message. A thread sends what has waited: the main one may be busy.
    """

    def __init__(self, link: str) -> None:
        self.pipe: Pipe | None = None  # where there is one, comms are not used
        self._link = link
        self._number = 0
        self._used_comms = False
        self._held: list[tuple[Any, wire.Said]] = []
        self._sent_at = 0.0
        self._turn = threading.RLock()
        self._over = threading.Event()
        self._looks = False

    def use(self, opened: Callable[[], Pipe]) -> None:
        """Opens a pipe, unless something went through comms: what follows could come before it. Raises `OSError`."""
        with self._turn:
            if not self._used_comms:
                self.pipe = opened()
            if self.pipe is not None and self._over.is_set():  # too late: the server hears so, and asks again
                self.pipe.close()

    def say(self, comm: Any, said: wire.Said) -> None:
        """Says it through the comm of a handler."""
        with self._turn:
            self._held.append((comm, said))
            match said:
                case wire.Began():
                    waits = True
                case wire.Posted(post=post) if post.kind != "done":
                    waits = time.monotonic() - self._sent_at < SOON_S
                case _:
                    waits = False
            if not waits:
                self._send()
            elif not self._looks:
                self._looks = True
                threading.Thread(target=self._look, name="rp_notebook link", daemon=True).start()

    def close(self) -> None:
        """Says what has not been said, and ends the thread and the pipe."""
        with self._turn:
            self._send()
            self._over.set()
            if self.pipe is not None:
                self.pipe.close()

    def _send(self) -> None:
        held, self._held = self._held, []
        for comm, together in groupby(held, key=lambda each: each[0]):
            data, buffers = wire.sent(self._link, self._number, [said for _, said in together])
            self._number += 1
            if self.pipe is None or not self.pipe.send(comm.comm_id, data, buffers):
                self._used_comms = True
                comm.send(data, buffers=buffers)
        self._sent_at = time.monotonic()

    def _look(self) -> None:
        while not self._over.wait(SOON_S):
            with self._turn:
                if self._held:
                    self._send()
                elif time.monotonic() - self._sent_at > IDLE_S:
                    self._looks = False
                    return
