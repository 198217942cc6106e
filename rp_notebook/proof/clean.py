"""An exported repository in a clean process: no SDK, no notebook, nothing but its own files around it."""

from __future__ import annotations

import ast
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from types import MappingProxyType, TracebackType
from typing import Any

import rp_notebook
from rp_notebook.jobs.masking import scrubbed, secret_values
from rp_notebook.jobs.posts import Post
from rp_notebook.jobs.request import Request
from rp_notebook.proof.fingerprint import Fingerprint
from rp_notebook.proof.hiding import NOTHING, Hidden
from rp_notebook.proof.lines import line_of, value_of
from rp_notebook.proof.processes import end_session, popen
from rp_notebook.proof.worker_process import clean_environment, tail_of

CHILD = "import sys; sys.path.insert(0, {0!r}); from rp_notebook.proof.clean_child import main; main(sys.argv[1])"
SITES = ("site-packages", "dist-packages")
START_S = 60.0  # for the interpreter itself, beside the time that handler.py may take


class CleanRunEnded(Exception):
    """The process ended, or was ended, before it answered; `tail` is what it wrote last."""

    def __init__(self, why: str, tail: str, *, in_time: bool = True) -> None:
        super().__init__(why)
        self.tail = tail
        self.in_time = in_time


@dataclass(frozen=True)
class Raised:
    """What importing handler.py raised: `name` is the missing name or module, `path` the file that is not there."""

    type: str
    message: str
    name: str | None
    path: str | None
    line: int | None
    trace: tuple[str, ...]


@dataclass(frozen=True)
class Ran:
    """What came of one job: the posts, or why none would end it."""

    posts: tuple[Post, ...]
    lost: str | None
    ms: float | None


@dataclass(frozen=True)
class Touched:
    """What the handler's code touched until now.

    `opened` are files and folders, inside the repository by their name in it, outside by their path; `missing` those
    that are not there; neither has what it made itself. `environ` are variables that its own code read, `called` its
    functions that a job ran, as file and first line; `modules` maps what was imported to the file.
    """

    opened: tuple[str, ...]
    missing: tuple[str, ...]
    environ: tuple[str, ...]
    called: frozenset[tuple[str, int]]
    modules: Mapping[str, str]
    names: Mapping[str, Fingerprint]


class CleanRun:
    """One clean process over the files of a repository; a context manager, whose end ends the process.

    The child is `python -I -B` in a scratch folder, with a scratch HOME, an allow-list of the environment, the
    variables named in `pass_env` and those of `environ`, and without the `hidden` packages. `timeout_s` bounds, in
    seconds, the import of handler.py and each job. What comes back has `***` for the `secrets` and for those of this
    environment, as jobs are kept.
    """

    def __init__(
        self,
        files: Mapping[str, bytes],
        *,
        pass_env: Iterable[str] = (),
        environ: Mapping[str, str] = MappingProxyType({}),
        secrets: Collection[str] = (),
        hidden: Hidden = NOTHING,
        timeout_s: float = 600.0,
    ) -> None:
        self._files, self._pass_env, self._environ, self._timeout_s = files, tuple(pass_env), environ, timeout_s
        self._hidden = hidden
        self._secrets = {*secrets, *secret_values(os.environ)}
        self._scratch = TemporaryDirectory(prefix="rp-notebook-clean-", ignore_cleanup_errors=True)
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.seconds = 0.0
        self.error: Raised | None = None
        self.names: dict[str, Fingerprint] = {}

    def __enter__(self) -> CleanRun:
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = getattr(self, "_process", None)
        if process is not None:
            end_session(process)
            for stream in (process.stdin, process.stdout):
                stream.close()
        self._scratch.cleanup()

    def run(self, request: Request) -> Ran:
        """Runs one job. Raises `CleanRunEnded`."""
        told = self._ask({"do": "job", "job": request.decoded()})
        posts = tuple(Post(kind, body.encode(), is_stream) for kind, body, is_stream in told["posts"])
        return Ran(posts, told["lost"], told["ms"])

    def touched(self) -> Touched:
        """What its code touched so far, and its variables as they are now. Raises `CleanRunEnded`."""
        told = self._ask({"do": "tell"})
        files = [(self._named(path), there) for path, there in told["files"]]
        return Touched(
            opened=tuple(sorted(path for path, there in files if there)),
            missing=tuple(sorted(path for path, there in files if not there)),
            environ=tuple(told["environ"]),
            called=frozenset((PurePosixPath(*Path(file).parts).as_posix(), line) for file, line in told["called"]),
            modules=told["modules"],
            names={name: Fingerprint(*mark) for name, mark in told["after"].items()},
        )

    def _start(self) -> None:
        scratch = Path(self._scratch.name).resolve()
        self._folder, self._log, home = scratch / "worker", scratch / "log", scratch / "home"
        home.mkdir()
        for name, body in self._files.items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        package = str(Path(rp_notebook.__file__).parent.parent)
        sites = [path for path in sys.path if Path(path).name in SITES]
        sdk = needs_sdk(self._files)
        hidden = [sorted(self._hidden.names), sorted(self._hidden.modules)]
        setup = line_of({"folder": str(self._folder), "package": package, "sites": sites, "sdk": sdk, "hidden": hidden})
        with self._log.open("wb") as log:
            self._process = popen(
                [sys.executable, "-I", "-B", "-c", CHILD.format(package), setup],
                cwd=self._folder,
                env={**clean_environment(os.environ, home, self._pass_env), **self._environ},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                encoding="utf-8",
            )
        threading.Thread(target=self._listen, daemon=True).start()
        self._answer(START_S)
        told = self._answer(self._timeout_s)
        self.seconds = told["seconds"]
        self.names = {name: Fingerprint(*mark) for name, mark in told["names"].items()}
        if told["error"] is not None:
            error = told["error"]
            self.error = Raised(**{**error, "trace": tuple(error["trace"])})

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with suppress(ValueError):  # closed under us, at the end
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put(None)

    def _ask(self, command: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line_of(command) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise self._ended() from None
        return self._answer(self._timeout_s)

    def _answer(self, seconds: float) -> Any:
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise CleanRunEnded(f"no answer within {seconds:g} s", self._tail(), in_time=False) from None
        if line is None:
            raise self._ended()
        return value_of(scrubbed(line, self._secrets))

    def _ended(self) -> CleanRunEnded:
        code = self._process.wait()
        how = f"the process ended with exit code {code}" if code >= 0 else f"signal {-code} killed the process"
        return CleanRunEnded(how, self._tail())

    def _tail(self) -> str:
        return scrubbed(tail_of(self._log), self._secrets)

    def _named(self, path: str) -> str:
        there = Path(path)
        return there.relative_to(self._folder).as_posix() if there.is_relative_to(self._folder) else path


def needs_sdk(files: Mapping[str, bytes]) -> bool:
    """Whether a repository uses more of the SDK than the start of its worker."""
    return any(
        _uses_sdk(body) for name, body in files.items() if name.endswith(".py") and not name.startswith("tests/")
    )


def _uses_sdk(body: bytes) -> bool:
    try:
        nodes = [*ast.walk(ast.parse(body))]
    except (SyntaxError, ValueError):
        return False
    named = sum(isinstance(node, ast.Name) and node.id == "runpod" for node in nodes)
    started = sum(isinstance(n, ast.Attribute) and ast.unparse(n) == "runpod.serverless.start" for n in nodes)
    return named != started or any(_imports_sdk(node) for node in nodes)


def _imports_sdk(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").split(".")[0] == "runpod" and not node.level
    names = node.names if isinstance(node, ast.Import) else []
    return any(alias.name.split(".")[0] == "runpod" and (alias.name != "runpod" or alias.asname) for alias in names)
