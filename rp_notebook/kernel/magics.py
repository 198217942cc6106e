"""The magics: take the line apart, call, and let the result show itself."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from traitlets import CBool

from rp_notebook.errors import RpNotebookError
from rp_notebook.jobs.declaration import handler_flags
from rp_notebook.jobs.handler_cell import HANDLER_MAGIC
from rp_notebook.jobs.record import JobRecord
from rp_notebook.kernel import commands
from rp_notebook.kernel.checking import checked
from rp_notebook.kernel.command_table import AWAITED, COMMANDS, TOLD_TO_A_PERSON, unknown
from rp_notebook.kernel.rehearsing import rehearsed
from rp_notebook.kernel.replaying import replayed
from rp_notebook.kernel.session import Session
from rp_notebook.panel.report import Report
from rp_notebook.panel.result import text, wrapped

FIRST_LINE = (
    f"{HANDLER_MAGIC} must be the first line of its cell, with two percent signs: move what stands above it, comments "
    "too, below it or into a cell of its own"
)


@magics_class
class RunpodMagics(Magics):
    """`%runpod`, `%%runpod_handler`, and what the cells that they rewrite call."""

    alone = CBool(
        default_value=False, config=True, help="Nobody looks: what only tells a person something is passed over."
    )

    def __init__(self, shell: Any, session: Session) -> None:
        super().__init__(shell)
        self.session = session
        self.started = session.declaring.started
        self.undo: tuple[Callable[[], None], ...] = ()  # what unloading has to call

    @no_var_expand  # a dict's braces are no format string
    @line_cell_magic
    def runpod(self, line: str, cell: str | None = None) -> Any:
        """Prototype a RunPod worker: run jobs on a warm handler, export, prove the export.

        %runpod                    handlers, last jobs, what to type next
        %runpod job INPUT          run a job: JSON, a variable, an expression or @file
        %runpod jobs               the jobs so far: filtered, sorted, as CSV, drawn
        %runpod cancel ID...       end jobs that wait or run
        %runpod panel              a widget: form, live jobs, history, plots, export
        %runpod golden [ID...]     keep jobs for good, as tests of the export
        %runpod replay             earlier jobs again on the handler as it is now
        %runpod rehearse           traffic now, and simulated on the deployed endpoint
        %runpod gpus               the GPU pools that hold the jobs so far, and prices
        %runpod env NAME[=VALUE]   an environment variable that the worker needs
        %runpod apt PACKAGE...     system packages that its image needs
        %runpod unload NAME...     free a model and its memory
        %runpod check [NAME]       what would go wrong later, without exporting
        %runpod import DIR         an existing worker repository as cells
        %runpod export [DIR]       write the worker repository
        %runpod why [NAME|LINE]    why a statement is part of it, or is not
        %runpod keep | drop WHAT   what goes along, or stays out, on your word
        %runpod serve              the RunPod endpoint of this kernel, on its own port
        %runpod prove [DIR]        replay the jobs through it under the real SDK

        Each answers --help. A cell that begins with %%runpod_handler is a handler.
        """
        words = line.split(maxsplit=1)
        if not words:
            return commands.card(self.session)
        name, rest = words[0], words[1] if len(words) > 1 else ""
        if name in ("--help", "-h", "help"):
            print(inspect.getdoc(RunpodMagics.runpod))  # noqa: T201 (what a magic says, it prints)
            return None
        if name in AWAITED:
            return self._where_it_cannot_run(name, rest)
        if name not in COMMANDS:
            raise self._mistake(unknown(name))
        if cell:
            raise self._mistake(f"%%runpod {name} takes no body; only %%runpod job does: write %runpod {name}")
        flags, act = COMMANDS[name]
        if _asks_for_help(rest):
            print(flags().format_help())  # noqa: T201
            return None
        with self._said_shortly():
            return None if self._skips(name) else act(self.session, flags().parse_args(commands.split(rest)))

    @no_var_expand
    @line_cell_magic
    def runpod_handler(self, line: str, cell: str | None = None) -> None:
        """Register the handler that this cell defines: %%runpod_handler [NAME] [flags].

        The cell runs as an ordinary cell. It holds a function of one job (def, async
        def, generator or async generator) with what it needs around it, or a whole
        handler.py, whose runpod.serverless.start({...}) is read as the declaration and
        starts nothing. Flags: --aggregate, --concurrency N, --refresh, --timeout S,
        --schema VAR. It must be the first line of the cell.

        Or it is the handler itself, with its inputs named: %%runpod_handler -i prompt
        -i steps=20. Each job gives these variables, or the default (a Python
        expression), and the cell's last expression is the answer. What the cell assigns
        stays inside the job. An input that the cell assigns before it reads it
        (prompt = "a cat") has that value only where the cell itself runs.
        """
        if _asks_for_help(line):
            print(handler_flags().format_help())  # noqa: T201
            return
        if cell is None:
            raise self._mistake(FIRST_LINE)
        # Reached only by calling the magic from code; a typed cell is rewritten before IPython sees a magic.
        self.session.shell.run_cell(f"{HANDLER_MAGIC} {line}\n{cell}", store_history=False)

    def misplaced(self, _line: str) -> None:
        """What a line with two percent signs calls that is not its cell's first: to IPython it is a line magic."""
        raise self._mistake(FIRST_LINE)

    def shown(self, value: Any) -> None:
        """What a command becomes that is not the last line of its cell: its result is shown all the same."""
        if value is not None:
            from IPython.display import display

            display(value)

    async def awaited(self, line: str, cell: str | None = None) -> JobRecord | Report | None:
        """What `%runpod job` and the like become in a cell: an awaited call on the kernel's own loop."""
        name, _, rest = line.partition(" ")
        if self._skips(name):
            return None
        if _asks_for_help(rest):
            print(AWAITED[name]().format_help())  # noqa: T201
            return None
        with self._said_shortly():
            if name == "job":
                return await self.session.run(rest.strip(), cell)
            flags = AWAITED[name]().parse_args(commands.split(rest))
            if name == "check":
                return await checked(self.session, flags.name)
            return await (replayed if name == "replay" else rehearsed)(self.session, flags)

    async def reported(self, line: str, path: str) -> None:
        """Runs the job of a line like `%runpod job`'s and writes what came of it to a file, as JSON."""
        record = await self.session.run(line, None)
        assert isinstance(record, JobRecord)  # the line comes without --repeat and --concurrency
        told = {
            "ok": str(record.status) == "COMPLETED" and not any(f.severity == "error" for f in record.findings),
            "status": record.status,
            "output": record.output,
            "error": record.error,
            "lost": record.lost,
            "findings": [asdict(finding) for finding in record.findings],
            "text": text(record, self.session.prices),
        }
        Path(path).write_text(json.dumps(told))

    def serving(self, line: str, path: str) -> None:
        """Serves as `%runpod serve` with that line does, and writes to a file where and with which key, as JSON."""
        from rp_notebook.kernel.serve import serve_anew, serve_flags, told

        serve_anew(self.session, serve_flags().parse_args(commands.split(line)))
        Path(path).write_text(json.dumps(told(self.session)))

    def _where_it_cannot_run(self, name: str, rest: str) -> None:
        if _asks_for_help(rest):
            print(AWAITED[name]().format_help())  # noqa: T201
            return
        raise self._mistake(
            f"%runpod {name} is awaited by its cell, which cannot be done here (inside a function or another magic): "
            + ("write `record = await rp_notebook.arun_job(handler, {...})`" if name == "job" else "give it a cell")
        )

    def _skips(self, name: str) -> bool:
        return self.alone and name in TOLD_TO_A_PERSON

    @contextmanager
    def _said_shortly(self) -> Iterator[None]:
        """Turns our own errors into IPython's `UsageError`, which is shown without a traceback."""
        try:
            yield
        except RpNotebookError as error:
            raise self._mistake(str(error)) from None

    def _mistake(self, said: str) -> UsageError:
        """A user's mistake in one line; a terminal would break that anywhere."""
        in_terminal = hasattr(self.shell, "pt_app")
        return UsageError(wrapped(f"UsageError: {said}").partition(": ")[2] if in_terminal else said)


def _asks_for_help(rest: str) -> bool:
    return rest.strip() in ("--help", "-h", "-?")
