"""The handlers of a notebook by name; registering one again replaces it and counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rp_notebook.errors import BadDeclaration, UnknownHandler
from rp_notebook.jobs.handler import Handler, as_handler, kind_of

# What `runpod.serverless.start` reads of its config (facts/runpod-contract.md 2.1); it ignores the rest in silence.
CONFIG_KEYS = frozenset({"handler", "return_aggregate_stream", "refresh_worker", "concurrency_modifier", "rp_args"})


class Handlers:
    """A registry that remembers which handler came last."""

    def __init__(self) -> None:
        self._by_name: dict[str, Handler] = {}

    def register(self, handler: Handler) -> Handler:
        """Puts `handler` under its name and gives it the next version there."""
        before = self._by_name.pop(handler.name, None)
        registered = handler._replace(version=before.version + 1 if before else 1)
        self._by_name[handler.name] = registered
        return registered

    def chosen(self, name: str | None, namespace: Mapping[str, Any]) -> Handler:
        """The handler called `name`, else the callable of that name in `namespace`; without a name, the latest.

        Raises `UnknownHandler` naming the known ones.
        """
        if name is None:
            if not self._by_name:
                raise UnknownHandler("", self._by_name)
            return next(reversed(self._by_name.values()))
        if name in self._by_name:
            return self._by_name[name]
        found = _reached(name, namespace)
        if not callable(found):
            raise UnknownHandler(name, self._by_name)
        return as_handler(found, name=name)

    def timeout_of(self, name: str) -> float | None:
        """The execution timeout in seconds that the handler of that name was registered with."""
        found = self._by_name.get(name)
        return None if found is None else found.timeout_s

    def __iter__(self) -> Iterator[Handler]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name


def configured(config: Any, name: str | None = None) -> tuple[Handler, tuple[str, ...]]:
    """The handler that `runpod.serverless.start(config)` declares, and the keys of the config that mean nothing.

    Raises `BadDeclaration` when the config has no handler that can be called.
    """
    call = config.get("handler") if isinstance(config, dict) else None
    if not callable(call):
        raise BadDeclaration("runpod.serverless.start needs a dict with the key 'handler' and a function under it")
    modifier = config.get("concurrency_modifier")
    handler = Handler(
        name=name or str(getattr(call, "__name__", "handler")),
        call=call,
        kind=kind_of(call),
        aggregate=bool(config.get("return_aggregate_stream", False)),
        refresh=bool(config.get("refresh_worker", False)),
        concurrency=modifier(1) if callable(modifier) else None,
    )
    return handler, tuple(str(key) for key in config if key not in CONFIG_KEYS)


def _reached(name: str, namespace: Mapping[str, Any]) -> Any:
    first, *attributes = name.split(".")
    value = namespace.get(first)
    for attribute in attributes:
        value = getattr(value, attribute, None)
    return value
