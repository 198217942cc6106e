"""The bodies that a real worker would POST, as the very bytes (SDK 1.12: `rp_job.py`, `rp_http.py`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from rp_notebook.jobs.payload import shortened

PostKind = Literal["stream", "progress", "done"]


@dataclass(frozen=True)
class Post:
    """One request of a worker to the platform.

    `kind` says which URL gets it (progress goes to the same as done), `body` is UTF-8 JSON as sent, and `is_stream`
    is the `isStream` of the query: true only for the final post of a generator.
    """

    kind: PostKind
    body: bytes
    is_stream: bool = False

    def __repr__(self) -> str:
        stream = ", is_stream=True" if self.is_stream else ""
        return f"Post(kind={self.kind!r}, body={shortened(self.body)}{stream})"

    @property
    def value(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)


def encode(value: Any) -> bytes:
    """`value` as the SDK sends it: `json.dumps(..., ensure_ascii=False)` in UTF-8.

    Raises what the encoder raises: `TypeError` or `RecursionError` (the SDK logs and drops the body), `ValueError`
    for circular structures and lone surrogates (it escapes and ends the job).
    """
    return json.dumps(value, ensure_ascii=False).encode()
