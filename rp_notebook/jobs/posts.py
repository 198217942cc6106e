"""The bodies that a real worker would POST, as the very bytes (SDK 1.12: `rp_job.py`, `rp_http.py`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from json import encoder
from typing import Any, Literal, NamedTuple

from rp_notebook.jobs.payload import shortened

LONG = 50_000  # characters of a text
LOOKED_AT = 20  # parts of a value, to see whether it has long texts
PLAIN = bytes(code for code in range(0x20, 0x7F) if code not in b'"\\')  # what JSON writes as it is


def _quoted(text: str) -> str:
    """JSON of a text: of a long one that is written as it is, like base64, in a third of the encoder's time."""
    if len(text) > LONG and text.isascii() and not text.encode().translate(None, PLAIN):
        return f'"{text}"'
    return encoder.encode_basestring(text)


def _has_long(value: Any, depth: int = 3) -> bool:
    """Whether an answer has a long text where most have it: close to its top."""
    if isinstance(value, str):
        return len(value) > LONG
    if not depth or not isinstance(value, dict | list):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return any(_has_long(part, depth - 1) for part in islice(parts, LOOKED_AT))


def _encoder(*, allow_nan: bool, ensure_ascii: bool = False) -> Callable[[Any], str]:
    """`json.dumps(..., ensure_ascii=...)`, without the classes and functions that it makes anew on each call.

    They take twice as long as encoding a small answer.
    """
    usual = json.JSONEncoder(ensure_ascii=ensure_ascii, allow_nan=allow_nan)
    made: Any = getattr(encoder, "c_make_encoder", None)
    text = encoder.encode_basestring_ascii if ensure_ascii else encoder.encode_basestring
    options = (None, ": ", ", ", False, False, allow_nan)

    def encode(value: Any) -> str:
        quote = _quoted if not ensure_ascii and _has_long(value) else text
        return "".join(made({}, usual.default, quote, *options)(value, 0))

    try:
        encode({})
    except TypeError:  # a Python without an encoder in C, or whose encoder wants other options
        return usual.encode
    return encode


wire_json = _encoder(allow_nan=True)
strict_json = _encoder(allow_nan=False)
ascii_json = _encoder(allow_nan=False, ensure_ascii=True)

PostKind = Literal["stream", "progress", "done"]


# A tuple for its speed, like `Job`: one is made for each streamed item.
class Post(NamedTuple):
    """One request of a worker to the platform.

    `kind` says which URL gets it (progress goes to the same as done), `body` is UTF-8 JSON as sent, and `is_stream`
    is the `isStream` of the query: true only for the final post of a generator. `valid_json` is false when the body
    holds a literal `NaN` or `Infinity`, which Python writes and other parsers refuse.
    """

    kind: PostKind
    body: bytes
    is_stream: bool = False
    valid_json: bool = True

    def __repr__(self) -> str:
        stream = ", is_stream=True" if self.is_stream else ""
        return f"Post(kind={self.kind!r}, body={shortened(self.body)}{stream})"

    @property
    def value(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)


class Bare(Post):
    """A post whose body is `{"output": ...}` and nothing else: nobody need look through it for an error."""

    __slots__ = ()


def post_of(kind: PostKind, value: Any, *, is_stream: bool = False) -> Post:
    """The post of `value`, encoded as the SDK does: `json.dumps(..., ensure_ascii=False)` in UTF-8.

    Raises what the encoder raises: `TypeError` or `RecursionError` (the SDK logs and drops the body), `ValueError`
    for circular structures and lone surrogates (it escapes there and ends the job).
    """
    post = Bare if isinstance(value, dict) and [*value] == ["output"] else Post
    try:
        return post(kind, strict_json(value).encode(), is_stream)
    except ValueError:  # NaN, or a value that fails again below
        return post(kind, wire_json(value).encode(), is_stream, valid_json=False)
