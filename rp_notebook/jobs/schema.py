"""An input schema as RunPod's validator takes it, and a check that really evaluates what it says.

A schema maps each key to `type` (a class, a tuple of classes, a union), `required`, `default` and `constraints` (a
function of the value). The SDK's own validator skips `constraints` wherever the default has the value's type
(facts/runpod-contract.md 7.9).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any, get_args

from rp_notebook.errors import BadDeclaration, BadInput
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.keeping import code_of

SDK_VALIDATOR = "runpod.serverless.utils.rp_validator"

Schema = Mapping[str, Mapping[str, Any]]


def checked_schema(schema: Any) -> Schema:
    """The schema itself. Raises `BadDeclaration` for what is none."""
    if not isinstance(schema, Mapping) or not all(isinstance(rule, Mapping) for rule in schema.values()):
        raise BadDeclaration("a schema is a dict of dicts: {'prompt': {'type': str, 'required': True}}")
    for key, rule in schema.items():
        if not _classes(rule.get("type")):
            raise BadDeclaration(
                f"the schema's {key!r} needs a 'type' that is a class, such as str; not {rule.get('type')!r}"
            )
    return schema


def refuse_unfit(given: Any, schema: Schema) -> None:
    """Raises `BadInput` with everything that does not fit."""
    troubles = list(_troubles(given, schema))
    if troubles:
        raise BadInput("the input does not fit its schema: " + "; ".join(troubles))


def schema_findings(schema: Schema) -> Iterator[Finding]:
    """Where the SDK's own validator would not do what the schema says."""
    for key, rule in schema.items():
        if "required" not in rule:
            message = f"the schema's {key!r} has no 'required': the SDK's validator refuses every input"
            yield Finding("RPJ141", "error", message, "add 'required': True or False")
        if callable(rule.get("constraints")) and isinstance(rule.get("default"), _classes(rule["type"])):
            message = (
                f"the constraint of {key!r} is never evaluated by the SDK's validator: its default has the same type"
            )
            fix = "check it in the handler, or make the default None"
            yield Finding("RPJ140", "warning", message, fix)
        if not rule.get("required", False) and "default" not in rule:
            message = (
                f"the schema's {key!r} is optional and has no 'default': the SDK's validator refuses inputs without it"
            )
            yield Finding("RPJ142", "error", message, "add a 'default', None will do")


def validated_by(call: Callable[[Any], Any]) -> tuple[Schema, ...]:
    """The schemas that a handler, with the functions of its module that it calls, has for the SDK's own validator."""
    validator: Any = sys.modules.get(SDK_VALIDATOR)
    if validator is None:  # asked at every job, and mostly so
        return ()
    function, _ = code_of(call)
    if function is None:
        return ()
    reached = list(_reached(function))
    if not any(value is validator or value is validator.validate for value in reached):
        return ()
    return tuple(value for value in reached if isinstance(value, dict) and _is_schema(value))


def _reached(function: FunctionType) -> Iterator[Any]:
    scope = function.__globals__
    seen: set[str] = set()
    waiting = [function]
    while waiting:
        for name in _names(waiting.pop().__code__):
            if name in scope and name not in seen:
                seen.add(name)
                value = scope[name]
                yield value
                if isinstance(value, FunctionType) and value.__globals__ is scope:
                    waiting.append(value)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


def _is_schema(value: dict[Any, Any]) -> bool:
    return bool(value) and all(isinstance(rule, dict) and _classes(rule.get("type")) for rule in value.values())


def _troubles(given: Any, schema: Schema) -> Iterator[str]:
    if not isinstance(given, Mapping):
        yield f"it is {type(given).__name__}, not an object"
        return
    for key in given:
        if key not in schema:
            yield f"{key!r} is not in it (there are: {', '.join(schema)})"
    for key, rule in schema.items():
        if key not in given:
            if rule.get("required", False):
                yield f"{key!r} is missing"
        elif (trouble := _trouble(given[key], rule)) is not None:
            yield f"{key!r} {trouble}"


def _trouble(value: Any, rule: Mapping[str, Any]) -> str | None:
    classes = _classes(rule["type"])
    if value is None and "default" in rule and rule["default"] is None:
        return None
    fits = isinstance(value, classes) or (float in classes and isinstance(value, int))
    if not fits or (isinstance(value, bool) and bool not in classes):
        names = " or ".join(each.__name__ for each in classes)
        return f"should be {names}, not {type(value).__name__} ({value!r:.40})"
    constraint = rule.get("constraints")
    if not callable(constraint):
        return None
    try:
        kept = constraint(value)
    except Exception as error:  # noqa: BLE001 (the user's function)
        return f"cannot be checked: its constraint raised {type(error).__name__}: {error}"
    return None if kept else f"breaks its constraint ({value!r:.40})"


def _classes(kind: Any) -> tuple[type, ...]:
    parts = kind if isinstance(kind, tuple) else get_args(kind) or (kind,)
    return tuple(parts) if all(isinstance(part, type) for part in parts) else ()
