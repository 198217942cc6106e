"""The check of a job's input that `--validate` puts before the handler: input_check.py, and its place in handler.py."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import replace
from importlib.resources import files

from rp_notebook.errors import ExportRefused
from rp_notebook.export.input_fields import input_fields
from rp_notebook.export.input_types import Field
from rp_notebook.export.module import Module
from rp_notebook.export.parts import Parts
from rp_notebook.export.trees import walk
from rp_notebook.jobs.declaration import START, Declaration, dotted, imported_names, start_calls
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.job import Status
from rp_notebook.jobs.record import JobRecord

CHECK = "input_check.py"
_KEEP = "input_schema"  # a key that the SDK does not know, and that stands in no module which is written
_CLASSES = {
    "text": "str",
    "integer": "int",
    "number": "float",
    "true or false": "bool",
    "list": "list",
    "object": "dict",
    "null": "type(None)",
}


def keeping_schema(declaration: Declaration) -> Declaration:
    """The declaration with its `--schema` variable among what the start needs, so that the slice keeps it."""
    if declaration.schema is None:
        return declaration
    config = declaration.start_config.rstrip()
    if not config.endswith("}"):
        return declaration
    return replace(declaration, config=f'{config[:-1].rstrip().rstrip(",")}, "{_KEEP}": {declaration.schema}}}')


def validated(module: Module, declaration: Declaration) -> Module:
    """The module whose start is given the handler behind the check.

    Raises `ExportRefused` where the start's config is no dict in which the handler stands.
    """
    tree = ast.parse(module.text)
    configs = [call.args[0] for call in start_calls(tree) if call.args]
    config = configs[-1] if configs else None
    entries = dict(zip(map(_text, config.keys), config.values, strict=True)) if isinstance(config, ast.Dict) else {}
    if "handler" not in entries or config is None:
        message = f"--validate: the config of {START} is put together elsewhere, so that its handler cannot be wrapped"
        fix = f'write {START}({{"handler": ...}}), or export without --validate'
        raise ExportRefused([Finding("RPX250", "error", message, fix)])
    parts = [f'"{key}": {ast.get_source_segment(module.text, value)}' for key, value in entries.items() if key != _KEEP]
    handler = ast.get_source_segment(module.text, entries["handler"])
    named = declaration.schema if _KEEP in entries else _validated_by(tree)
    # Keys that the user's own schema does not have are refused, as in the notebook and by the SDK's validator.
    schema = f", {named}, unknown=False" if named else ""
    parts = [f'"handler": checked({handler}{schema})' if part.startswith('"handler": ') else part for part in parts]
    text = _replaced(module.text, config, "{" + ", ".join(parts) + "}")
    gone = len(module.text.split("\n")) - len(text.split("\n"))
    lines = list(module.lines)
    del lines[config.lineno : config.lineno + gone]
    at = _end_of_imports(ast.parse(text))
    rows = text.split("\n")
    rows[at:at] = ["", f"from {CHECK.removesuffix('.py')} import checked"]
    lines[at:at] = [None, None]
    return replace(module, text="\n".join(rows), lines=tuple(lines))


def input_check(fields: Iterable[Field]) -> str:
    """The text of input_check.py over what is known of the input; what is only guessed at is not checked."""
    template = (files("rp_notebook.export") / "templates" / "input_check.py.txt").read_text("utf-8")
    rules = "".join(f'    "{one.name}": {_rule(one)},\n' for one in fields if one.name.isprintable())
    return template.replace("SCHEMA = {}", f"SCHEMA = {{\n{rules}}}" if rules else "SCHEMA = {}", 1)


def _rule(one: Field) -> str:
    said = {"required": str(one.required)}
    classes = [_CLASSES[kind] for kind in one.kinds if kind in _CLASSES] if one.certain else []
    if classes:
        said["type"] = classes[0] if len(classes) == 1 else f"({', '.join(classes)})"
    if one.choices:
        said["choices"] = repr(one.choices)
    return "{" + ", ".join(f'"{key}": {text}' for key, text in said.items()) + "}"


def _replaced(text: str, node: ast.expr, new: str) -> str:
    rows = text.encode().split(b"\n")
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    before, after = rows[first][: node.col_offset], rows[last][node.end_col_offset :]
    return b"\n".join([*rows[:first], before + new.encode() + after, *rows[last + 1 :]]).decode()


def _end_of_imports(tree: ast.Module) -> int:
    """The line behind which the imports at the head of a module end."""
    end = 0
    for node in tree.body:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not is_text and not isinstance(node, ast.Import | ast.ImportFrom):
            break
        end = node.end_lineno or end
    return end


def _validated_by(tree: ast.Module) -> str | None:
    """The variable of the module that the SDK's own validator, which skips constraints, is given as the schema."""
    names = imported_names(tree)
    for node in walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func, names).endswith("rp_validator.validate"):
            schema = node.args[1] if len(node.args) == 2 else None
            targets = [t for s in tree.body if isinstance(s, ast.Assign) for t in s.targets if isinstance(t, ast.Name)]
            if isinstance(schema, ast.Name) and schema.id in {target.id for target in targets}:
                return schema.id
    return None


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def with_check(parts: Parts, declaration: Declaration, records: Iterable[JobRecord]) -> Parts:
    """The parts of a worker that checks its input before its handler sees it."""
    if CHECK in parts.files:
        message = f"--validate: a module of the notebook is called {CHECK}, and so is what it would write"
        raise ExportRefused([Finding("RPX250", "error", message, "rename it beside the notebook")])
    inputs = [r.job.input for r in records if r.status is Status.COMPLETED and isinstance(r.job.input, dict)]
    fields = input_fields(parts.module.text, declaration.function, inputs)
    module = validated(parts.module, declaration)
    return replace(parts, module=module, files={**parts.files, CHECK: input_check(fields).encode()})
