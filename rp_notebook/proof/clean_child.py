"""What runs in the clean process: the exported handler.py, then the jobs that the parent sends, one line each way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, TextIO

from rp_notebook.jobs.handler import Handler, as_handler
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.running import arun_job
from rp_notebook.proof.finders import hide
from rp_notebook.proof.fingerprint import fingerprints
from rp_notebook.proof.lines import line_of, value_of

FILE_EVENTS = ("open", "sqlite3.connect", "os.listdir", "os.scandir")
FILES_TOLD = 2_000
TRACE_LINES = 12


def main(setup: str) -> None:
    """Serves the parent at the other end of stdin and stdout until it closes them."""
    said = value_of(setup)
    with os.fdopen(os.dup(0)) as asked, os.fdopen(os.dup(1), "w") as answers:
        quiet = os.open(os.devnull, os.O_RDONLY)
        os.dup2(quiet, 0)
        os.dup2(2, 1)  # what the handler prints goes to the log
        sys.path[:] = [said["folder"], *(path for path in sys.path if path != said["package"]), *said["sites"]]
        hide(*map(frozenset, said["hidden"]))
        _serve(Seen(Path(said["folder"]), said["package"]), asked, answers, sdk=said["sdk"])


def _serve(seen: Seen, asked: TextIO, answers: TextIO, *, sdk: bool) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # one for all jobs, as in a worker
    _say(answers, {"up": True})
    handler, told, space = _imported(seen, sdk=sdk)
    _say(answers, told)
    for line in asked:
        command = value_of(line)
        if command["do"] == "job" and handler is not None:
            with seen.calls():
                record = loop.run_until_complete(arun_job(handler, command["job"]))
            _say(answers, _of_job(record))
        else:
            _say(answers, {**seen.told(), "after": fingerprints(space)})


def _imported(seen: Seen, *, sdk: bool) -> tuple[Handler | None, dict[str, Any], dict[str, Any]]:
    """Runs handler.py as `__main__`, with a start that only takes what it is given."""
    given: list[dict[str, Any]] = []
    path = seen.folder / "handler.py"
    module = ModuleType("__main__")
    module.__file__ = str(path)
    sys.argv = [str(path)]
    began = time.perf_counter()
    error = handler = None
    try:
        _watch_start(given.append, sdk=sdk)
        seen.begin()
        sys.modules["__main__"] = module
        exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), module.__dict__)
        if not given:
            raise LookupError("it never calls runpod.serverless.start")
        config = given[0]
        handler = as_handler(
            config["handler"],
            aggregate=bool(config.get("return_aggregate_stream")),
            refresh=bool(config.get("refresh_worker")),
        )
    except BaseException as raised:  # noqa: BLE001 (what the user's module raises is the answer)
        error = _of_error(raised, path)
    told = {"seconds": time.perf_counter() - began, "error": error, "names": fingerprints(module.__dict__)}
    return handler, told, module.__dict__


def _watch_start(start: Callable[[dict[str, Any]], None], *, sdk: bool) -> None:
    if sdk:
        import runpod

        runpod.serverless.start = start
        return
    # The module only starts the worker: that is not worth the two seconds in which the SDK is loaded.
    package, serverless = ModuleType("runpod"), ModuleType("runpod.serverless")
    serverless.start = start  # type: ignore[attr-defined] # it stands for the SDK's
    package.serverless = serverless  # type: ignore[attr-defined] # see above
    sys.modules.update({"runpod": package, "runpod.serverless": serverless})


def _of_job(record: JobRecord) -> dict[str, Any]:
    posts = [[post.kind, post.body.decode(), post.is_stream] for post in record.posts]
    return {"posts": posts, "lost": record.lost, "ms": record.execution_ms}


def _of_error(error: BaseException, path: Path) -> dict[str, Any]:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return {
        "type": type(error).__name__,
        "message": str(error),
        "name": getattr(error, "name", None),
        "path": str(error.filename) if isinstance(error, OSError) and error.filename else None,
        "line": frames[-1].lineno if frames else getattr(error, "lineno", None),
        "trace": "".join(traceback.format_exception(error)).splitlines()[-TRACE_LINES:],
    }


class Seen:
    """What the handler's code touched: files, environment variables, its own functions."""

    def __init__(self, folder: Path, package: str) -> None:
        self.folder = folder
        self._inside = f"{folder}{os.sep}"
        self._files: dict[str, bool] = {}  # by path, whether it was there when it was first asked for
        self._before: frozenset[str] = frozenset()
        self._read: set[str] = set()
        self._called: set[tuple[str, int]] = set()
        roots = {package, sys.prefix, sys.base_prefix, sys.exec_prefix, "/proc", "/dev", "/sys"}
        self._ours = tuple(f"{root}{os.sep}" for root in {*roots, *map(os.path.realpath, roots), *sys.path} if root)

    def begin(self) -> None:
        """From now on, looks; there is no end to an audit hook."""
        self._before = frozenset(sys.modules)
        sys.addaudithook(self._audit)
        os.environ.__class__ = _watched(os.environ.__class__, self)

    @contextlib.contextmanager
    def calls(self) -> Any:
        """Sees the calls of the handler's own functions in the block, on any thread."""
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def told(self) -> dict[str, Any]:
        """All that was seen, as JSON."""
        now = [(path, first, os.path.exists(path)) for path, first in [*self._files.items()]]  # noqa: PTH110 (a text)
        files = [(path, there) for path, first, there in now if first or not there][:FILES_TOLD]  # the rest it made
        ours = self._before | sys.stdlib_module_names
        tops = [(name, module) for name, module in [*sys.modules.items()] if "." not in name and name not in ours]
        return {
            "files": files,
            "environ": sorted(self._read),
            "called": sorted(self._called),
            "modules": {name: getattr(module, "__file__", None) or "" for name, module in tops},
        }

    def reads(self, name: str) -> None:
        """Notes an environment variable, when the handler's own code reads it."""
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 (inspect's way costs a thousand times as much)
        while frame is not None and frame.f_code.co_filename in _LIBRARY:
            frame = frame.f_back
        if frame is not None and frame.f_code.co_filename.startswith(self._inside):
            self._read.add(name)

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event in FILE_EVENTS and args and isinstance(args[0], str | bytes | os.PathLike):
            path = os.path.abspath(os.fsdecode(args[0]))  # noqa: PTH100 (a hook has to be quick)
            own = path.startswith(self._inside) and "__pycache__" not in path
            if own or not path.startswith((*self._ours, self._inside)):
                self._files.setdefault(path, os.path.exists(path))  # noqa: PTH110 (see above)

    def _profile(self, frame: FrameType, event: str, _argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(self._inside):
            self._called.add((code.co_filename[len(self._inside) :], code.co_firstlineno))


_LIBRARY = tuple(code.co_filename for code in (main.__code__, os.getenv.__code__, os.environ.get.__code__))


def _watched(kind: type, seen: Seen) -> type:
    class Watched(kind):  # type: ignore[misc] # os.environ's own class has no public name
        def __getitem__(self, key: str) -> str:
            seen.reads(key)
            value: str = super().__getitem__(key)
            return value

    return Watched


def _say(answers: TextIO, told: dict[str, Any]) -> None:
    answers.write(line_of(told) + "\n")
    answers.flush()
