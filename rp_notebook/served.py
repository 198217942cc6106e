"""Serves a notebook, or exported workers, until it is told to end: `rp-notebook serve`."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shlex import quote as quoted
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import Request, urlopen

from rp_notebook.endpoint.listening import SHOWN_INPUT, client_lines, listening, new_key, unusable
from rp_notebook.endpoint.operations import in_url
from rp_notebook.endpoint.service import Service
from rp_notebook.errors import NO_SDK, BadInput, NotebookFailed
from rp_notebook.export.cells import read_notebook
from rp_notebook.headless import notebook_client, reason
from rp_notebook.proof.worker_process import WorkerProcess, clean_environment, runpod_environment

LOOK_S = 0.2
READY_S = 120.0
PAUSE_S = 1.0  # before a worker that ended is started again

HOMES = ("HOME", "USERPROFILE")  # a login that lies there would win over our key (facts/runpod-contract.md 6.1)

DIED = "the kernel died, and with it the jobs it had: serve the notebook again"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Place:
    """Where something is served, with which key, and what to say about each endpoint, by its name.

    `ended` says why it is there no more, and `died` is told of a worker that ended with an exit code.
    """

    url: str
    key: str
    lines: dict[str, list[str]]
    ended: Callable[[], str | None]
    died: Callable[[str, str, int], None] = lambda _endpoint, _worker, _code: None


def serve(
    notebook: Path | None,
    *,
    port: int = 0,
    worker: Path | None = None,
    workers: int | None = None,
    rate_limits: bool = False,
    private_webhooks: bool = False,
    allow_origin: str | None = None,
    say: Say,
) -> None:
    """Serves until SIGTERM or Ctrl-C; `say` gets a line for each thing there is to know, once it is ready.

    With a notebook alone, its kernel runs the jobs; with a `worker` folder too, its workers help the kernel with the
    latest handler's; with that alone, they serve an endpoint of the folder's name. Raises `BadInput` or
    `NotebookFailed`.
    """
    if worker is not None and not (worker / "handler.py").is_file():
        raise BadInput(f"{worker} holds no handler.py: --worker takes an exported folder")
    if worker is not None and find_spec("runpod") is None:
        raise BadInput(NO_SDK)
    if notebook is not None and notebook.is_dir():
        raise BadInput(f"{notebook} is a folder: --worker {notebook} serves an exported one")
    if worker is None and workers is not None:
        raise BadInput("--workers N is how many workers --worker DIR has: name that folder, too")
    options = [f"--port {port}"] * bool(port)
    options += ["--rate-limits"] * rate_limits + ["--private-webhooks"] * private_webhooks
    options += [] if allow_origin is None else ["--allow-origin", quoted(allow_origin)]
    with ExitStack() as stack, stopped_by_signals() as stopping:
        if notebook is not None:
            place = stack.enter_context(_kernel(notebook, " ".join(options)))
        elif worker is not None:
            place = stack.enter_context(_queue(worker, port, rate_limits, private_webhooks, allow_origin))
        else:
            raise BadInput("name a notebook, or --worker DIR")
        if worker is not None:
            stack.enter_context(_workers(worker, workers or 1, place, stopping))
        for line in (line for lines in place.lines.values() for line in lines):
            say(line)
        while not stopping.wait(LOOK_S):
            if (why := place.ended()) is not None:
                raise NotebookFailed(why)


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Set by SIGTERM and by Ctrl-C, which until then, and while a notebook runs, end what is being done."""
    stopping = threading.Event()

    def stop(_number: int, _frame: Any) -> None:
        if not stopping.is_set():
            stopping.set()
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopping
    except KeyboardInterrupt:
        if not stopping.is_set():
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _kernel(path: Path, options: str) -> Iterator[Place]:
    """A kernel that ran the notebook and serves."""
    import nbformat
    from nbclient.exceptions import CellExecutionError, DeadKernelError
    from nbclient.util import run_sync

    notebook = read_notebook(path)
    with TemporaryDirectory() as scratch:
        answer = Path(scratch) / "serving.json"
        line = f"get_ipython().magics_manager.registry['RunpodMagics'].serving({options!r}, {str(answer)!r})"
        own = len(notebook.cells)
        notebook.cells.append(nbformat.v4.new_code_cell(line))
        client = notebook_client(notebook, path.resolve().parent, alone=True)
        with client.setup_kernel():
            kernel = client.km
            try:
                for number, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, number)
                alive = run_sync(kernel.is_alive)
                yield Place(**json.loads(answer.read_text()), ended=lambda: None if alive() else DIED)
            except CellExecutionError as error:
                said = f"cell {number + 1} of {path.name} failed: {reason(cell.source, error)}"
                raise NotebookFailed(said if number < own else error.evalue) from None
            except DeadKernelError:
                raise NotebookFailed(f"the kernel died in cell {number + 1} of {path.name}") from None
            finally:
                with suppress(RuntimeError):  # it has died
                    run_sync(kernel.interrupt_kernel)()  # who waits for a running job is told, too


@contextmanager
def _queue(
    worker: Path, port: int, rate_limits: bool, private_webhooks: bool, allow_origin: str | None
) -> Iterator[Place]:
    """A queue in this process, for workers of that folder alone."""
    name, given = worker.resolve().name, _example(worker)
    key = new_key()
    service = Service(
        lambda asked: asked == name,
        time.time,
        names=lambda: [name],
        rate_limits=rate_limits,
        private_webhooks=private_webhooks,
        allow_origin=allow_origin,
    )
    server = listening(service, key, port)

    def died(endpoint: str, worker: str, code: int) -> None:
        server.call(lambda: service.endpoints[endpoint].abandon(worker, f"its worker ended with exit code {code}"))

    try:
        server.start()
    except OSError as error:
        raise unusable(port, error) from None
    url = f"{server.url}/v2"
    lines = [f"{url}/{in_url(name)}", *client_lines(url, name, key, given)]
    try:
        yield Place(url, key, {name: lines}, lambda: None, died)
    finally:
        server.stop()


def _example(worker: Path) -> Any:
    """The input of the folder's own test, where it has a short one."""
    with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        given = json.loads((worker / "test_input.json").read_text())["input"]
        return given if len(json.dumps(given)) <= SHOWN_INPUT else {}
    return {}


@contextmanager
def _workers(folder: Path, count: int, place: Place, stopping: threading.Event) -> Iterator[None]:
    """So many SDK workers of a folder, of which one is ready; each that ends is followed by another.

    Raises `BadInput` when one ends before it has asked for a job.
    """
    with TemporaryDirectory() as home, ExitStack() as stack:
        crew = _Crew(folder, Path(home), place)
        stack.callback(crew.stop)
        before = _idle(place, crew.endpoint)
        for number in range(count):
            crew.start(number)
        latest = time.monotonic() + READY_S
        while _idle(place, crew.endpoint) <= before:
            if (tail := crew.tail_of_ended()) is not None or time.monotonic() > latest:
                raise BadInput(f"the worker in {folder} does not start: {tail or 'it asked for no job'}")
            time.sleep(LOOK_S)
        threading.Thread(target=crew.watch, args=(stopping,), name="rp-notebook workers", daemon=True).start()
        yield


class _Crew:
    def __init__(self, folder: Path, home: Path, place: Place) -> None:
        self.endpoint = next(iter(place.lines))
        self._folder, self._home, self._place = folder, home, place
        self._running: dict[int, tuple[str, WorkerProcess]] = {}
        self._starts = 0
        self._over = threading.Event()
        self._ours = clean_environment(os.environ, home, [name for name in os.environ if name not in HOMES])
        self._ours |= {name: os.environ.get(name, "0") for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")}

    def start(self, number: int) -> None:
        self._starts += 1
        name = f"worker-{self._starts}"
        url = self._place.url.removesuffix("/v2")
        environ = self._ours | runpod_environment(url, name, self.endpoint, self._place.key)
        self._running[number] = name, WorkerProcess(self._folder, environ, self._home / f"{name}.log")

    def tail_of_ended(self) -> str | None:
        return next((process.tail() for _, process in self._running.values() if process.ended is not None), None)

    def watch(self, stopping: threading.Event) -> None:
        while not (self._over.wait(PAUSE_S) or stopping.is_set()):
            for number, (name, process) in tuple(self._running.items()):
                if process.ended is not None:
                    self._place.died(self.endpoint, name, process.ended)
                    process.stop(0)
                    self.start(number)

    def stop(self) -> None:
        self._over.set()
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda each: each[1].stop(), self._running.values()))


def _idle(place: Place, endpoint: str) -> int:
    asked = Request(f"{place.url}/{in_url(endpoint)}/health", headers={"Authorization": place.key})
    with urlopen(asked) as reply:
        return int(json.load(reply)["workers"]["idle"])
