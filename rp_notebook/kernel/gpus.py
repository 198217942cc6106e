"""`%runpod gpus`: which GPU pools hold the jobs so far, and at what price."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable

from rp_notebook.errors import BadInput
from rp_notebook.jobs.flag_parser import FlagParser
from rp_notebook.jobs.job import Status
from rp_notebook.jobs.record import JobRecord
from rp_notebook.kernel.inputs import price_table
from rp_notebook.kernel.session import Session
from rp_notebook.panel.report import Report


def gpus_flags() -> FlagParser:
    """The flags of `%runpod gpus`."""
    parser = FlagParser(prog="%runpod gpus", add_help=False, description="Which GPU pools fit, and their prices.")
    parser.add_argument("pools", nargs="*", metavar="POOL", help="only these (default: all)")
    parser.add_argument("-n", "--name", metavar="NAME", help="the handler (default: the latest registered)")
    parser.add_argument("--memory", type=float, metavar="GB", help="what a job takes of a GPU, where none measured it")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long it takes there (default: as here)")
    parser.add_argument("--prices", metavar="FILE", help="pools and prices from this JSON file, from now on")
    return parser


def gpus(session: Session, flags: Namespace) -> Report:
    """The pools for what this version of the handler took. Raises `BadInput` for a file that is no price table."""
    from rp_notebook.jobs.pools import said_demand, shipped  # loaded when they are asked for, like the exporter
    from rp_notebook.panel.gpus import gpu_report

    handler = session.handlers.chosen(flags.name, session.namespace)
    if flags.prices is not None:
        session.prices = price_table(flags.prices)
    ran = session.history.of(handler.name, handler.version)
    table = (session.prices or shipped()).only(flags.pools)
    if flags.memory is None:
        return gpu_report(handler.name, ran, table)
    seconds = flags.seconds or _seconds(ran)
    if seconds is None:
        raise BadInput("--memory needs --seconds S, or a job that completed here")
    return gpu_report(handler.name, ran, table, said_demand(flags.memory, seconds))


def _seconds(ran: Iterable[JobRecord]) -> float | None:
    """The median time of the completed jobs, warm where there are several."""
    from rp_notebook.jobs.series import Series

    completed = tuple(record for record in ran if record.status is Status.COMPLETED)
    return Series(completed).median_ms / 1000 if completed else None
