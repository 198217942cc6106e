"""`%runpod panel`: a form, live jobs, the history, plots, the endpoint and the export, in one widget."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from rp_notebook.errors import BadInput
from rp_notebook.jobs.flag_parser import FlagParser
from rp_notebook.kernel.linking import pump_of
from rp_notebook.kernel.session import Session


def panel_flags() -> FlagParser:
    """The flags of `%runpod panel`."""
    parser = FlagParser(prog="%runpod panel", add_help=False, description="A widget to try handlers with.")
    parser.add_argument("-n", "--name", metavar="NAME", help="the handler to begin with (default: the latest)")
    return parser


def panel(session: Session, flags: Namespace) -> Any:
    """The widget; one that is open already ends. Raises `BadInput` where there is no anywidget, or no kernel."""
    try:
        from rp_notebook.kernel.desk import Desk
        from rp_notebook.panel.widget import Panel
    except ImportError:
        raise BadInput('the panel needs anywidget: %pip install "rp-notebook[panel]", then reload this page') from None
    if getattr(session.shell, "kernel", None) is None:
        raise BadInput("the panel is for notebooks; in a terminal, %runpod job and %runpod jobs show the same in text")
    pump = pump_of(session, in_cell=True)
    if flags.name is not None and len(session.handlers):  # after a restart there is none yet
        session.handlers.chosen(flags.name, {})
    if session.close_panel is not None:
        session.close_panel()

    desk = Desk(session, pump, lambda told: shown.say(told), flags.name)
    shown = Panel(desk.answers)
    stop = desk.feed.watch()
    session.shell.events.register("post_run_cell", desk.announce)

    def close() -> None:
        session.close_panel = None
        if close in session.unwatch:
            session.unwatch.remove(close)
        session.shell.events.unregister("post_run_cell", desk.announce)
        stop()
        shown.close()

    session.close_panel = close
    session.unwatch.append(close)
    return shown
