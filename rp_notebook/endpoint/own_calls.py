"""Calls that a cell, or a job, makes to the endpoint of its own kernel: each waits for the other."""

from __future__ import annotations

import time
from collections.abc import Callable

from rp_notebook.endpoint.endpoint import Endpoint
from rp_notebook.jobs.job import Status

OWN_S = 90.0  # as long as /runsync waits; who asks again then would do so for a day
RESTS = 20  # times as long as it took, who asks is not searched for again: all connections of the system are looked at
OWN_CELL = (
    "sent from a cell of the kernel that is to run it, a job waits until that cell has ended: in a cell, write "
    "`await rp_notebook.arun_job(handler, {...})` instead"
)
OWN_JOB = (
    "sent from a job of the kernel that is to run it, a job waits until that one has ended: in a handler, call the "
    "other handler's function instead"
)


class Sparing:
    """Has something done for a twentieth of the time at most: not where it would be too soon again."""

    def __init__(self) -> None:
        self._again_at = 0.0

    def __call__(self, act: Callable[[], None]) -> None:
        began = time.monotonic()
        if began >= self._again_at:
            act()
            self._again_at = began + RESTS * (time.monotonic() - began)


def is_own_call(endpoint: Endpoint, job_id: str, port: int, pid: int) -> bool:
    """Whether a job still waits, and who asks about it from that port is the process that is to run it."""
    entry = endpoint.queue.entry(job_id)
    return entry is not None and entry.job.status is Status.IN_QUEUE and _begins_at(pid, port)


def fail_own_call(endpoint: Endpoint, job_id: str, port: int, pid: int, why: str = OWN_CELL) -> None:
    """Ends a job that has waited for so long that who sent it would wait for ever."""
    entry = endpoint.queue.entry(job_id)
    if entry is not None and time.time() - entry.put_at > OWN_S and is_own_call(endpoint, job_id, port, pid):
        endpoint.queue.fail(job_id, why)


def _begins_at(pid: int, port: int) -> bool:
    import psutil

    try:
        process = psutil.Process(pid)
        connections = getattr(process, "net_connections", None) or process.connections  # the latter before psutil 6
        return any(connection.laddr and connection.laddr.port == port for connection in connections("tcp"))
    except psutil.Error:  # it has just ended, or is nothing of ours
        return False
