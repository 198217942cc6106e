"""A short mark of a value that is equal in two processes when the values are: it tells which variable differs."""

from __future__ import annotations

import hashlib
import sys
from logging import Logger
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

LOOKED_AT = 1_000_000  # bytes of one value
DEPTH = 6
CODE = (ModuleType, FunctionType, BuiltinFunctionType, MethodType, type, Logger)
SCALARS = ("NoneType", "bool", "int", "float", "complex", "str", "bytes")


class Fingerprint(NamedTuple):
    """The type of a value, how large it is, and a hash of its first MB."""

    type: str
    size: str
    hash: str


def fingerprints(names: dict[str, Any]) -> dict[str, Fingerprint]:
    """The marks of the variables of a module or a notebook; code, modules, loggers and private names have none."""
    return {
        name: fingerprint(value)
        for name, value in names.items()
        if not isinstance(value, CODE) and not (name.startswith("__") and name.endswith("__"))
    }


def fingerprint(value: Any) -> Fingerprint:
    """The mark of one value. An object's attributes count, to a depth; addresses do not."""
    marked = _Marked()
    marked.feed(value, DEPTH)
    shape = getattr(value, "shape", None)
    sized = isinstance(value, list | tuple | dict | set | frozenset | str | bytes)
    size = str(tuple(shape)) if isinstance(shape, tuple) else str(len(value)) if sized else ""
    dtype = getattr(value, "dtype", None)
    return Fingerprint(_kind(value), f"{size} {dtype}".strip() if dtype is not None else size, marked.digest())


class _Marked:
    """A hash that is fed values until it has seen enough."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._left = LOOKED_AT
        self._seen: set[int] = set()

    def digest(self) -> str:
        return self._hash.hexdigest()[:16]

    def feed(self, value: Any, depth: int) -> None:
        if self._left <= 0:
            return
        self._bytes(_kind(value).encode())
        if value is None or type(value) in (bool, int, float, complex, str):
            self._bytes(repr(value).encode("utf-8", "backslashreplace"))
        elif isinstance(value, bytes | bytearray):
            self._bytes(bytes(value[: self._left]))
        elif id(value) not in self._seen and depth:
            self._seen.add(id(value))
            self._parts(value, depth - 1)

    def _parts(self, value: Any, depth: int) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                self.feed(key, depth)
                self.feed(item, depth)
        elif isinstance(value, list | tuple):
            for item in value:
                self.feed(item, depth)
        elif isinstance(value, set | frozenset):
            self._bytes("".join(sorted(fingerprint(item).hash for item in value)).encode())
        elif not self._library(value, depth):
            self.feed(_attributes(value), depth)

    def _library(self, value: Any, depth: int) -> bool:
        numpy, torch, pandas = (sys.modules.get(name) for name in ("numpy", "torch", "pandas"))
        if torch is not None and isinstance(value, torch.Tensor):
            head = value.detach().reshape(-1)[: self._left].cpu().contiguous()
            self._bytes(f"{value.dtype}{tuple(value.shape)}".encode())
            self._bytes(bytes(head.view(torch.uint8).numpy())[: self._left])
        elif torch is not None and isinstance(value, torch.nn.Module):
            self.feed(value.training, depth)
            self.feed(dict(value.state_dict()), depth)
        elif numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
            if value.dtype.hasobject:
                self.feed(value.tolist(), depth)
            else:
                head = value.reshape(-1)[: self._left]
                self._bytes(f"{value.dtype}{value.shape}".encode() + head.tobytes()[: self._left])
        elif pandas is not None and isinstance(value, pandas.DataFrame | pandas.Series):
            self.feed([str(value.dtypes), value.head(10_000).to_csv()], depth)
        else:
            return False
        return True

    def _bytes(self, text: bytes) -> None:
        self._hash.update(len(text).to_bytes(8, "big") + text)
        self._left -= len(text)


def _attributes(value: Any) -> dict[str, Any]:
    held = getattr(value, "__dict__", None)
    return {key: item for key, item in held.items() if not isinstance(item, CODE)} if isinstance(held, dict) else {}


def _kind(value: Any) -> str:
    kind = type(value)
    return (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )
