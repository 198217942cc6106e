"""Serves a notebook, or exported workers, until it is told to end: `rp-notebook serve`."""

from __future__ import annotations

import json
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rp_notebook.endpoint.client_routes import NoRoute, client_routes
from rp_notebook.endpoint.loopback import Loopback
from rp_notebook.endpoint.service import Service
from rp_notebook.endpoint.worker_routes import worker_routes
from rp_notebook.errors import BadInput, NotebookFailed
from rp_notebook.export.cells import read_notebook
from rp_notebook.headless import CELL_TIMEOUT_S, QUIET
from rp_notebook.proof.worker_process import WorkerProcess, clean_environment, runpod_environment

LOOK_S = 0.2
READY_S = 120.0
PAUSE_S = 1.0  # before a worker that ended is started again

Say = Callable[[str], None]
Ended = Callable[[], str | None]


def serve(
    notebook: Path | None,
    *,
    port: int = 0,
    worker: Path | None = None,
    workers: int = 1,
    rate_limits: bool = False,
    private_webhooks: bool = False,
    say: Say,
) -> None:
    """Serves until SIGTERM or Ctrl-C; `say` gets a line for each thing there is to know, once it is ready.

    With a notebook alone, its kernel runs the jobs; with a `worker` folder too, its workers help the kernel with the
    latest handler's; with that alone, they serve an endpoint of the folder's name. Raises `BadInput` or
    `NotebookFailed`.
    """
    if worker is not None and not (worker / "handler.py").is_file():
        raise BadInput(f"{worker} holds no handler.py: --worker takes an exported folder")
    if notebook is None and worker is None:
        raise BadInput("name a notebook, or --worker DIR")
    options = [f"--port {port}"] * bool(port)
    options += ["--rate-limits"] * rate_limits + ["--private-webhooks"] * private_webhooks
    with ExitStack() as stack, stopped_by_signals() as stopping:
        if notebook is not None:
            told, ended = stack.enter_context(_kernel(notebook, " ".join(options)))
        else:
            told, ended = stack.enter_context(
                _queue(str(worker and worker.resolve().name), port, rate_limits, private_webhooks)
            )
        if worker is not None:
            endpoint = next(iter(told["lines"]))
            url = told["url"].removesuffix("/v2")
            stack.enter_context(_workers(worker, workers, url, endpoint, told["key"], stopping))
        for lines in told["lines"].values():
            for line in lines:
                say(line)
        while not stopping.wait(LOOK_S):
            if (why := ended()) is not None:
                raise NotebookFailed(why)


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Set by SIGTERM and by Ctrl-C, which until then, and while a notebook runs, end what is being done."""
    stopping = threading.Event()

    def stop(_number: int, _frame: Any) -> None:
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
def _kernel(path: Path, options: str) -> Iterator[tuple[dict[str, Any], Ended]]:
    """A kernel that ran the notebook and serves: where, and whether it has died."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError
    from nbclient.util import run_sync

    notebook = read_notebook(path)
    folder = str(path.resolve().parent)
    with TemporaryDirectory() as scratch:
        answer = Path(scratch) / "serving.json"
        line = f"get_ipython().magics_manager.registry['RunpodMagics'].serving({options!r}, {str(answer)!r})"
        own = len(notebook.cells)
        notebook.cells += [nbformat.v4.new_code_cell(source) for source in ("%load_ext rp_notebook", line)]
        client = NotebookClient(
            notebook,
            timeout=CELL_TIMEOUT_S,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            extra_arguments=[QUIET],
        )
        with client.setup_kernel():
            for number, cell in enumerate(notebook.cells):
                try:
                    client.execute_cell(cell, number)
                except CellExecutionError as error:
                    where = f"cell {number + 1} of {path.name} failed: {error.ename}: " if number < own else ""
                    raise NotebookFailed(f"{where}{error.evalue}") from None
                except DeadKernelError:
                    raise NotebookFailed(f"the kernel died in cell {number + 1} of {path.name}") from None
            try:
                yield json.loads(answer.read_text()), lambda: _death(run_sync(client.km.is_alive)())
            finally:
                with suppress(RuntimeError):  # it has died
                    run_sync(client.km.interrupt_kernel)()  # who waits for a running job is told, too


def _death(alive: Any) -> str | None:
    return None if alive else "the kernel died, and with it the jobs it had: serve the notebook again"


@contextmanager
def _queue(name: str, port: int, rate_limits: bool, private_webhooks: bool) -> Iterator[tuple[dict[str, Any], Ended]]:
    """A queue in this process, for workers alone."""
    key = f"rpn_{secrets.token_urlsafe(24)}"
    service = Service(
        lambda asked: asked == name, time.time, rate_limits=rate_limits, private_webhooks=private_webhooks
    )
    server = Loopback(
        [*client_routes(service, key), *worker_routes(service.endpoints, key)],
        port,
        around=service.running,
        fallback=(NoRoute, {"service": service, "key": key}),
    )
    try:
        server.start()
    except OSError as error:
        raise BadInput(f"port {port} cannot be used ({error}): name another, or none") from None
    url = f"{server.url}/v2"
    curl = f'curl -X POST {url}/{name}/runsync -H "Authorization: Bearer {key}" -H "Content-Type: application/json"'
    lines = [f"{url}/{name}", f"""{curl} -d '{{"input": {{}}}}'"""]
    try:
        yield {"url": url, "key": key, "lines": {name: lines}}, lambda: None
    finally:
        server.stop()


@contextmanager
def _workers(
    folder: Path, count: int, url: str, endpoint: str, key: str, stopping: threading.Event
) -> Iterator[Sequence[WorkerProcess]]:
    """So many SDK workers of a folder; one that ends is started again, as the platform would."""
    with TemporaryDirectory() as home:
        ours = clean_environment(os.environ, Path(home), [name for name in os.environ if name not in HOMES])
        ours |= {name: os.environ.get(name, "0") for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")}

        def started(number: int) -> WorkerProcess:
            environ = ours | runpod_environment(url, f"worker-{number + 1}", endpoint, key)
            return WorkerProcess(folder, environ, Path(home) / f"worker-{number + 1}.log")

        running = [started(number) for number in range(count)]
        over = threading.Event()

        def watch() -> None:
            while not over.wait(PAUSE_S):
                for number, process in enumerate(running):
                    if process.ended is not None and not stopping.is_set():
                        process.stop(0)
                        running[number] = started(number)

        watcher = threading.Thread(target=watch, name="rp-notebook workers", daemon=True)
        watcher.start()
        try:
            yield running
        finally:
            over.set()
            watcher.join()
            for process in running:
                process.stop()


HOMES = ("HOME", "USERPROFILE")  # a login that lies there would win over our key (facts/runpod-contract.md 6.1)
