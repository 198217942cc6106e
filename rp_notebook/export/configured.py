"""How a module configures the SDK: what it starts a worker with, and the schemas that it has inputs checked by."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from rp_notebook.export.givings import spelled_path
from rp_notebook.export.trees import walk
from rp_notebook.jobs.finding import Severity

Said = tuple[int, str, Severity, str, str]  # line, code, severity, message, fix

# facts/runpod-contract.md 2.1; what start() does not know it passes over in silence.
_KEYS = frozenset(
    {"handler", "return_aggregate_stream", "refresh_worker", "concurrency_modifier", "rp_args", "jobs_handler"}
    | {"reference_counter_start", "jobs_fetcher", "jobs_fetcher_timeout", "stop_signals_fetcher"}
    | {"stop_signals_fetcher_timeout"}
)


def configured(tree: ast.Module, imports: Mapping[str, str]) -> Iterator[Said]:
    """What there is to say of it; `imports` are what its names stand for."""
    tables = {
        target.id: node.value
        for node in tree.body
        for target in (node.targets if isinstance(node, ast.Assign) else ())
        if isinstance(node, ast.Assign) and isinstance(target, ast.Name)
    }
    for node in walk(tree):
        if isinstance(node, ast.Call):
            path = spelled_path(node.func, imports)
            if path.endswith("serverless.start") and node.args:
                yield from _of_config(_display(node.args[0], tables))
            if path.endswith("rp_validator.validate") and len(node.args) > 1:
                yield from _of_schema(_display(node.args[1], tables))


def _display(node: ast.expr, tables: Mapping[str, ast.expr]) -> Iterator[tuple[ast.Constant, ast.expr]]:
    """The entries of a dict that an expression is, or is a name of."""
    table = tables.get(node.id) if isinstance(node, ast.Name) else node
    for key, value in zip(table.keys, table.values, strict=True) if isinstance(table, ast.Dict) else ():
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key, value


def _of_config(entries: Iterator[tuple[ast.Constant, ast.expr]]) -> Iterator[Said]:
    for key, value in entries:
        if key.value not in _KEYS:
            message = f"start() knows no {key.value!r} and passes over it in silence"
            yield key.lineno, "RPX272", "warning", message, "take it out"
        elif key.value == "refresh_worker" and isinstance(value, ast.Constant) and value.value is False:
            message = "refresh_worker: False is what start() does anyway; it keeps no worker warm"
            yield key.lineno, "RPX272", "note", message, "idle timeout and active workers are set on the endpoint"


def _of_schema(entries: Iterator[tuple[ast.Constant, ast.expr]]) -> Iterator[Said]:
    for key, rule in entries:
        if not isinstance(rule, ast.Dict):
            continue
        said = {one.value: value for one, value in _display(rule, {})}
        if "required" not in said:
            message = f"the schema's {key.value!r} has no 'required': the SDK's validator refuses every input"
            yield key.lineno, "RPX275", "warning", message, "add 'required': True or False"
        kind, default = said.get("type"), said.get("default")
        typed = isinstance(kind, ast.Name) and isinstance(default, ast.Constant)
        if "constraints" in said and typed and type(default.value).__name__ == kind.id:  # type: ignore[union-attr]
            rest = "is never evaluated by the SDK's validator: its default has the same type"
            fix = "check it in the handler, or make the default None"
            yield key.lineno, "RPX275", "warning", f"the constraint of {key.value!r} {rest}", fix
