"""`%runpod jobs` and `%runpod golden`: the history looked through, taken elsewhere, and kept for good."""

from __future__ import annotations

import csv
from argparse import Namespace
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from rp_notebook.errors import BadInput
from rp_notebook.jobs.flag_parser import FlagParser
from rp_notebook.jobs.query import ORDERS, OUTCOMES, JobLine, Query
from rp_notebook.jobs.record import JobRecord
from rp_notebook.kernel.session import Session
from rp_notebook.panel.report import Report
from rp_notebook.panel.table import JobTable

SHOWN = 100


def jobs_flags() -> FlagParser:
    """The flags of `%runpod jobs`."""
    parser = FlagParser(prog="%runpod jobs", add_help=False, description="The jobs so far, earlier kernels' included.")
    parser.add_argument("ids", nargs="*", metavar="ID", help="jobs whose id begins so; a single one is shown whole")
    parser.add_argument("-n", "--name", metavar="NAME", help="of this handler only")
    parser.add_argument("--here", action="store_true", help="of this kernel only")
    parser.add_argument("--golden", action="store_true", help="golden jobs only")
    ends = ", ".join(OUTCOMES)
    parser.add_argument("--status", action="append", default=[], metavar="S", help=f"that ended so: {ends}")
    parser.add_argument("--text", default="", metavar="T", help="whose request, answer or error holds this")
    parser.add_argument("--sort", choices=ORDERS, metavar="BY", help=f"by {', '.join(ORDERS)}; the largest first")
    parser.add_argument("--reverse", action="store_true", help="the other way round")
    parser.add_argument("--last", type=int, metavar="N", help=f"at most so many (default: {SHOWN})")
    parser.add_argument("--all", action="store_true", help="all of them")
    parser.add_argument("--csv", metavar="F", help="write them to a CSV file")
    parser.add_argument("--jsonl", metavar="F", help="write them as JSON lines, which rp-notebook prove --jobs takes")
    parser.add_argument("--dataframe", action="store_true", help="give them as a pandas DataFrame")
    parser.add_argument("--plot", action="store_true", help="draw how long they took, cold and warm")
    return parser


def jobs(session: Session, flags: Namespace) -> Any:
    """The jobs that the flags ask for: as a table, a file, a DataFrame or a picture."""
    taken = flags.csv or flags.jsonl or flags.dataframe or flags.plot
    query = Query(
        handler=flags.name,
        here=flags.here,
        golden=flags.golden,
        ids=tuple(flags.ids),
        outcomes=tuple(status.upper().replace("_", " ") for status in flags.status),
        text=flags.text,
        order=flags.sort,
        reverse=flags.reverse,
        last=flags.last if flags.last is not None or flags.all or taken else SHOWN,
    )
    if flags.jsonl:
        return _written(flags.jsonl, partial(_json_lines, session.history.records(query)))
    lines = session.history.lines(query)
    if flags.csv:
        return _written(flags.csv, partial(_csv, lines))
    if flags.dataframe:
        return _dataframe(lines)
    if flags.plot:
        from rp_notebook.panel.latency import Latency

        return Latency(lines)
    alone = Query(rows=(lines[0].row,)) if flags.ids and len(lines) == 1 else None
    whole = None if alone is None else next(session.history.records(alone), None)
    return JobTable(lines, session.history.tally(query), whole)


def golden_flags() -> FlagParser:
    """The flags of `%runpod golden`."""
    parser = FlagParser(prog="%runpod golden", add_help=False, description="Keep jobs for good, as tests.")
    parser.add_argument("ids", nargs="*", metavar="ID", help="jobs by how their id begins (default: the latest job)")
    parser.add_argument("--tolerance", type=float, metavar="X", help="how far numbers may be off, relative")
    parser.add_argument("--list", action="store_true", help="only show the golden jobs")
    parser.add_argument("--off", action="store_true", help="the jobs are golden no more")
    return parser


def golden(session: Session, flags: Namespace) -> JobTable:
    """Marks jobs as golden and shows all that are. Raises `BadInput` for a job that cannot be run again."""
    if not flags.list:
        for line in [_meant(session, start) for start in flags.ids or ("",)]:
            session.history.set_golden(line.row, golden=not flags.off, tolerance=flags.tolerance)
    kept = Query(golden=True)
    return JobTable(session.history.lines(kept), session.history.tally(kept))


def _meant(session: Session, start: str) -> JobLine:
    from rp_notebook.export.recorded import recorded

    found = session.history.lines(Query(ids=(start,) if start else ()))
    if not found:
        known = f"no job has an id that begins with {start!r}: %runpod jobs lists them"
        raise BadInput(known if start else "no job has run yet: %runpod job {...}")
    if start and len({line.id for line in found}) > 1 and start not in (line.id for line in found):
        raise BadInput(f"several jobs have an id that begins with {start!r}: write more of it")
    line = next((line for line in reversed(found) if line.id == start), found[-1])
    (record,) = session.history.records(Query(rows=(line.row,)))
    skip = recorded(record).skip
    if skip is not None:
        raise BadInput(f"job {line.id} cannot be golden: {skip}")
    return line


def _csv(lines: list[JobLine], file: TextIO) -> int:
    writer = csv.writer(file)
    writer.writerow(JobLine._fields)
    writer.writerows(lines)
    return len(lines)


def _json_lines(records: Iterable[JobRecord], file: TextIO) -> int:
    from rp_notebook.export.recorded import dump_jobs, recorded

    count = 0
    for count, record in enumerate(records, start=1):  # noqa: B007 (how many there were is the answer)
        file.write(dump_jobs([recorded(record)]).decode())
    return count


def _written(path: str, write: Callable[[TextIO], int]) -> Report:
    try:
        with Path(path).expanduser().open("w", encoding="utf-8", newline="") as file:
            count = write(file)
    except OSError as error:
        raise BadInput(f"cannot write {path}: {error.strerror}") from None
    return Report("WRITTEN", "good", f"{count} job{'s' * (count != 1)} to {path}")


def _dataframe(lines: list[JobLine]) -> Any:
    try:
        import pandas
    except ImportError:
        raise BadInput("pandas is not installed here: --csv F writes the same table to a file") from None
    frame = pandas.DataFrame(lines, columns=JobLine._fields)
    frame["started_at"] = pandas.to_datetime(frame["started_at"], unit="s", utc=True)
    return frame
