"""What a handler prints belongs to its job: a copy of it is kept while it goes on to be seen."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO

KEPT_CHARACTERS = 100_000


class Copied(io.TextIOBase):
    """A text stream that writes through to another and keeps the first `KEPT_CHARACTERS` for itself in `into`."""

    def __init__(self, through: TextIO, into: io.StringIO) -> None:
        self._through = through
        self._into = into

    def write(self, text: str) -> int:
        if self._into.tell() < KEPT_CHARACTERS:
            self._into.write(text[: KEPT_CHARACTERS - self._into.tell()])
        return self._through.write(text)

    def flush(self) -> None:
        self._through.flush()

    def close(self) -> None:
        """Leaves the stream behind it open: it is not ours."""

    def isatty(self) -> bool:
        return self._through.isatty()

    def fileno(self) -> int:
        return self._through.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override] # a plain attribute in typeshed
        return self._through.encoding


@contextmanager
def copied_output() -> Iterator[io.StringIO]:
    """While the block runs, what is written to stdout and stderr is also collected in the yielded buffer."""
    kept = io.StringIO()
    with redirect_stdout(Copied(sys.stdout, kept)), redirect_stderr(Copied(sys.stderr, kept)):
        yield kept
