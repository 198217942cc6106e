"""What a handler prints belongs to its job: a copy of it is kept while it goes on to be seen."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO

from rp_notebook.jobs.interrupts import obey

KEPT_CHARACTERS = 100_000


class Kept(io.StringIO):
    """What one job printed; only if it is `shown` does it go anywhere else too."""

    shown = True


# Of the job whose code this is: the tasks that it starts have it too, and what `asyncio.to_thread` runs.
_KEPT: ContextVar[Kept | None] = ContextVar("_KEPT", default=None)


@io.TextIOBase.register  # inheriting would double what a job pays for its two streams
class Copied:
    """A text stream that writes through to another, and keeps what the code of a job in `running` writes for that job.

    A thread that knows of no job writes for the only one, if there is only one.
    """

    def __init__(self, through: TextIO) -> None:
        self.through = through
        self.running: list[Kept] = []

    def write(self, text: str) -> int:
        kept = self._kept()
        if kept is not None and kept.tell() < KEPT_CHARACTERS:
            kept.write(text[: KEPT_CHARACTERS - kept.tell()])
        written = self.through.write(text) if kept is None or kept.shown else len(text)
        obey()  # an interrupt never ends a write half way
        return written

    def _kept(self) -> Kept | None:
        kept = _KEPT.get()
        if kept is None and len(self.running) == 1 and threading.current_thread() is not threading.main_thread():
            return self.running[0]
        return kept

    def flush(self) -> None:
        self.through.flush()
        obey()

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """Leaves the stream behind it open: it is not ours."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.through, name)


@contextmanager
def copied_output(*, shown: bool = True) -> Iterator[Kept]:
    """What the code of the block, and all that it starts, writes to stdout and stderr is also kept in the buffer.

    Unless it is `shown`, it is kept there only.

    Blocks may overlap, in tasks of their own, and end in any order. Whoever took the stream itself before (a logging
    handler of an earlier cell) is seen, but not kept.
    """
    kept = Kept()
    kept.shown = shown
    out, err = _joined(sys.stdout, kept), _joined(sys.stderr, kept)
    sys.stdout, sys.stderr = out, err
    before = _KEPT.set(kept)
    try:
        yield kept
    finally:
        _KEPT.reset(before)
        if _left(out, kept) and sys.stdout is out:
            sys.stdout = out.through
        if _left(err, kept) and sys.stderr is err:
            sys.stderr = err.through


def _joined(stream: TextIO, kept: Kept) -> Copied:
    copied = stream if isinstance(stream, Copied) else Copied(stream)
    copied.running.append(kept)
    return copied


def _left(copied: Copied, kept: Kept) -> bool:
    copied.running.remove(kept)
    return not copied.running
