"""Hears what a handler tells with `runpod.serverless.progress_update`, under whatever name it imported that."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
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
    """While a block runs under it, calls `told(progress)` for each update of that job, also when it imports the SDK.

    The SDK's function would start a thread that posts to a platform which is not there. Whoever imported the function
    holds that very function, so what it looks up is replaced: this stands for the `threading` of its module, and keeps
    only the threads of this job's updates from starting.
    """

    def __init__(self, job_id: str, told: Told) -> None:
        self._job_id = job_id
        self._told = told
        self._module: Any = None
        self._awaiting: _Awaiting | None = None
        self.before: Any = None

    def __enter__(self) -> None:
        loaded = sys.modules.get(SDK_MODULE)
        if loaded is not None:
            self._listen(loaded)
        else:
            self._awaiting = _Awaiting(self._listen)
            sys.meta_path.insert(0, self._awaiting)

    def __exit__(self, *_: object) -> None:
        if self._awaiting in sys.meta_path:
            sys.meta_path.remove(self._awaiting)
        if self._module is None:
            return
        if self._module.threading is self:
            self._module.threading = self.before
        else:  # a job that started later is still running
            later = self._module.threading
            while later.before is not self:
                later = later.before
            later.before = self.before

    def _listen(self, module: Any) -> None:
        self._module = module
        self.before, module.threading = module.threading, self

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


class _Awaiting:
    """Finds the SDK's module as everybody does, and hands it over as soon as it is loaded."""

    def __init__(self, loaded: Callable[[ModuleType], None]) -> None:
        self._loaded = loaded

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        if name != SDK_MODULE:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._loaded)
        return spec


class _Loader(Loader):
    """Loads a module by its own loader, and tells when that is done."""

    def __init__(self, own: Loader, loaded: Callable[[ModuleType], None]) -> None:
        self._own, self._loaded = own, loaded

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._own  # what tools ask for the module's source
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        self._own.exec_module(module)
        self._loaded(module)
