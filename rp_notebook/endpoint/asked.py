"""From the body that a client sends to the job that a worker is given, and what the platform shall do with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from rp_notebook.errors import BadInput, RequestRefused
from rp_notebook.jobs.payload import MB, RUN_LIMIT, RUNSYNC_LIMIT
from rp_notebook.jobs.policy import DAY_MS, LIMITS_MS, timeout_of
from rp_notebook.jobs.request import Mode, Request, new_id

# What the platform hands on; it drops every other key before a worker sees the job (facts/runpod-contract.md 1.1).
PASSED = ("input", "webhook", "policy", "s3Config")
TTL_S = DAY_MS / 1000
# JSON nests as deep as Python's stack allows, and a kernel's main thread has used more of that than the one that reads
# the request: what passes here must be readable there.
SPARE_FRAMES = 400
GZIP = b"\x1f\x8b"  # with which it begins (RFC 1952)
SHALLOW = 100  # so deep, anything can be read anywhere

T = TypeVar("T")


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON value")


STRICT = json.JSONDecoder(parse_constant=_refuse_constant)


class Parsed(Request):
    """A request whose job was decoded to look at it: whoever runs it at once need not decode it again."""

    _job: dict[str, Any] | None = None

    @classmethod
    def of(cls, request: Request, job: dict[str, Any]) -> Parsed:
        """The request with its job."""
        parsed = cls(*request)
        parsed._job = job
        return parsed

    def decoded(self) -> dict[str, Any]:
        """The job, for the first who asks; a fresh one for whoever comes later."""
        job, self._job = self._job, None
        return super().decoded() if job is None else job

    def forget(self) -> None:
        """The job will wait: its text alone is kept."""
        self._job = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A job and its terms: `ttl_s` from submission on and `timeout_s` from its start, in seconds.

    `timeout_s` is None where the endpoint's own holds. `low_priority` jobs start no workers; they wait in line.
    """

    request: Request
    mode: Mode
    ttl_s: float = TTL_S
    timeout_s: float | None = None
    low_priority: bool = False
    webhook: str | None = None

    @property
    def limit(self) -> int:
        """How large the final body may be, in bytes."""
        return limit_of(self.mode)


def limit_of(mode: Mode) -> int:
    """How large a request or an answer may be, in bytes."""
    return RUNSYNC_LIMIT if mode == "runsync" else RUN_LIMIT


def asked_of(body: bytes | bytearray, mode: Mode) -> Asked:
    """What the body of `/run` or `/runsync` asks for. Raises `RequestRefused` as the platform refuses it."""
    refuse_large(len(body), mode)
    text, value = decoded(body)
    if not isinstance(value, dict) or "input" not in value:
        raise RequestRefused(400, 'the body is a JSON object with an input: {"input": {...}}')
    passed = {key: value[key] for key in PASSED if value.get(key) is not None or key == "input"}
    policy = passed.get("policy", {})
    job_id = new_id(mode)
    try:
        timeout_s = timeout_of(policy)
    except BadInput as error:
        raise RequestRefused(400, str(error)) from None
    if not isinstance(passed.get("s3Config", {}), dict):
        raise RequestRefused(400, "s3Config is an object with accessId, accessSecret, bucketName and endpointUrl")
    if not isinstance(policy.get("lowPriority", False), bool):
        raise RequestRefused(400, "policy.lowPriority is true or false")
    if len(passed) == len(value):  # the text itself, with an id in front: a large input is not encoded again
        whole = text.lstrip().replace("{", f'{{"id": "{job_id}", ', 1)
    else:
        whole = json.dumps({"id": job_id, **passed})
    return Asked(
        Parsed.of(Request(job_id, whole, timeout_s), {"id": job_id, **passed}),
        mode,
        policy.get("ttl", TTL_S * 1000) / 1000,
        timeout_s,
        policy.get("lowPriority", False),
        _webhook(passed.get("webhook")),
    )


def asked_openai(route: str, body: bytes | bytearray) -> Asked:
    """The job that the platform makes of `/openai/ROUTE` (facts/runpod-contract.md 1.1)."""
    refuse_large(len(body), "runsync")
    given = decoded(body)[1] if body.strip() else None
    job_id = new_id("runsync")
    made = {"openai_route": route, "openai_input": given}
    return Asked(Request(job_id, json.dumps({"id": job_id, "input": made})), "runsync")


def refuse_large(size: int, mode: Mode) -> None:
    """Raises `RequestRefused` for a body of `size` bytes that the route of `mode` does not take."""
    if size > limit_of(mode):
        raise RequestRefused(413, f"the request is {size / MB:.1f} MB and /{mode} takes {limit_of(mode) / MB:.0f} MB")


def ttl_of(text: str) -> float:
    """The seconds of `?ttl=` in milliseconds. Raises `RequestRefused`."""
    least, most = LIMITS_MS["ttl"]
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not least <= value <= most:
        raise RequestRefused(400, f"ttl is {text[:40]!r}: milliseconds from {least} to {most}")
    return value / 1000


def decoded(body: bytes | bytearray) -> tuple[str, Any]:
    """The text of a body and its value. Raises `RequestRefused` for what is not JSON, or too deep to be handled."""
    try:
        text = body.decode()
        frames = 0 if _has_few(body, b"[") and _has_few(body, b"{") else SPARE_FRAMES
        return text, _with_spare_frames(lambda: STRICT.decode(text), frames)
    except UnicodeDecodeError:
        packed = body.startswith(GZIP)
        raise RequestRefused(400, f"the body is {'packed: send it as it is' if packed else 'not UTF-8 text'}") from None
    except ValueError as error:
        raise RequestRefused(400, f"the body is not JSON: {error}") from None
    except RecursionError:
        raise RequestRefused(400, "the body is nested too deep") from None


def _has_few(body: bytes | bytearray, sign: bytes) -> bool:
    at = -1
    for _ in range(SHALLOW // 2):
        at = body.find(sign, at + 1)  # tens of times as fast in megabytes as `count`
        if at == -1:
            return True
    return False


def _webhook(url: Any) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        named = parts is not None and parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, brackets that are no address
        named = False
    if not named:
        raise RequestRefused(400, "webhook is an http or https URL")
    return str(url)


def _with_spare_frames(read: Callable[[], T], frames: int) -> T:
    return read() if frames == 0 else _with_spare_frames(read, frames - 1)
