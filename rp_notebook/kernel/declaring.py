"""Registers the handlers that a cell declares, once the cell has run."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from typing import Any

from rp_notebook.errors import BadDeclaration
from rp_notebook.jobs.declaration import Declaration, StartReplaced, declared
from rp_notebook.jobs.handler import Handler, as_handler
from rp_notebook.jobs.handler_cell import HANDLER_MAGIC, HandlerCell, handler_cell
from rp_notebook.jobs.handlers import Handlers, configured
from rp_notebook.jobs.marking import Mark, mark_of
from rp_notebook.jobs.pasted import lacks_magic
from rp_notebook.kernel.flat_cells import Ran, given_defaults, lacking, made, unseen

# What a pasted `runpod.serverless.start(...)` calls instead.
STARTED = ast.parse("get_ipython().magics_manager.registry['RunpodMagics'].started", mode="eval").body


def may_declare(raw_cell: str) -> bool:
    """Whether a cell can declare a handler: looking closer, and through the namespace, has its price at every cell."""
    return any(word in raw_cell for word in ("@", "handler", "import", "%run "))


class Declaring:
    """Turns declarations in cells, pasted `start(...)` calls and marked functions into registered handlers."""

    def __init__(self, handlers: Handlers) -> None:
        self.handlers = handlers
        self.declarations: dict[str, Declaration] = {}
        self._start: StartReplaced | None = None
        self._config: Any = None
        self._given: dict[str, Any] = {}

    def visit(self, tree: ast.AST) -> ast.AST:
        """What IPython calls with each cell's tree: only in a handler cell does `start` become ours."""
        return self._start.visit(tree) if self._start is not None else tree

    @property
    def in_handler_cell(self) -> bool:
        """Whether a cell is running that declares a handler, which is registered when the cell has ended."""
        return self._start is not None

    def opened(self, raw_cell: str, namespace: dict[str, Any]) -> bool:
        """A cell is about to run; whether it declares a handler, so that its tree must be visited."""
        self._config = None
        cell = handler_cell(raw_cell) if HANDLER_MAGIC in raw_cell else None
        self._start = StartReplaced(STARTED) if cell is not None else None
        self._given = given_defaults(cell, namespace) if cell is not None else {}
        return cell is not None

    def started(self, config: Any) -> None:
        """The cell called `runpod.serverless.start(config)`: nothing starts, the config declares the handler."""
        self._config = config

    def closed(self, ran: Ran, namespace: dict[str, Any]) -> list[str]:
        """A cell has run: registers what it declares and returns a line for each, to be shown.

        A cell that failed registers nothing, and is told what it may lack. Raises `BadDeclaration` when a
        handler cell does not say which function is meant.
        """
        self._start = None
        for name, value in self._given.items():
            if namespace.get(name) is value:  # it was there for this cell only
                del namespace[name]
        self._given = {}
        cell = handler_cell(ran.text) if HANDLER_MAGIC in ran.raw else None
        if ran.error is not None:
            helps = lacks_magic(ran.text, type(ran.error).__name__)
            return lacking(ran, cell) if cell is not None else [helps] if helps else []
        lines = [self._declared(cell, ran, namespace)] if cell is not None else []
        return lines + self._marked(namespace)

    def _declared(self, cell: HandlerCell, ran: Ran, namespace: dict[str, Any]) -> str:
        declaration = declared(cell.flags, ran.python(cell), line=cell.line)
        ignored: Iterable[str] = ()
        if declaration.flat is not None:
            found = as_handler(made(declaration.flat, cell, ran, namespace), name=declaration.name)
        elif self._config is not None:
            found, ignored = configured(self._config, declaration.name)
        else:
            found = as_handler(_value_of(declaration.function, namespace), name=declaration.name)
        handler = found._replace(
            aggregate=found.aggregate or declaration.aggregate,
            refresh=found.refresh or declaration.refresh,
            concurrency=declaration.concurrency or found.concurrency,
            timeout_s=declaration.timeout_s,
        )
        told = self._registered(handler, declaration, ignored)
        return "\n".join([told, *(unseen(declaration.flat, namespace) if declaration.flat is not None else [])])

    def _marked(self, namespace: Mapping[str, Any]) -> list[str]:
        known = {id(handler.call) for handler in self.handlers}
        found = {
            name: (value, mark)
            for name, value in tuple(namespace.items())
            if not name.startswith("_") and (mark := mark_of(value)) is not None and id(value) not in known
        }
        unique = {id(value): (name, value, mark) for name, (value, mark) in found.items()}
        return [self._registered(*_of_mark(name, value, mark), ()) for name, value, mark in unique.values()]

    def _registered(self, handler: Handler, declaration: Declaration, ignored: Iterable[str]) -> str:
        registered = self.handlers.register(handler)
        self.declarations[registered.name] = declaration
        return f"{described(registered)}. Run a job: %runpod job {{...}}" + "".join(
            f"\n`{key}` means nothing to runpod.serverless.start and is ignored there" for key in ignored
        )


def described(handler: Handler) -> str:
    """`sentiment v2 (sync)`: a handler in a few words."""
    words = [handler.kind.value]
    if handler.aggregate:
        words.append("aggregates" if handler.streams else "aggregate has no effect: it does not stream")
    if handler.refresh:
        words.append("worker restarts after each job")
    if (handler.concurrency or 1) > 1:
        serial = ", but sync jobs run one after another" if not handler.awaits else ""
        words.append(f"{handler.concurrency} at a time{serial}")
    if handler.timeout_s is not None:
        words.append(f"at most {handler.timeout_s:g} s")
    return f"Handler {handler.name} v{handler.version} ({'; '.join(words)})"


def _of_mark(name: str, value: Any, mark: Mark) -> tuple[Handler, Declaration]:
    handler = as_handler(value, name=mark.name or name)._replace(
        aggregate=mark.aggregate,
        refresh=mark.refresh,
        concurrency=mark.concurrency,
        timeout_s=mark.timeout,
    )
    declaration = Declaration(
        handler.name, name, mark.aggregate, mark.refresh, concurrency=mark.concurrency, timeout_s=mark.timeout
    )
    return handler, declaration


def _value_of(function: str, namespace: Mapping[str, Any]) -> Any:
    if function not in namespace:
        raise BadDeclaration(f"the cell ran, but {function!r} is not there: was it deleted at the end of the cell?")
    return namespace[function]
