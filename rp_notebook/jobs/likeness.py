"""A lost answer as far as it can be looked at: what cannot be JSON is shown as a picture, or named."""

from __future__ import annotations

import base64
import io
from typing import Any

from rp_notebook.jobs.media import media_of
from rp_notebook.jobs.payload import MB, type_name

ITEMS = 50
TEXT = 2000
DEPTH = 5
LARGEST = 4 * MB  # bytes, or pixels, that are looked into
SIDE = 256  # pixels of a picture made of an array
NUMBERS = 4096
SAVING = (OSError, ValueError, KeyError, TypeError, AttributeError)  # what Pillow raises for what it cannot write


def likeness(value: Any, depth: int = DEPTH) -> Any:
    """`value` as small JSON that shows what it is; it keeps nothing of the value itself alive."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return value if len(value) <= TEXT or media_of(value) else f"{value[:TEXT]}…"
        case bytes() | bytearray():
            known = len(value) <= LARGEST and media_of(bytes(value))
            return base64.b64encode(value).decode() if known else f"‹{type_name(value)}, {len(value):,} bytes›"
        case dict() if depth:
            return {str(key): likeness(item, depth - 1) for key, item in list(value.items())[:ITEMS]}
        case list() | tuple() | set() | frozenset() if depth:
            return [likeness(item, depth - 1) for item in list(value)[:ITEMS]]
    module = type(value).__module__.partition(".")[0]
    if module == "PIL":
        return _of_image(value)
    return _of_array(value) if module in ("numpy", "torch") else f"‹{type_name(value)}›"


def _of_image(image: Any) -> str:
    name = f"‹{type_name(image)}›"
    drawn = io.BytesIO()
    try:
        if image.width * image.height > LARGEST:
            return name
        image.save(drawn, "PNG")
    except SAVING:
        return name
    return base64.b64encode(drawn.getvalue()).decode()


def _of_array(array: Any) -> Any:
    shape = tuple(getattr(array, "shape", ()))
    name = f"‹{type_name(array)} {' × '.join(map(str, shape))} {getattr(array, 'dtype', '')}›"
    if type(array).__module__.startswith("torch"):
        return name  # it may live on a GPU, and stays there
    if not shape:
        return array.item() if hasattr(array, "item") and isinstance(array.item(), bool | int | float | str) else name
    if str(getattr(array, "dtype", "")) == "uint8" and len(shape) in (2, 3):
        step = max(-(-max(shape[:2]) // SIDE), 1)
        return array[::step, ::step].tolist()
    small = (
        getattr(array, "size", NUMBERS + 1) <= NUMBERS and getattr(getattr(array, "dtype", None), "kind", "") in "biuf"
    )
    return array.tolist() if small else name
