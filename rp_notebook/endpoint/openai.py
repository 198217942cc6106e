"""What a client of `/openai/*` is answered: the worker's own output, as the platform passes it through."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rp_notebook.jobs.posts import Post


def openai_answer(status: Mapping[str, Any]) -> tuple[int, bytes]:
    """The HTTP status and the body for a job's status object.

    A worker that streams and aggregates wraps its one answer into a list. How the platform answers a job that failed
    is not documented: 400, with an error in OpenAI's form, which its clients do not try again.
    """
    if status["status"] != "COMPLETED":
        return 400, openai_error(status.get("error") or f"the job is {status['status']}")
    output = status.get("output")
    if isinstance(output, list) and len(output) == 1:
        output = output[0]
    if isinstance(output, str):
        output = _unwrapped(output)
    return 200, json.dumps(output).encode()


def openai_error(message: str) -> bytes:
    """An error as OpenAI's clients read it, in a body or in an event."""
    told = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return json.dumps({"error": told}).encode()


def openai_event(post: Post) -> bytes:
    """An item of a stream: text is passed on as it is (a worker makes the events itself), the rest as an event."""
    output = post.value.get("output")
    return output.encode(errors="replace") if isinstance(output, str) else b"data: %s\n\n" % json.dumps(output).encode()


def _unwrapped(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
