"""`%runpod import`: an existing worker repository as a notebook, or as the next cell of this one."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from rp_notebook.jobs.flag_parser import FlagParser
from rp_notebook.panel.report import Report

if TYPE_CHECKING:
    from rp_notebook.kernel.session import Session


def import_flags() -> FlagParser:
    """The flags of `%runpod import`."""
    about = "An existing worker repository as cells: in the next cell, or in a notebook of its own."
    parser = FlagParser(prog="%runpod import", add_help=False, description=about)
    parser.add_argument("folder", metavar="DIR", help="the folder of the repository")
    parser.add_argument("notebook", nargs="?", metavar="NOTEBOOK", help="the notebook to write, its files beside it")
    parser.add_argument("--force", action="store_true", help="replace what is there by these names")
    return parser


def import_worker(session: Session, flags: Namespace) -> Report:
    """Writes the worker's files beside the notebook, and its cells where they were asked for; runs nothing."""
    from rp_notebook.export.adopting import read_worker, write_beside, write_notebook

    worker = read_worker(Path(flags.folder).expanduser())
    if flags.notebook:
        new = write_notebook(worker, Path(flags.notebook).expanduser(), force=flags.force)
        return Report("IMPORTED", "good", f"{worker.handler} → {flags.notebook}", ["\n".join(new)] if new else [])
    new = write_beside(worker.files, Path.cwd(), force=flags.force)
    session.shell.set_next_input(worker.cell)
    told = [f"beside this notebook: {', '.join(new)}"] if new else []
    return Report("IMPORTED", "good", f"{worker.handler} → the next cell", told, steps=["run the next cell"])
