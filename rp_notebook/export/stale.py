"""Whether a module that a kernel has loaded is still what its file says."""

from __future__ import annotations

import ast
import importlib.util
import marshal
import os
import sys
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

_HEAD = 16  # bytes at the head of a compiled file: magic, flags, time and size of the source (PEP 552)


def is_stale(module: ModuleType, path: Path, source: bytes, assigned: Container[str] = ()) -> bool:
    """Whether `source`, the text of the module's file, has changed since the module was loaded.

    As far as its code shows it, or its plain constants where Python kept no compiled file.
    Comments and blank lines do not count. `assigned` are the attributes that the notebook itself sets.
    """
    try:
        fresh = compile(source, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return True  # what is loaded was read from something else
    left = _left_by_python(module)
    if left is not None and _shape(left) != _shape(fresh):
        return True
    # Another process may have compiled the file as it is now.
    return _functions_differ(module, fresh, path) or (left is None and _constants_differ(module, source, assigned))


def _left_by_python(module: ModuleType) -> CodeType | None:
    """The code of a module as Python keeps it on the disk, None where it keeps none, or an old one."""
    cached = Path(getattr(module, "__cached__", None) or os.devnull)
    if sys.dont_write_bytecode or not os.access(cached.parent, os.W_OK):
        return None
    try:
        body = cached.read_bytes()
    except OSError:
        return None
    code = marshal.loads(body[_HEAD:]) if body[:4] == importlib.util.MAGIC_NUMBER else None
    return code if isinstance(code, CodeType) else None


def _shape(code: CodeType) -> tuple[Any, ...]:
    """What a code object does, without where its lines stand."""
    of_class = "__static_attributes__" in code.co_names  # since 3.13, in any order, and with the class's first line
    constants = []
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            constants.append(_shape(constant))
        elif isinstance(constant, frozenset) or (of_class and isinstance(constant, tuple)):
            constants.append((type(constant).__name__, *sorted(map(repr, constant))))
        elif not (of_class and constant == code.co_firstlineno):
            constants.append((type(constant).__name__, repr(constant)))
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    counts = (code.co_argcount, code.co_kwonlyargcount, code.co_flags)
    return code.co_name, code.co_code, counts, names, tuple(constants)


def _functions_differ(module: ModuleType, fresh: CodeType, path: Path) -> bool:
    known = dict(_codes(fresh))
    return any(
        name not in known or _shape(known[name]) != _shape(code) for name, code in _loaded(vars(module), str(path), "")
    )


def _codes(code: CodeType, above: str = "") -> Iterator[tuple[str, CodeType]]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            name = f"{above}{inner.co_name}"
            yield name, inner
            yield from _codes(inner, f"{name}.")


def _loaded(names: Mapping[str, Any], file: str, above: str) -> Iterator[tuple[str, CodeType]]:
    """The functions of a module and of its classes that were compiled from the file."""
    for value in list(names.values()):
        inner = getattr(value, "__func__", value)
        if isinstance(inner, FunctionType) and inner.__code__.co_filename == file:
            if (
                inner.__name__ == inner.__code__.co_name
                and "<" not in inner.__qualname__
                and inner.__qualname__ == (above + inner.__name__)
            ):
                yield inner.__qualname__, inner.__code__
        elif isinstance(value, type) and value.__module__ == names.get("__name__") and not above:
            yield from _loaded(vars(value), file, f"{value.__name__}.")


def _constants_differ(module: ModuleType, source: bytes, assigned: Container[str]) -> bool:
    values_of: dict[str, list[ast.expr]] = {}
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            values_of.setdefault(node.targets[0].id, []).append(node.value)
    plain = {
        name: values[0].value
        for name, values in values_of.items()
        if len(values) == 1 and isinstance(values[0], ast.Constant)
    }
    loaded = vars(module)
    rebound = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}
    return any(
        name not in loaded or (type(loaded[name]) is type(value) and loaded[name] != value)
        for name, value in plain.items()
        if name not in assigned and name not in rebound
    )
