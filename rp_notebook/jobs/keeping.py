"""Finds where the code of a handler keeps an object from job to job."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from types import CellType, FunctionType
from typing import Any

SELF = "self"


def kept_as(value: object, call: Callable[[Any], Any]) -> tuple[str, ...]:
    """The ways to reach this very object from a handler's code, as `NAME`, `NAME['key']`, `NAME[0]`, `NAME.attribute`.

    Looks at its module's names, its closure, its defaults and its `self`, each one level deep. Runs nobody's code.
    """
    function, owner = code_of(call)
    found = list(_paths(SELF, owner, value)) if owner is not None else []
    if function is not None:
        for name, held in _held_by(function):
            found += _paths(name, held, value)
    return tuple(found)


def code_of(call: Callable[[Any], Any]) -> tuple[FunctionType | None, object]:
    """The function that a callable runs, None where it is not Python, and the `self` it has, None where it has none."""
    inner = inspect.unwrap(call.func if isinstance(call, partial) else call)
    owner = getattr(inner, "__self__", None if isinstance(inner, FunctionType) else inner)
    function = getattr(inner, "__func__", inner)
    if not isinstance(function, FunctionType):
        function = getattr(type(function), "__call__", None)  # noqa: B004 (the function behind it)
    return (function if isinstance(function, FunctionType) else None), owner


def _held_by(function: FunctionType) -> Iterator[tuple[str, Any]]:
    yield from tuple(function.__globals__.items())
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if _filled(cell):
            yield name, cell.cell_contents
    named = function.__code__.co_varnames[: function.__code__.co_argcount]
    defaults = function.__defaults__ or ()
    yield from zip(named[len(named) - len(defaults) :], defaults, strict=True)
    yield from (function.__kwdefaults__ or {}).items()


def _filled(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 (raises when it is empty)
    except ValueError:
        return False
    return True


def _paths(name: str, held: Any, value: object) -> Iterator[str]:
    kind = type(held)
    if held is value:
        yield name
    elif issubclass(kind, dict):
        yield from (f"{name}[{_shown(key)}]" for key, item in tuple(dict.items(held)) if item is value)
    elif issubclass(kind, list | tuple):
        items = list.__iter__(held) if issubclass(kind, list) else tuple.__iter__(held)
        yield from (f"{name}[{at}]" for at, item in enumerate(items) if item is value)
    else:
        yield from (f"{name}.{attribute}" for attribute, item in _attributes(held) if item is value)


def _attributes(held: Any) -> tuple[tuple[str, object], ...]:
    look = type.__getattribute__ if issubclass(type(held), type) else object.__getattribute__
    try:
        return tuple(look(held, "__dict__").items())
    except AttributeError:
        return ()


def _shown(key: object) -> str:
    return repr(key) if type(key) in (str, int) else "..."
