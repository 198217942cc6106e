"""What can be asked of an endpoint, as data: routes and document are made of it (facts/runpod-contract.md 5.2, 6.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote

from rp_notebook.jobs.policy import LIMITS_MS

WAITS_MS = (1000, 300_000)
TAILS: Mapping[str, str] = MappingProxyType({"id": "/(.+)", "worker": "/([^/]+)", "route": "(/.*)"})


@dataclass(frozen=True)
class Query:
    """A parameter of the query: the smallest and the largest number where it is one, else a text."""

    name: str
    about: str
    limits: tuple[int, int] | None = None


@dataclass(frozen=True)
class Operation:
    """Something to do at `NAME` or `NAME/...`, below the endpoint's URL; `rest` names what follows in the path.

    `takes` and `gives` name the schemas of the bodies. `refusals` are the statuses of errors that are its own;
    `or_nothing` says that it may answer 204, and `events` that it may answer as a stream of events.
    """

    verbs: tuple[str, ...]
    about: str
    gives: str
    rest: tuple[str, ...] = ()
    takes: str | None = None
    query: tuple[Query, ...] = ()
    refusals: tuple[int, ...] = ()
    or_nothing: bool = False
    events: bool = False


WAIT = Query("wait", "how long to wait for the end, in ms", WAITS_MS)
TTL = Query("ttl", "a new time to live for the job, in ms from its submission on", LIMITS_MS["ttl"])
GPU = Query("gpu", "what the worker's URL has from the start; not looked at")
BUSY = Query("job_in_progress", "1 while the worker has jobs")
POSTED = (GPU, Query("isStream", "true for the final body of a generator, else false"))

# What clients do.
OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "run": Operation(("POST",), "Put a job into the queue.", "Brief", takes="Job", refusals=(400, 413)),
        "runsync": Operation(
            ("POST",), "Run a job, and wait for its end.", "Status", takes="Job", query=(WAIT,), refusals=(400, 413)
        ),
        "status": Operation(("GET",), "What has become of a job.", "Status", ("id",), query=(TTL,), refusals=(400,)),
        "status-sync": Operation(
            ("GET",), "The same, once it has ended.", "Status", ("id",), query=(WAIT,), refusals=(400,)
        ),
        "stream": Operation(("GET",), "The items that are new; held for up to 5 s.", "Stream", ("id",)),
        "cancel": Operation(("POST",), "End a job.", "Brief", ("id",)),
        "retry": Operation(
            ("POST",), "Put a job that FAILED or TIMED_OUT into the queue again.", "Brief", ("id",), refusals=(400,)
        ),
        "purge-queue": Operation(("POST",), "Cancel all jobs that wait.", "Purged"),
        "health": Operation(("GET",), "How many jobs and workers there are.", "Health"),
        "requests": Operation(("GET",), "The jobs that are known.", "Requests"),
        "openai": Operation(
            ("GET", "POST"),
            "A call of OpenAI's API, as a job with `openai_route` (which may hold slashes) and `openai_input`.",
            "Anything",
            ("route",),
            takes="Anything",
            refusals=(400, 413),
            events=True,
        ),
        "openapi.json": Operation(("GET",), "This document.", "Anything"),
    }
)
# What workers do.
WORKER_OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "job-take": Operation(
            ("GET",), "The next job; held for a while.", "Taken", ("worker",), query=(GPU, BUSY), or_nothing=True
        ),
        "job-take-batch": Operation(
            ("GET",),
            "The next jobs; held for a while.",
            "TakenBatch",
            ("worker",),
            query=(GPU, BUSY, Query("batch_size", "at most so many; 1 where it is no number")),
            or_nothing=True,
        ),
        "job-stop": Operation(
            ("GET",), "Jobs to stop; held for a while.", "Stops", ("worker",), query=(GPU,), or_nothing=True
        ),
        "ping": Operation(
            ("GET",),
            "A heartbeat, or the report of a failed fitness check.",
            "Nothing",
            ("worker",),
            query=(
                GPU,
                Query("job_id", "the jobs that the worker has"),
                Query("runpod_version", "of its SDK"),
                Query("status", "unhealthy where a check failed"),
                Query("check", "which"),
                Query("reason", "why"),
            ),
        ),
        "job-stream": Operation(
            ("POST",), "An item of a stream.", "Nothing", ("worker", "id"), "Posted", POSTED, (400,)
        ),
        "job-done": Operation(
            ("POST",), "The answer, or how far it is.", "Nothing", ("worker", "id"), "Posted", POSTED, (400,)
        ),
    }
)


def in_url(name: str) -> str:
    """The name of an endpoint as URLs, and so clients, have it, and as a shell takes it: `a%20b`."""
    return quote(name, safe="")


def pattern(operations: Mapping[str, Operation], names: Iterable[str]) -> str:
    """The path of these operations, which have the same `rest`, as a regular expression: its groups are the endpoint's
    name, the operation's, and what follows.
    """
    (rest,) = {operations[name].rest for name in names}
    return f"([^/]+)/({'|'.join(map(re.escape, names))}){''.join(TAILS[each] for each in rest)}"


def patterns(operations: Mapping[str, Operation]) -> list[str]:
    """The paths of all operations."""
    rests = dict.fromkeys(operation.rest for operation in operations.values())
    return [pattern(operations, [name for name in operations if operations[name].rest == rest]) for rest in rests]
