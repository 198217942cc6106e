"""What of a handler the SDK would not do as its text suggests: found in handler.py, also where no job has run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cached_property

from rp_notebook.export.configured import Said, configured
from rp_notebook.export.givings import imports_of, spelled_path
from rp_notebook.export.module import Module
from rp_notebook.export.trees import tree_of, walk
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.finding import Finding

_Function = ast.FunctionDef | ast.AsyncFunctionDef

# What these give cannot be encoded as JSON (facts/runpod-contract.md 0, 1).
_UNENCODABLE = frozenset(
    f"numpy.{name}" for name in ("array", "asarray", "zeros", "ones", "empty", "full", "arange", "linspace", "stack")
)
_UNENCODABLE |= {f"torch.{name}" for name in ("tensor", "zeros", "ones", "rand", "randn", "arange", "stack", "cat")}
_UNENCODABLE |= {f"PIL.Image.{name}" for name in ("new", "open", "fromarray", "frombytes")}
_UNENCODABLE |= {f"base64.{name}" for name in ("b64encode", "urlsafe_b64encode", "b64decode", "standard_b64encode")}
_UNENCODABLE |= {"datetime.datetime.now", "datetime.datetime.utcnow", "datetime.date.today", "datetime.datetime"}
_UNENCODABLE |= {"decimal.Decimal", "pathlib.Path", "set", "frozenset", "bytes", "io.BytesIO", "map", "filter", "zip"}
_ENDS = frozenset({"sys.exit", "exit", "quit", "os._exit"})
_LOOPS = frozenset({"asyncio.run", "asyncio.new_event_loop", "run_until_complete"})


def contract(module: Module, declaration: Declaration) -> list[Finding]:
    """What there is to say of the handler of a module and of how it is started."""
    reader = _Reader(module.text, declaration)
    placed = []
    for line, code, severity, message, fix in sorted(reader.said()):
        cell, number = module.lines[line - 1] or (None, None)
        placed.append(Finding(code, severity, message, fix, cell, number))
    return list(dict.fromkeys(placed))


class _Reader:
    def __init__(self, text: str, declaration: Declaration) -> None:
        self._tree = tree_of(text)
        self._imports: Mapping[str, str] = imports_of(iter(self._tree.body))
        functions = (node for node in self._tree.body if isinstance(node, _Function))
        self._functions = {node.name: node for node in functions}
        self._handler = self._functions.get(declaration.function)

    def said(self) -> Iterator[Said]:
        yield from configured(self._tree, self._imports)
        handler = self._handler
        if handler is None:
            return
        yield from self._called_with(handler)
        yield from self._wrapped(handler)
        for node in _own(handler):
            if isinstance(node, ast.Return) and node.value is not None:
                yield from self._returned(node.value, handler)
            yield from self._done(node, handler)

    def _called_with(self, handler: _Function) -> Iterator[Said]:
        given = handler.args
        needed = len([*given.posonlyargs, *given.args]) - len(given.defaults)
        named = [arg.arg for arg, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is None]
        if needed > 1 or named or not (given.posonlyargs or given.args or given.vararg):
            message = f"{handler.name}() is called with one argument, the job, and its definition does not take that"
            yield (
                handler.lineno,
                "RPX273",
                "error",
                message,
                "write def handler(job), and read the rest from job['input']",
            )

    def _wrapped(self, handler: _Function) -> Iterator[Said]:
        if not _is_generator(handler):
            return
        for decorator in handler.decorator_list:
            wrapper = self._functions.get(decorator.id) if isinstance(decorator, ast.Name) else None
            inner = [node for node in walk(wrapper) if isinstance(node, _Function)] if wrapper else []
            if wrapper and not any(_is_generator(one) for one in inner if one is not wrapper):
                message = (
                    f"@{wrapper.name} makes a plain function of a generator: the SDK never runs it, and posts nothing"
                )
                yield decorator.lineno, "RPX271", "error", message, "let the wrapper itself yield, or call it inside"

    def _returned(self, value: ast.expr, handler: _Function) -> Iterator[Said]:
        maker = (
            self._functions.get(value.func.id)
            if isinstance(value, ast.Call) and isinstance(value.func, ast.Name)
            else None
        )
        if maker is not None and _is_generator(maker) and not isinstance(maker, ast.AsyncFunctionDef):
            message = (
                f"{handler.name} returns the generator of {maker.name}(): the SDK never runs it, and posts nothing"
            )
            yield value.lineno, "RPX271", "error", message, f"write `yield from {maker.name}(...)`, or return list(...)"
            return
        for part, where in _parts(value):
            what = self._unencodable(part)
            if what:
                message = f"{where} is {what}, which is no JSON: production would lose the answer"
                yield part.lineno, "RPX270", "warning", message, "turn it into text, numbers, lists or dicts"
        yield from _errors(value)

    def _unencodable(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return next(filter(None, (self._unencodable(one) for one in self._assigned.get(node.id, ()))), "")
        match node:
            case ast.Constant(value=bytes()):
                return "bytes"
            case ast.Set() | ast.SetComp():
                return "a set"
            case ast.GeneratorExp():
                return "a generator"
            case ast.Call(func=func):
                path = self._path(func)
                return f"what {path} gives" if path in _UNENCODABLE or path in self._records else ""
        return ""

    @cached_property
    def _assigned(self) -> dict[str, list[ast.expr]]:
        """The values of names that the handler or the module binds once."""
        found: dict[str, list[ast.expr]] = {}
        for node in [*self._tree.body, *(_own(self._handler) if self._handler else ())]:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        found.setdefault(target.id, []).append(node.value)
        return {name: values for name, values in found.items() if len(values) == 1}

    @cached_property
    def _records(self) -> set[str]:
        """The classes of the module that are dataclasses or models of pydantic."""
        found = set()
        for node in self._tree.body:
            if isinstance(node, ast.ClassDef):
                marks = [*(d.func if isinstance(d, ast.Call) else d for d in node.decorator_list), *node.bases]
                found |= {node.name} & ({node.name} if {self._path(m) for m in marks} & _RECORDS else set())
        return found

    def _done(self, node: ast.AST, handler: _Function) -> Iterator[Said]:
        job = next((arg.arg for arg in [*handler.args.posonlyargs, *handler.args.args]), "job")
        if isinstance(node, ast.Call):
            path = self._path(node.func)
            if path in _ENDS:
                yield (
                    node.lineno,
                    "RPX277",
                    "error",
                    f"{path}() in a handler ends the worker, and the job with it",
                    "raise",
                )
            leaf = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if isinstance(handler, ast.FunctionDef) and (path in _LOOPS or leaf in _LOOPS):
                message = f"{path or leaf}() in a handler fails in every worker: the SDK's loop is running"
                yield node.lineno, "RPX274", "error", message, "write `async def` and await"
        match node:
            case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value="id"))]) if (
                name == job
            ):
                message = f"the handler changes {job}['id']: its answer goes to another job, and this one never ends"
                yield node.lineno, "RPX277", "error", message, f"leave {job}['id'] as it is"

    def _path(self, node: ast.expr) -> str:
        return spelled_path(node, self._imports) or ""


_RECORDS = frozenset({"dataclasses.dataclass", "pydantic.BaseModel"})


def _own(function: _Function) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions in it."""
    waiting: list[ast.AST] = [*function.body]
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, _Function | ast.Lambda | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)


def _is_generator(function: _Function) -> bool:
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in _own(function))


def _parts(value: ast.expr, where: str = "the answer") -> Iterator[tuple[ast.expr, str]]:
    """The parts of an answer as they are written, each with what it is called."""
    match value:
        case ast.Dict(keys=keys, values=values):
            for key, item in zip(keys, values, strict=True):
                name = key.value if isinstance(key, ast.Constant) else "..."
                yield from _parts(item, f"{name!r} of {where}")
        case ast.List(elts=items) | ast.Tuple(elts=items):
            for number, item in enumerate(items):
                yield from _parts(item, f"item {number} of {where}")
        case _:
            yield value, where


def _errors(value: ast.expr) -> Iterator[Said]:
    for key, item in zip(value.keys, value.values, strict=True) if isinstance(value, ast.Dict) else ():
        match key, item:
            case ast.Constant(value="error"), ast.Dict() | ast.List() | ast.Tuple():
                message = "`error` is not text: users report that such jobs show COMPLETED, without an output"
                yield item.lineno, "RPX276", "warning", message, "write str(...) around it"
            case ast.Constant(value="errors"), _ if len(value.keys) == 1:  # type: ignore[attr-defined] # a dict
                message = "`errors` means nothing to the platform: the job counts as COMPLETED"
                yield item.lineno, "RPX276", "warning", message, "return {'error': '...'} or raise to fail the job"
