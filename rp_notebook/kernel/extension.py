"""Puts the extension into an IPython shell, and takes it out again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rp_notebook.jobs.handler_cell import HANDLER_MAGIC
from rp_notebook.jobs.record import JobRecord
from rp_notebook.kernel.command_table import flags_by_command
from rp_notebook.kernel.completing import completed
from rp_notebook.kernel.guarding import guarded, staying
from rp_notebook.kernel.linking import linked
from rp_notebook.kernel.magics import RunpodMagics
from rp_notebook.kernel.session import Session
from rp_notebook.kernel.transforms import awaited_jobs, handler_lines
from rp_notebook.panel import result

MAGICS = RunpodMagics.__name__
SESSION = "rp_notebook"
MISPLACED = HANDLER_MAGIC[1:]  # what IPython takes a line for that begins with two percent signs below a comment


def load(shell: Any) -> None:
    """Registers magics, transforms, callbacks and views. A shell that has them is left as it is."""
    if MAGICS in shell.magics_manager.registry:
        return
    if SESSION not in shell.meta:
        shell.meta[SESSION] = Session(shell)
    session = shell.meta[SESSION]
    magics = RunpodMagics(shell, session)
    shell.register_magics(magics)
    # First of all transforms, so that IPython sees no cell magic where there is an ordinary cell.
    shell.input_transformers_cleanup.insert(0, handler_lines)
    shell.input_transformers_post.append(awaited_jobs)
    shell.magics_manager.magics["line"][MISPLACED] = magics.misplaced
    magics.undo = (session.watch(), _show_records(shell, session), completed(session, flags_by_command()))
    if getattr(shell, "kernel", None) is not None:
        magics.undo += (guarded(shell.kernel), linked(shell.kernel, session))
    if hasattr(shell, "ask_exit"):
        magics.undo += (staying(shell),)


def unload(shell: Any) -> None:
    """Undoes `load`. What was known stays in `shell.meta`, so that `%reload_ext` loses no handler and no job."""
    magics = shell.magics_manager.registry.pop(MAGICS, None)
    if magics is None:
        return
    for undo in magics.undo:
        undo()
    shell.input_transformers_cleanup.remove(handler_lines)
    shell.input_transformers_post.remove(awaited_jobs)
    shell.magics_manager.magics["line"].pop(MISPLACED, None)
    for kind, names in magics.magics.items():
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)


def _show_records(shell: Any, session: Session) -> Callable[[], None]:
    html = shell.display_formatter.formatters["text/html"]
    plain = shell.display_formatter.formatters["text/plain"]
    html.for_type(JobRecord, lambda record: result.html(record, session.prices))
    plain.for_type(JobRecord, lambda record, printer, _cycle: printer.text(result.text(record, session.prices)))

    def undo() -> None:
        html.pop(JobRecord, None)
        plain.pop(JobRecord, None)

    return undo
