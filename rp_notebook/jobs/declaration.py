"""Which function of a cell handles jobs, and with which options, read from the cell's text alone."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Sequence
from dataclasses import dataclass, field

from rp_notebook.errors import BadDeclaration
from rp_notebook.jobs.flag_parser import FlagParser
from rp_notebook.jobs.flat import FlatFunction, flat_function
from rp_notebook.jobs.flat_inputs import inputs_of, words_of
from rp_notebook.jobs.handler_cell import HANDLER_MAGIC

START = "runpod.serverless.start"


@dataclass(frozen=True)
class Declaration:
    """A handler as the notebook declares it.

    `name` is what jobs call it by, `function` the expression that gives the callable. `config` is the source text of
    the dict that a pasted `runpod.serverless.start(...)` was given, None when flags said it all. `timeout_s` is in
    seconds; `schema` names a variable; `flat` is the function that a flat cell stands for.
    """

    name: str
    function: str
    aggregate: bool = False
    refresh: bool = False
    concurrency: int | None = None
    timeout_s: float | None = None
    schema: str | None = None
    config: str | None = None
    flat: FlatFunction | None = field(default=None, repr=False)

    @property
    def start_config(self) -> str:
        """The text of the dict to hand to `runpod.serverless.start`."""
        if self.config is not None:
            return self.config
        entries = [f'"handler": {self.function}']
        if self.aggregate:
            entries.append('"return_aggregate_stream": True')
        if self.refresh:
            entries.append('"refresh_worker": True')
        if self.concurrency is not None:
            entries.append(f'"concurrency_modifier": lambda current: {self.concurrency}')
        return "{" + ", ".join(entries) + "}"


def handler_flags() -> FlagParser:
    """The flags that may follow `%%runpod_handler` on its line."""
    parser = FlagParser(prog=HANDLER_MAGIC, add_help=False, description="Register this cell's handler.")
    parser.add_argument("name", nargs="?", help="what jobs call it by (default: the function's own name)")
    parser.add_argument(
        *("-i", "--input"),
        dest="inputs",
        action="append",
        default=[],
        metavar="NAME[=DEFAULT]",
        help="a variable that each job gives; the cell's last expression is then the answer",
    )
    parser.add_argument("--aggregate", action="store_true", help="collect what a generator yields into the answer")
    parser.add_argument("--concurrency", type=int, metavar="N", help="jobs at a time (async handlers only overlap)")
    parser.add_argument("--refresh", action="store_true", help="restart the worker after every job")
    parser.add_argument("--timeout", type=float, metavar="S", help="seconds a job may take")
    parser.add_argument("--schema", metavar="VAR", help="the variable that holds the input schema")
    return parser


def declared(flags: str, source: str, *, earlier: Sequence[str] = (), line: int = 1) -> Declaration:
    """The declaration that `%%runpod_handler FLAGS` makes over a cell whose Python source is `source`.

    `earlier` are imports of other cells, which say what `start` is; `line` is the magic's. Raises `BadDeclaration` when
    the flags are wrong or the cell does not say which function is meant. A cell that does not parse raises its
    `SyntaxError`.
    """
    try:
        given = handler_flags().parse_args(words_of(flags))
    except ValueError as error:
        raise BadDeclaration(f"{HANDLER_MAGIC} {flags}: {error}") from None
    whole = "\n".join([*earlier, source])
    tree = ast.parse(whole)
    options = {
        "aggregate": given.aggregate,
        "refresh": given.refresh,
        "concurrency": given.concurrency,
        "timeout_s": given.timeout,
        "schema": given.schema,
    }
    start = next(iter(start_calls(tree)), None)
    if given.inputs:
        if start is not None:
            raise BadDeclaration(f"a cell with -i is the handler itself: take {START}(...) out, or -i")
        flat = flat_function(_function_name(given.name), inputs_of(given.inputs), source, line)
        return Declaration(name=given.name or flat.name, function=flat.name, flat=flat, **options)
    if start is not None:
        return _from_start(start, whole, given.name, options)
    function = _function_meant(tree, given.name)
    return Declaration(name=given.name or function, function=function, **options)


def start_calls(tree: ast.AST, names: dict[str, str] | None = None) -> list[ast.Call]:
    """The calls of `runpod.serverless.start` in a tree, however it was imported there, or as `names` has it."""
    names = imported_names(tree) if names is None else names
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [call for call in calls if dotted(call.func, names) == START]


class StartReplaced(ast.NodeTransformer):
    """Turns each `runpod.serverless.start(config)` of a cell into a call of `replacement(config)`."""

    def __init__(self, replacement: ast.expr) -> None:
        self._replacement = replacement
        self._names: dict[str, str] = {}

    def visit_Module(self, node: ast.Module) -> ast.AST:
        self._names = imported_names(node)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if dotted(node.func, self._names) == START:
            node.func = ast.copy_location(self._replacement, node.func)
        return node


def _from_start(call: ast.Call, source: str, name: str | None, options: dict[str, object]) -> Declaration:
    argument = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "config"), None)
    if argument is None:
        raise BadDeclaration(f"line {call.lineno}: {START}() is given no config; it needs {{'handler': ...}}")
    if not isinstance(argument, ast.Dict):
        text = ast.get_source_segment(source, argument) or "config"
        return Declaration(
            name=name or "handler",
            function=f'{text}["handler"]',
            config=text,
            **options,  # type: ignore[arg-type] # the keys are Declaration's own
        )
    entries = {
        key.value: value
        for key, value in zip(argument.keys, argument.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }
    if "handler" not in entries:
        raise BadDeclaration(f"line {call.lineno}: the config of {START} has no 'handler'")
    function = ast.get_source_segment(source, entries["handler"]) or "handler"
    said = options | {
        "aggregate": options["aggregate"] or _is_true(entries.get("return_aggregate_stream")),
        "refresh": options["refresh"] or _is_true(entries.get("refresh_worker")),
    }
    return Declaration(
        name=name or (function if function.isidentifier() else "handler"),
        function=function,
        config=ast.get_source_segment(source, argument),
        **said,  # type: ignore[arg-type] # the keys are Declaration's own
    )


def _function_meant(tree: ast.Module, name: str | None) -> str:
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assigned = [
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    bound = [node.name for node in functions] + assigned
    for wanted in (name, "handler"):
        if wanted in bound:
            return wanted
    if len({node.name for node in functions}) == 1:
        return functions[0].name
    if functions:
        names = ", ".join(dict.fromkeys(node.name for node in functions))
        raise BadDeclaration(f"the cell defines {names}: call one of them 'handler', or write {HANDLER_MAGIC} NAME")
    if len(assigned) == 1:
        return assigned[0]
    raise BadDeclaration(
        f"the cell defines no function: write def handler(job): ... below {HANDLER_MAGIC}, or name its inputs with -i"
    )


def _function_name(name: str | None) -> str:
    return name if name is not None and name.isidentifier() and not keyword.iskeyword(name) else "handler"


def imported_names(tree: ast.AST) -> dict[str, str]:
    """What the names that a tree imports stand for, dotted; `runpod` stands for itself."""
    names = {"runpod": "runpod"}
    for node in imports_in(tree):
        names |= named_by(node)
    return names


class Imported:
    """What the names stand for that cells import, one cell after the other."""

    def __init__(self) -> None:
        self.names = imported_names(ast.Module([], []))
        self._renamed = False  # one of them gave the start call a name of its own

    def add(self, node: ast.Import | ast.ImportFrom) -> None:
        """Takes up what one more import says."""
        named = named_by(node)
        self.names |= named
        self._renamed |= START in named.values()

    def start_calls(self, source: str, tree: ast.AST) -> list[ast.Call]:
        """The start calls in the tree of a source; most sources are not looked through for them."""
        return start_calls(tree, self.names) if "start" in source or self._renamed else []


def named_by(node: ast.Import | ast.ImportFrom) -> dict[str, str]:
    """What the names that an import renames or takes out of a module stand for, dotted."""
    if isinstance(node, ast.Import):
        return {alias.asname: alias.name for alias in node.names if alias.asname}
    if not node.module or node.level:
        return {}
    return {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}


def imports_in(tree: ast.AST) -> list[ast.Import | ast.ImportFrom]:
    """The imports of a tree, the outer ones first."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def dotted(node: ast.expr, names: dict[str, str]) -> str:
    """The dotted path that an expression such as `sls.start` names; empty when it does not start at one of `names`."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value, names)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and bool(node.value)
