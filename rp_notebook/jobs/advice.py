"""The one-line fix for a value that JSON cannot hold, by its type."""

from __future__ import annotations

ITERABLES = (
    *("map", "filter", "zip", "range", "enumerate", "reversed", "dict_", "list_", "tuple_", "str_", "odict_"),
    *("itertools.", "collections.deque", "set_"),
)
# The start of a type's full name, and what to write instead. The first that fits is taken.
ADVICE = (
    ("numpy.ndarray", "return it with .tolist(), or as base64 of its bytes"),
    ("numpy.bool", "write bool(...) around it"),
    ("numpy.float", "write float(...) around it"),
    ("numpy.int", "write int(...) around it"),
    ("numpy.uint", "write int(...) around it"),
    ("numpy.", "write .item() behind it"),
    ("torch.Tensor", "return it with .tolist(), or .item() for a single number"),
    ("torch.", "return plain numbers, lists or text instead"),
    ("PIL.", "save it to a BytesIO as PNG and return base64.b64encode(...).decode()"),
    ("pandas.core.frame.DataFrame", 'return it with .to_dict("records")'),
    ("pandas.", "return it with .tolist(), or .isoformat() for a time"),
    ("datetime.", "return it with .isoformat()"),
    ("decimal.Decimal", "write float(...) or str(...) around it"),
    ("uuid.UUID", "write str(...) around it"),
    ("pathlib.", "write str(...) around it, or return the file's content"),
    ("bytes", "return base64.b64encode(...).decode()"),
    ("bytearray", "return base64.b64encode(...).decode()"),
    ("memoryview", "return base64.b64encode(...).decode()"),
    ("mappingproxy", "write dict(...) around it"),
    *((kind, "write list(...) around it") for kind in ITERABLES),
    ("set", "write sorted(...) or list(...) around it"),
    ("frozenset", "write sorted(...) or list(...) around it"),
    ("complex", "return its .real and .imag"),
    ("generator", "make the handler itself the generator (yield in its body), or return list(...)"),
    ("async_generator", "make the handler itself the async generator (yield in its body)"),
    ("coroutine", "await it"),
    ("function", "call it, and return what it returns"),
)
OTHERWISE = "return its fields as a dict of plain values (dataclasses.asdict, .model_dump(), vars)"


def advice_for(trouble: str) -> str:
    """What to write instead, for a line of `payload.unencodable`."""
    if "contains itself" in trouble or "nested more than" in trouble:
        return "return only the part that the client needs"
    if "'id'" in trouble:
        return "leave job['id'] as it is"
    if "surrogate" in trouble:
        return 'clean the text with .encode("utf-8", "replace").decode()'
    if "keys must be text" in trouble:
        return "make the key a string, for example '/'.join(map(str, key))"
    _, found, rest = trouble.partition(" is ")
    if not found or not trouble.endswith(": not JSON"):
        return ""
    return next((fix for start, fix in ADVICE if rest.startswith(start)), OTHERWISE)
