"""From what a person types to the job that a handler is given: JSON in, as a worker would get it."""

from __future__ import annotations

import json
import uuid
from typing import Any, Literal, NamedTuple

from rp_notebook.errors import BadInput
from rp_notebook.jobs.advice import advice_for
from rp_notebook.jobs.payload import MB, RUN_LIMIT, RUNSYNC_LIMIT, first_unencodable
from rp_notebook.jobs.policy import timeout_of
from rp_notebook.jobs.posts import wire_json

DECODER = json.JSONDecoder()

Mode = Literal["run", "runsync"]


# A tuple for its speed, like `Job`.
class Request(NamedTuple):
    """A job as a client would send it: `body` is the JSON text of the whole job, `id` and `input` included.

    `timeout_s` is the execution timeout that its policy asks for, in seconds.
    """

    id: str
    body: str
    timeout_s: float | None = None

    @property
    def size(self) -> int:
        """Bytes of the body in UTF-8."""
        return len(self.body) if self.body.isascii() else len(self.body.encode())

    def decoded(self) -> dict[str, Any]:
        """A fresh dict of the job: what one handler call may change without harm to another."""
        decoded: dict[str, Any] = DECODER.raw_decode(self.body)[0]  # ours: no white space to look for around it
        return decoded


def request_of(job: Any, *, mode: Mode = "run") -> Request:
    """The request for a job, given whole (a dict with `input`) or as the bare input.

    A missing id is made up in the platform's form. Raises `BadInput` with the path of what is not JSON, and for a
    policy that the platform refuses.
    """
    whole = whole_job(job)
    id_ = whole.get("id")
    if not isinstance(id_, str):
        id_ = new_id(mode)
        whole = {"id": id_, **{key: value for key, value in whole.items() if key != "id"}}
    try:
        body = wire_json(whole)
        if not body.isascii():
            body.encode()  # a lone surrogate fails here
    except (TypeError, ValueError, RecursionError) as error:
        trouble = first_unencodable(whole) or str(error)
        advice = advice_for(trouble).replace("return ", "send ").replace("the client", "the handler")
        raise BadInput(f"{trouble}. {advice}".strip()) from None
    return Request(id_, body, timeout_of(whole["policy"]) if "policy" in whole else None)


def whole_job(job: Any) -> dict[str, Any]:
    """The job as a dict with `input`: itself when it is one, else it is the bare input."""
    return job if isinstance(job, dict) and "input" in job else {"input": job}


def refuse_oversized(request: Request, mode: Mode) -> None:
    """Raises `BadInput` for a request that the platform's route for `mode` would refuse."""
    limit = RUNSYNC_LIMIT if mode == "runsync" else RUN_LIMIT
    if request.size > limit:
        fits = "; --mode runsync takes up to 20 MB" if mode == "run" and request.size <= RUNSYNC_LIMIT else ""
        raise BadInput(
            f"the request is {request.size / MB:.1f} MB and /{mode} takes {limit / MB:.0f} MB{fits}: "
            "send a URL instead of the data"
        )


def new_id(mode: Mode) -> str:
    """An id as the platform makes them up (facts/runpod-contract.md 1.1)."""
    prefix = "sync-" if mode == "runsync" else ""
    return f"{prefix}{uuid.uuid4()}-u1"
