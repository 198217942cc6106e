"""Hears what a handler tells with `runpod.serverless.progress_update`, under whatever name it imported that."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from rp_notebook.jobs.events import Progressed
from rp_notebook.jobs.payload import unencodable
from rp_notebook.jobs.posts import post_of

SDK_MODULE = "runpod.serverless.modules.rp_progress"

Told = Callable[[Any], None]


def progressed(progress: Any, at: float) -> Progressed:
    """The event of an update: its post as the SDK's thread would send it, or why it would be dropped."""
    try:
        return Progressed(at, post_of("progress", {"status": "IN_PROGRESS", "output": progress}))
    except (TypeError, ValueError, RecursionError) as error:
        return Progressed(at, None, unencodable(progress, "progress") or f"the progress is not JSON: {error}")


class Listening:
    """While a block runs under it, calls `told(progress)` for each update of that job, when the SDK is loaded.

    The SDK's function would start a thread that posts to a platform which is not there. Whoever imported the function
    holds that very function, so what it looks up is replaced: this stands for the `threading` of its module, and keeps
    only the threads of this job's updates from starting.
    """

    def __init__(self, job_id: str, told: Told) -> None:
        self._job_id = job_id
        self._told = told
        self._module: Any = sys.modules.get(SDK_MODULE)
        self.before: Any = None

    def __enter__(self) -> None:
        if self._module is not None:
            self.before, self._module.threading = self._module.threading, self

    def __exit__(self, *_: object) -> None:
        if self._module is None:
            return
        if self._module.threading is self:
            self._module.threading = self.before
        else:  # a job that started later is still running
            later = self._module.threading
            while later.before is not self:
                later = later.before
            later.before = self.before

    def Thread(self, target: Any, args: tuple[Any, ...], **options: Any) -> Any:  # noqa: N802 (the name it stands for)
        job, progress = args
        if job.get("id") != self._job_id:
            return self.before.Thread(target=target, args=args, **options)
        self._told(progress)
        return _Told()


class _Told:
    """A thread that has nothing left to do."""

    def start(self) -> None:
        """Does nothing: the update was told."""
