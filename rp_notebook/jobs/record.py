"""A job that ran: the job, what was posted for it, and what there is to say about that."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.gauge import Gauge
from rp_notebook.jobs.job import Job, Status
from rp_notebook.jobs.judgement import findings_of
from rp_notebook.jobs.payload import RUN_LIMIT
from rp_notebook.jobs.posts import Bare, Post

KERNEL_DIED = "the kernel died while the job ran"


@dataclass(frozen=True)
class Sizes:
    """Bytes on the wire: the request, the final body (None when none was posted), the largest stream item."""

    request: int
    result: int | None
    largest_item: int | None


@dataclass(frozen=True, eq=False)
class JobRecord:
    """What `run_job` returns.

    `posts` are the bodies a worker would send, in order; `dropped` says why a stream item or a progress update was
    not sent; `printed` is what the handler wrote to stdout and stderr and `gauge` what it took of the machine,
    where a notebook's worker ran it; `noted` is what was seen while it ran; `masked` are the paths in the request of
    a job from the history whose secrets were not kept; `tolerance` is how far a golden job's numbers may be off;
    `unsent` shows an answer that is lost, as long as the kernel lives.
    """

    job: Job
    posts: tuple[Post, ...]
    dropped: tuple[str, ...] = ()
    printed: str = ""
    gauge: Gauge | None = None
    noted: tuple[Finding, ...] = ()
    masked: tuple[str, ...] = ()
    tolerance: float | None = None
    unsent: Any = None

    @property
    def id(self) -> str:
        """The job's id."""
        return self.job.id

    @property
    def status(self) -> Status:
        """As the platform would show it; IN_PROGRESS for a lost result, until its timeout."""
        return self.job.status

    @property
    def lost(self) -> str | None:
        """Why no final body would be posted; None when one would."""
        return self.job.lost

    @property
    def outcome(self) -> str:
        """How it ended in the word that matters: the platform's status, or what that hides.

        LOST (the client waits in vain), TOO LARGE (for /run: the client gets no output), INTERRUPTED (the kernel
        died), RUNNING (it has not ended).
        """
        if self.lost == KERNEL_DIED:
            return "INTERRUPTED"
        if self.job.ended_at is None:
            return "RUNNING"
        if self.lost and self.status is Status.IN_PROGRESS:
            return "LOST"
        return "TOO LARGE" if (self.sizes.result or 0) > RUN_LIMIT else str(self.status)

    @cached_property
    def sizes(self) -> Sizes:
        """Bytes of the request, the final body and the largest stream item."""
        items = [len(post.body) for post in self.posts if post.kind == "stream"]
        return Sizes(self.job.request.size, len(self.final.body) if self.final else None, max(items, default=None))

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What production would make of this job, beyond its status."""
        return findings_of(self)

    @property
    def final(self) -> Post | None:
        """The body that ends the job, if one is posted."""
        return self.posts[-1] if self.posts and self.posts[-1].kind == "done" else None

    @cached_property
    def answer(self) -> dict[str, Any]:
        """The decoded final body; empty when none was posted."""
        decoded: dict[str, Any] = self.final.value if self.final else {}
        return decoded

    @property
    def output(self) -> Any:
        """The answer as a client would read it: decoded from the posted bytes; None when there is none."""
        return self.answer.get("output")

    @property
    def error(self) -> Any:
        """What the client reads as `error`, usually text; None when there is none."""
        return self.job.error or (None if isinstance(self.final, Bare) else self.answer.get("error"))

    @cached_property
    def exception(self) -> dict[str, str] | None:
        """What a worker tells of an exception (`error_type`, `error_message`, `error_traceback` and the worker).

        None when there was none, or when the error is any other text.
        """
        try:
            told = json.loads(self.error)
        except (TypeError, ValueError):
            return None
        return told if isinstance(told, dict) and "error_traceback" in told else None

    @property
    def items(self) -> list[Any]:
        """What a streaming client would have received, decoded."""
        return [post.value.get("output") for post in self.posts if post.kind == "stream"]

    @property
    def note(self) -> str:
        """The first thing to say about it, in a line: what production would make of it, or its error."""
        if self.lost == KERNEL_DIED:
            return KERNEL_DIED
        if self.findings:
            return self.findings[0].message
        told = self.exception["error_traceback"] if self.exception else self.error
        lines = [line for line in told.splitlines() if line.strip()] if isinstance(told, str) else []
        return lines[-1 if self.exception else 0] if lines else ""

    @property
    def execution_ms(self) -> float | None:
        """Milliseconds between the handler's call and the job's end."""
        if self.job.started_at is None or self.job.ended_at is None:
            return None
        return (self.job.ended_at - self.job.started_at) * 1000

    def __repr__(self) -> str:
        took = "" if self.execution_ms is None else f" in {self.execution_ms:.1f} ms"
        lost = f", LOST: {self.lost}" if self.lost else ""
        return f"<JobRecord {self.id} of {self.job.handler}: {self.status}{took}{lost}>"
