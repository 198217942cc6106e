"""A form for the input of a job: one field for each key, with the control that suits it."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rp_notebook.jobs.schema import Schema

CONTROLS: Mapping[str, str] = {
    "text": "text",
    "integer": "integer",
    "number": "number",
    "true or false": "boolean",
    "list": "json",
    "object": "json",
}
KINDS: Mapping[type, str] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    list: "list",
    tuple: "list",
    dict: "object",
}
# What a key is called says that a file may be meant; only then is there an upload.
UPLOADS = (
    ("image", ("image", "img", "photo", "picture", "mask", "frame")),
    ("audio", ("audio", "sound", "speech", "voice", "wav", "mp3")),
    ("video", ("video", "movie", "mp4")),
    ("file", ("file", "document", "pdf", "base64", "b64", "bytes")),
)
SAMPLES: Mapping[str, Any] = {"integer": 1, "number": 1.0, "boolean": True, "json": []}
NO_UPLOADS = ("url", "count", "width", "height", "size", "num", "format", "type", "name", "path", "model")
Form = list[dict[str, Any]]


class Key(Protocol):
    """A key of the input, as the exporter reads it from a handler's text."""

    @property
    def name(self) -> str: ...
    @property
    def required(self) -> bool: ...
    @property
    def default(self) -> str | None: ...
    @property
    def kinds(self) -> tuple[str, ...]: ...
    @property
    def choices(self) -> tuple[Any, ...]: ...
    @property
    def rule(self) -> str | None: ...
    @property
    def about(self) -> str: ...


def form_of(keys: Sequence[Key]) -> Form:
    """The fields of a form as plain data: name, control, required, default and what limits there are."""
    return [_field(key) for key in keys]


def form_of_schema(schema: Schema) -> Form:
    """The form for an input schema, as `--schema` names one."""
    fields = []
    for name, rule in schema.items():
        types = rule["type"] if isinstance(rule["type"], tuple) else (rule["type"],)
        kinds = tuple(KINDS[kind] for kind in types if kind in KINDS)
        field = {"name": name, "control": _control(name, kinds), "required": bool(rule.get("required", False))}
        default = rule.get("default")
        fields.append(field if default is None else {**field, "default": default})
    return fields


def sample_of(form: Form) -> dict[str, Any]:
    """An input with the keys that a handler cannot do without."""
    return {field["name"]: _sample(field) for field in form if field["required"]}


def _sample(field: dict[str, Any]) -> Any:
    if "choices" in field:
        return field["choices"][0]
    return field.get("low", SAMPLES.get(field["control"], "..."))


def _field(key: Key) -> dict[str, Any]:
    low, high, choices = _limits(key.rule, whole=key.kinds[:1] == ("integer",))
    choices = key.choices or choices
    field: dict[str, Any] = {"name": key.name, "required": key.required, "about": key.about, "rule": key.rule or ""}
    field["control"] = "choice" if choices else _control(key.name, key.kinds)
    if choices:
        field["choices"] = list(choices)
    if low is not None and high is not None and field["control"] in ("integer", "number"):
        field |= {"low": low, "high": high}
    if key.default is None:
        return field
    try:
        return {**field, "default": ast.literal_eval(key.default)}
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return {**field, "said": key.default}  # an expression: it can be told, not filled in


def _control(name: str, kinds: Sequence[str]) -> str:
    certain = [kind for kind in kinds if kind != "null"]
    if not certain or certain == ["text"]:
        words = name.lower().replace("-", "_").split("_")
        if not set(words) & set(NO_UPLOADS):
            for control, names in UPLOADS:
                if any(word.rstrip("s") in names for word in words):
                    return control
        return "text" if certain else "any"
    if set(certain) == {"integer", "number"}:
        return "number"
    return CONTROLS.get(certain[0], "any") if len(certain) == 1 else "any"


def _limits(rule: str | None, *, whole: bool) -> tuple[float | None, float | None, tuple[Any, ...]]:
    """The least and the largest number, or the only values, that a rule takes: `>= 1 and <= 4`, `0 < x < 1`.

    Of whole numbers, `0 < x` begins at 1.
    """
    low, high = None, None
    choices: tuple[Any, ...] = ()
    for node in ast.walk(_parsed(rule or "")):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        for left, operator, right in zip(sides, node.ops, sides[1:], strict=False):
            match left, operator, right:
                case ast.Name(), ast.In(), _:
                    choices = tuple(_constants(right))
                case (ast.Name(), ast.GtE() | ast.Gt(), number) | (number, ast.LtE() | ast.Lt(), ast.Name()):
                    low = _number(number, whole and isinstance(operator, ast.Gt | ast.Lt), 1)
                case (ast.Name(), ast.LtE() | ast.Lt(), number) | (number, ast.GtE() | ast.Gt(), ast.Name()):
                    high = _number(number, whole and isinstance(operator, ast.Gt | ast.Lt), -1)
    return low, high, choices


def _parsed(rule: str) -> ast.AST:
    text = rule if rule[:1] not in tuple("<>") else " and ".join(f"x {part}" for part in rule.split(" and "))
    try:
        return ast.parse(text, mode="eval")
    except (SyntaxError, ValueError):  # `length >= 3`
        return ast.Module([], [])


def _number(node: ast.expr, beyond: bool, step: int) -> float | None:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return value + step * beyond if isinstance(value, int | float) and not isinstance(value, bool) else None


def _constants(node: ast.expr) -> list[Any]:
    items = node.elts if isinstance(node, ast.List | ast.Tuple | ast.Set) else []
    return [item.value for item in items if isinstance(item, ast.Constant)]
