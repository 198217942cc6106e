"""The decorator that marks a function as a handler, for code without magics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from rp_notebook.errors import BadDeclaration

MARK = "__rp_notebook_handler__"
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Mark:
    """What the decorator was told. `timeout` is in seconds, `schema` the schema itself."""

    name: str | None = None
    aggregate: bool = False
    refresh: bool = False
    concurrency: int | None = None
    timeout: float | None = None
    schema: Any = None


@overload
def handler(function: Function) -> Function: ...
@overload
def handler(
    function: None = None,
    *,
    name: str | None = None,
    aggregate: bool = False,
    refresh: bool = False,
    concurrency: int | None = None,
    timeout: float | None = None,
    schema: Any = None,
) -> Callable[[Function], Function]: ...
def handler(
    function: Any = None,
    *,
    name: str | None = None,
    aggregate: bool = False,
    refresh: bool = False,
    concurrency: int | None = None,
    timeout: float | None = None,
    schema: Any = None,
) -> Any:
    """Marks a function as a RunPod handler: `@rp_notebook.handler`, or `@rp_notebook.handler(aggregate=True)`.

    The function stays what it was. With the extension loaded, it is registered when its cell has run, as by
    `%%runpod_handler`. `timeout` is in seconds; `concurrency` is the number of jobs at a time. Raises
    `BadDeclaration` for something that cannot be called.
    """
    mark = Mark(name, aggregate, refresh, concurrency, timeout, schema)
    return _marked(function, mark) if function is not None else lambda found: _marked(found, mark)


def mark_of(value: object) -> Mark | None:
    """The mark that `@rp_notebook.handler` left on a function, if it did."""
    # The instance's own dict: objects that answer to any attribute (mocks, modules' __getattr__) are not marked.
    mark = getattr(value, "__dict__", {}).get(MARK)
    return mark if isinstance(mark, Mark) else None


def _marked(function: Function, mark: Mark) -> Function:
    if not callable(function):
        raise BadDeclaration(f"@rp_notebook.handler marks a function, not {type(function).__name__}")
    setattr(function, MARK, mark)
    return function
