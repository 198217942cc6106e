"""`%runpod gpus`: which GPU pools hold the jobs so far, and at what price."""

from __future__ import annotations

from argparse import Namespace

from rp_notebook.jobs.flag_parser import FlagParser
from rp_notebook.kernel.inputs import price_table
from rp_notebook.kernel.session import Session
from rp_notebook.panel.report import Report


def gpus_flags() -> FlagParser:
    """The flags of `%runpod gpus`."""
    parser = FlagParser(prog="%runpod gpus", add_help=False, description="Which GPU pools fit, and their prices.")
    parser.add_argument("pools", nargs="*", metavar="POOL", help="only these (default: all)")
    parser.add_argument("-n", "--name", metavar="NAME", help="the handler (default: the latest registered)")
    parser.add_argument("--prices", metavar="FILE", help="pools and prices from this JSON file, from now on")
    return parser


def gpus(session: Session, flags: Namespace) -> Report:
    """The pools for what this version of the handler took. Raises `BadInput` for a file that is no price table."""
    from rp_notebook.jobs.pools import shipped  # loaded when they are asked for, like the exporter
    from rp_notebook.panel.gpus import gpu_report

    handler = session.handlers.chosen(flags.name, session.namespace)
    if flags.prices is not None:
        session.prices = price_table(flags.prices)
    ran = session.history.of(handler.name, handler.version)
    table = (session.prices or shipped()).only(flags.pools)
    return gpu_report(handler.name, ran, table)
