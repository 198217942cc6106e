"""What the extension knows in one kernel: handlers, jobs, executed cells."""

from __future__ import annotations

import ast
import atexit
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any, Literal

from rp_notebook.errors import BadDeclaration, BadInput
from rp_notebook.jobs.ambient import notebook
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.handler import Handler
from rp_notebook.jobs.handlers import Handlers
from rp_notebook.jobs.history import History
from rp_notebook.jobs.marking import mark_of
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.request import refuse_oversized, request_of, whole_job
from rp_notebook.jobs.schema import Schema, checked_schema, refuse_unfit
from rp_notebook.jobs.worker import Worker
from rp_notebook.kernel.declaring import Declaring, may_declare
from rp_notebook.kernel.environment import EnvironmentSecrets
from rp_notebook.kernel.flat_cells import Ran
from rp_notebook.kernel.inputs import input_of, job_line
from rp_notebook.kernel.needs import Needs
from rp_notebook.kernel.places import history_places
from rp_notebook.kernel.recorder import Recorder
from rp_notebook.kernel.watching import shown_live
from rp_notebook.panel.report import Report

if TYPE_CHECKING:
    from rp_notebook.export.plan import Plan
    from rp_notebook.jobs.pools import PriceTable
    from rp_notebook.kernel.pump import Pump
    from rp_notebook.kernel.serving import Serving


class Session:
    """Joins the rooms for one IPython shell; `shell.user_ns` is the only namespace it reads."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.handlers = Handlers()
        self.secrets = EnvironmentSecrets()
        self.needs = Needs()
        self.history = History(
            lambda: history_places(self.namespace, os.environ), warn=_warn, secrets=lambda: self.secrets()
        )
        self.worker = Worker(self.history)
        self.declaring = Declaring(self.handlers)
        self.recorder = Recorder(shell)
        self.said: dict[Literal["keep", "drop"], list[str]] = {"keep": [], "drop": []}  # %runpod keep and drop
        self.pump: Pump | None = None  # made when somebody first sends a job from outside
        self.serving: Serving | None = None  # %runpod serve
        self.served: tuple[int, str | None] = 0, None  # its port and its key, until --stop: what clients were given
        self.withdraw: Callable[[str], bool] | None = None  # a job that a Jupyter server may keep
        self.close_panel: Callable[[], None] | None = None  # %runpod panel
        self.unwatch: list[Callable[[], object]] = []  # what is to be undone besides
        self.exports: dict[Path, tuple[Handler, int]] = {}  # the folders written, and how many cells had run
        self.plans: dict[str, Plan] = {}  # how the last export of each handler was cut
        self.cold_start: tuple[str, float] | None = None  # the folder that was proved last, and its seconds
        self.prices: PriceTable | None = None  # the last that --prices named; where there is none, those that ship

    @property
    def namespace(self) -> dict[str, Any]:
        """The user's variables."""
        names: dict[str, Any] = self.shell.user_ns
        return names

    async def run(self, line: str, body: str | None) -> JobRecord | Report:
        """Runs the job, or the jobs, of a `%runpod job` line. Raises `BadInput` or `UnknownHandler`."""
        if self.declaring.in_handler_cell:
            raise BadInput("the handler of this cell is there when the cell has ended: run its job in the next cell")
        asked = job_line(line, body)
        self.prices = asked.prices or self.prices
        handler = self.handlers.chosen(asked.handler, self.namespace)
        job = input_of(asked.text, self.namespace)
        schema = self.schema_of(handler)
        if schema is not None:
            refuse_unfit(whole_job(job)["input"], schema)
        request = request_of(job, mode=asked.mode)
        refuse_oversized(request, asked.mode)
        if max(asked.repeat, asked.concurrency) > 1:
            from rp_notebook.kernel import many  # statistics takes longer to load than all of this room

            run, count = (many.repeated, asked.repeat) if asked.repeat > 1 else (many.overlapped, asked.concurrency)
            return await run(self.worker, handler, job, asked.mode, count, asked.timeout_s)
        with shown_live(self.history, self._display()):
            record = await self.worker.run(handler, request, asked.timeout_s)
        if asked.output:
            self.namespace[asked.output] = record.output
        return record

    def _display(self) -> Any:
        if not hasattr(self.shell, "kernel"):  # a terminal cannot replace what it has shown
            return None
        from IPython.display import display

        return display

    def schema_of(self, handler: Handler) -> Schema | None:
        """The input schema that a handler was registered with. Raises `BadDeclaration` when it is none."""
        mark = mark_of(handler.call)
        name = self.declaration(handler).schema
        if name is not None and name not in self.namespace:
            raise BadDeclaration(f"--schema {name}: there is no variable of that name")
        schema = self.namespace[name] if name is not None else mark.schema if mark is not None else None
        return None if schema is None else checked_schema(schema)

    def declaration(self, handler: Handler) -> Declaration:
        """How a handler is declared; a plain callable of the namespace declares itself."""
        return self.declaring.declarations.get(handler.name) or Declaration(handler.name, handler.name)

    def exported_as(self, handler: Handler) -> Declaration:
        """How the export declares a handler: one that no cell registered may be started by a pasted `start(...)`.

        Its jobs here know nothing of that one: what would make their answers others is not taken from it.
        """
        from rp_notebook.export.declarations import declarations

        pasted = declarations(self.recorder.cells).get(handler.name)
        if handler.name in self.declaring.declarations or pasted is None or pasted.aggregate:
            return self.declaration(handler)
        return pasted

    def watch(self) -> Callable[[], None]:
        """Records cells and registers the handlers they declare; the returned function ends that."""
        events = self.shell.events
        events.register("pre_run_cell", self._before)
        events.register("post_run_cell", self._after)
        atexit.register(self.history.close)
        notebook.opened(self.history, self.handlers)

        def stop() -> None:
            while self.unwatch:
                self.unwatch.pop()()
            self.pump = None
            notebook.closed()
            atexit.unregister(self.history.close)
            self.history.close()
            events.unregister("pre_run_cell", self._before)
            events.unregister("post_run_cell", self._after)

        return stop

    def _before(self, info: Any) -> None:
        self.recorder.before(info)
        self._forget_start()
        # Only then: with any transformer in its list, IPython walks the tree of every cell once more.
        if self.declaring.opened(info.raw_cell, self.namespace):
            self.shell.ast_transformers.append(self.declaring)

    def _forget_start(self) -> None:
        if self.declaring in self.shell.ast_transformers:
            self.shell.ast_transformers.remove(self.declaring)

    def _after(self, result: Any) -> None:
        self.recorder.after(result)
        self.secrets.forget()
        self.history.flush()  # what a cell ran is on the disk when the cell is over
        if result.info is None or not may_declare(result.info.raw_cell):
            return
        self._forget_start()
        try:
            lines = self.declaring.closed(self._ran(result), self.namespace)
        except BadDeclaration as error:
            print(f"UsageError: {error}", file=sys.stderr)  # noqa: T201 (as IPython shows a user's mistake)
            return
        for line in lines:
            print(line)  # noqa: T201 (below the cell that declares the handler)

    def _ran(self, result: Any) -> Ran:
        raw: str = result.info.raw_cell
        number = result.execution_count or self.shell.execution_count

        def compiled(source: str, tree: ast.Module) -> CodeType:
            # The shell's own compiler: it knows the cell by this name, and the __future__ of earlier cells.
            code: CodeType = self.shell.compile(tree, self.shell.compile.cache(source, number, raw_code=raw), "exec")
            return code

        return Ran(raw, result.error_before_exec or result.error_in_exec, self.shell.transform_cell, compiled)


def _warn(said: str) -> None:
    print(f"Warning: {said}", file=sys.stderr)  # noqa: T201 (below the cell whose job meets it)
