"""`%runpod why`, and what a dry run of an export shows."""

from __future__ import annotations

from argparse import Namespace

from rp_notebook.errors import BadInput, ExportRefused
from rp_notebook.jobs.flag_parser import FlagParser
from rp_notebook.kernel.climbing import exported
from rp_notebook.kernel.session import Session
from rp_notebook.panel.report import Report


def why_flags() -> FlagParser:
    """The flags of `%runpod why`."""
    about = "Why a statement is part of the worker, or is not; without a word, a line for every statement."
    parser = FlagParser(prog="%runpod why", add_help=False, description=about)
    what = "a line of handler.py (12), a cell (In[7], In[7-9]) or a variable"
    parser.add_argument("what", nargs="?", metavar="NAME|LINE", help=what)
    parser.add_argument("-n", "--name", metavar="NAME", help="the handler (default: the latest registered)")
    return parser


def why(session: Session, flags: Namespace) -> Report:
    """The way from the handler to what is asked for. Raises `BadInput` when nothing is of that name or number."""
    from rp_notebook.export.why import explained, lines_of, listed

    handler = session.handlers.chosen(flags.name, session.namespace)
    try:
        result = exported(session, handler)
    except ExportRefused as refusal:
        return Report("REFUSED", "bad", f"{handler.name}: there is no worker to explain", findings=refusal.findings)
    if flags.what is None:
        steps = ["%runpod why 12", "%runpod why In[7]", "%runpod why NAME"]
        return Report("WHY", "good", f"{handler.name}: {result.summary}", lines_of(listed(result)), steps=steps)
    try:
        lines = lines_of(explained(result, flags.what))
    except BadInput:
        failed = [cell for cell in session.recorder.cells if not cell.ok and flags.what == f"In[{cell.number}]"]
        if not failed:
            raise
        where = f" in line {failed[0].failed_line}" if failed[0].failed_line else ""
        raise BadInput(f"{flags.what} failed{where}: what failed is no part of a worker, nor what follows it") from None
    return Report("WHY", "good", f"{handler.name}: {flags.what}", lines)
