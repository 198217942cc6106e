"""Whether two values are the same for whoever uses them: type, order and every bit, nested."""

from __future__ import annotations

import struct
import sys
from typing import Any


def same(one: Any, other: Any) -> bool:
    """Whether `one` may stand for `other`. A type that is not known here is never the same."""
    kind = type(one)
    if kind is not type(other):
        return False
    if kind is float:  # NaN is NaN, and -0.0 is not 0.0
        return struct.pack("d", one) == struct.pack("d", other)
    if kind is complex:
        return same(one.real, other.real) and same(one.imag, other.imag)
    if one is None or kind in (bool, int, str, bytes):
        return bool(one == other)
    if kind in (list, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if kind in (set, frozenset):
        return sorted(map(_tagged, one)) == sorted(map(_tagged, other))
    if kind.__qualname__ in ("dict", "OrderedDict"):
        return same([*one], [*other]) and same([*one.values()], [*other.values()])
    return _library_same(one, other)


def _tagged(item: Any) -> str:
    return f"{type(item).__qualname__} {item!r}"


def _library_same(one: Any, other: Any) -> bool:
    numpy, torch, pandas = (sys.modules.get(name) for name in ("numpy", "torch", "pandas"))
    if numpy is not None and isinstance(one, numpy.ndarray | numpy.generic):
        alike = one.dtype == other.dtype and one.shape == other.shape
        return bool(alike and _writes(one) == _writes(other) and one.tobytes() == other.tobytes())
    if torch is not None and isinstance(one, torch.Tensor):
        return _tensors_same(one, other, torch)
    if pandas is not None and isinstance(one, pandas.DataFrame | pandas.Series):
        check = pandas.testing.assert_frame_equal if one.ndim == 2 else pandas.testing.assert_series_equal
        try:
            check(one, other, check_exact=True, check_freq=True)
        except AssertionError:
            return False
        return bool(one.attrs == other.attrs)
    return False


def _writes(array: Any) -> bool:
    return bool(getattr(array.flags, "writeable", False))


def _tensors_same(one: Any, other: Any, torch: Any) -> bool:
    if (one.dtype, one.shape, one.device, one.requires_grad) != (
        *(other.dtype, other.shape, other.device, other.requires_grad),
    ):
        return False
    if one.layout != torch.strided or other.layout != torch.strided:
        return False
    left, right = (tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8) for tensor in (one, other))
    return bool(torch.equal(left, right))
