"""`%runpod cancel`: ends jobs of this notebook, whoever sent them."""

from __future__ import annotations

from argparse import Namespace

from rp_notebook.errors import BadInput
from rp_notebook.jobs.ambient import notebook
from rp_notebook.jobs.asking import cancel_running
from rp_notebook.jobs.flag_parser import FlagParser
from rp_notebook.jobs.query import Query
from rp_notebook.kernel.session import Session
from rp_notebook.panel.report import Report

IN_SERVER = "not here: if a job of exactly this id waits in the Jupyter server, it is cancelled now"


def cancel_flags() -> FlagParser:
    """The flags of `%runpod cancel`."""
    parser = FlagParser(prog="%runpod cancel", add_help=False, description="End jobs that wait or run.")
    parser.add_argument("ids", nargs="+", metavar="ID", help="jobs by how their id begins")
    return parser


def cancel(session: Session, flags: Namespace) -> Report:
    """Ends jobs; who sent one is told that it is CANCELLED. Raises `BadInput` for an id that is none, or of several."""
    lines = []
    for job_id in [_meant(session, start) for start in flags.ids]:
        told = {None: IN_SERVER, True: "its handler is being stopped", False: "it never began"}
        lines.append(f"{job_id}  {told[cancelled(session, job_id)]}")
    return Report("CANCELLED", "dim", f"{len(lines)} job{'s' * (len(lines) != 1)}", lines)


def cancelled(session: Session, job_id: str) -> bool | None:
    """Ends a job: whether its handler had begun; None when there is no such job in this kernel."""
    for place in (session.serving, session.pump):
        began = None if place is None else place.cancel(job_id)
        if began is not None:
            return began
    return cancel_running(job_id) or None


def open_jobs(session: Session) -> list[str]:
    """The ids of the jobs that wait or run in this kernel."""
    running = [stop.job_id for stop in tuple(notebook.stops)]
    places = [place for place in (session.serving, session.pump) if place is not None]
    return list(dict.fromkeys((*(job_id for place in places for job_id in place.held()), *running)))


def _meant(session: Session, start: str) -> str:
    known = open_jobs(session)
    found = [start] if start in known else [job_id for job_id in known if job_id.startswith(start)]
    if len(found) == 1:
        return found[0]
    if found:
        raise BadInput(f"several jobs have an id that begins with {start!r}: {', '.join(found)}")
    over = [line for line in session.history.lines(Query(ids=(start,))) if line.id.startswith(start)]
    if over:
        raise BadInput(f"job {over[-1].id} has ended: {over[-1].outcome}")
    if session.withdraw is not None and session.withdraw(start):
        return start
    there = f"there are: {', '.join(known)}" if known else "none waits or runs"
    raise BadInput(f"no job that waits or runs has an id that begins with {start!r}; {there}")
