"""Which jobs of a history are asked for, in which order; and a job as one line of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from rp_notebook.errors import BadInput

# What a table can be sorted by, and the column behind it. Numbers are shown largest first.
ORDERS = {
    "time": "row",
    "ms": "ended_at - started_at",
    "in": "request_size",
    "out": "result_size",
    "ram": "rss_peak",
    "gpu": "gpu_peak",
    "status": "outcome",
    "handler": "handler",
}
OUTCOMES = ("COMPLETED", "FAILED", "LOST", "TOO LARGE", "CANCELLED", "INTERRUPTED", "RUNNING")


@dataclass(frozen=True)
class Query:
    """All jobs, narrowed by whatever is given.

    `here` asks for jobs of this kernel only, `ids` for those whose id begins like one of them, `text` for those whose
    request, answer or error holds it. `last` is how many to give at most: without an `order` the latest.
    """

    handler: str | None = None
    version: int | None = None
    here: bool = False
    outcomes: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    text: str = ""
    golden: bool = False
    order: str | None = None
    reverse: bool = False
    last: int | None = None

    def __post_init__(self) -> None:
        if self.order is not None and self.order not in ORDERS:
            raise BadInput(f"jobs are sorted by {', '.join(ORDERS)}; not by {self.order!r}")
        for outcome in self.outcomes:
            if outcome not in OUTCOMES:
                raise BadInput(f"a job ends as {', '.join(OUTCOMES)}; not as {outcome!r}")

    def where(self, kernel: int) -> tuple[str, list[Any]]:
        """The SQL condition and its parameters; `kernel` is this kernel's number in the file."""
        parts: list[str] = []
        values: list[Any] = []

        def narrow(part: str, *given: Any) -> None:
            parts.append(part)
            values.extend(given)

        if self.handler is not None:
            narrow("handler = ?", self.handler)
        if self.version is not None:
            narrow("version = ?", self.version)
        if self.here:
            narrow("kernel = ?", kernel)
        if self.golden:
            narrow("golden")
        if self.outcomes:
            narrow(f"outcome IN ({', '.join('?' * len(self.outcomes))})", *self.outcomes)
        if self.ids:
            narrow(f"({' OR '.join(['substr(id, 1, ?) = ?'] * len(self.ids))})", *_prefixes(self.ids))
        if self.rows:
            narrow(f"row IN ({', '.join('?' * len(self.rows))})", *self.rows)
        if self.text:
            narrow("(instr(request, ?) OR instr(small, ?) OR instr(note, ?))", self.text, self.text.encode(), self.text)
        return " AND ".join(parts) or "1", values

    @property
    def ordered(self) -> str:
        """The SQL order in which the wanted jobs come first."""
        if self.order is None:
            return "row DESC"
        falling = (self.order not in ("status", "handler", "time")) is not self.reverse
        return f"{ORDERS[self.order]} {'DESC' if falling else 'ASC'} NULLS LAST, row"


class JobLine(NamedTuple):
    """A job without its bodies. Times in seconds since the epoch and ms, sizes in bytes; None where not known.

    `cold` says that it was the first of its handler's version in its kernel; `note` is the first thing to say about
    it. `row` is its number in the history.
    """

    row: int
    id: str
    handler: str
    version: int
    outcome: str
    status: str
    started_at: float | None
    ms: float | None
    request_size: int
    result_size: int | None
    rss_peak: int | None
    gpu_peak: int | None
    cold: bool
    golden: bool
    note: str


LINE = (
    "row, id, handler, version, outcome, status, started_at, (ended_at - started_at) * 1000, request_size, result_size,"
    " rss_peak, gpu_peak, cold, golden, note"
)


def _prefixes(ids: tuple[str, ...]) -> list[Any]:
    return [value for id_ in ids for value in (len(id_), id_)]
