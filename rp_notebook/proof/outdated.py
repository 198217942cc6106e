"""Jobs that ran, and tell nothing of an export: the notebook changed since, or they hang on jobs from before that."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rp_notebook.export.recorded import RecordedJob
from rp_notebook.jobs.posts import wire_json
from rp_notebook.proof.answers import as_recorded
from rp_notebook.proof.clean import Ran

EARLY = "it ran before the last change, and answers otherwise since"
LATER = "the same request was answered otherwise later, and is so now"
ANEW = "it ran before the last change, since which jobs have begun anew"
HANGS = "its answer hangs on jobs from before a change: run the cell again that makes what jobs change, then a job"


def outdated_among(
    jobs: Sequence[RecordedJob], different: Sequence[RecordedJob], early: Collection[str], ran: Mapping[str, Ran]
) -> dict[str, str]:
    """Of those that answered otherwise, those that ran too early, or whose request was answered otherwise later."""
    found = {job.id: EARLY for job in different if job.id in early}
    wrong = {job.id for job in different}
    later: set[str] = set()
    for job in reversed(jobs):
        asked = wire_json({key: value for key, value in job.request.items() if key != "id"})
        if job.id in wrong and asked in later:
            found.setdefault(job.id, LATER)
        elif job.id in ran and job.id not in wrong:
            later.add(asked)
    return found


def left_behind(
    jobs: Sequence[RecordedJob], late: Sequence[RecordedJob], ran: Mapping[str, Ran], alone: Mapping[str, Ran]
) -> dict[str, str]:
    """Where jobs change what later ones read: the early ones if the `late` ones answer as recorded `alone`.

    Else those of the late ones that did so behind the early ones, and do not without them.
    """
    wrong = {job.id for job in otherwise(late, alone)}
    if not wrong:
        return {job.id: ANEW for job in jobs if job not in late}
    return {job.id: HANGS for job in late if job.id in wrong & ran.keys() and as_recorded(job, ran[job.id])}


def otherwise(jobs: Sequence[RecordedJob], ran: Mapping[str, Ran]) -> list[RecordedJob]:
    """Those that did not answer as recorded."""
    return [job for job in jobs if job.id in ran and not as_recorded(job, ran[job.id])]
