"""Where an endpoint is served: from a kernel, through a Jupyter server, from the shell, and by an SDK worker."""

from __future__ import annotations

import atexit
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
import psutil
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

TOKEN = "a-token-of-this-test"
START_S = 60


@dataclass(frozen=True)
class Place:
    """`url` ends in `/v2`; `cell` runs a cell in the kernel behind it and returns what it shows, where there is one.

    `said` is what a server from the shell said first.
    """

    url: str
    key: str
    cell: Any = None
    kernel: Any = None
    server: subprocess.Popen[Any] | None = None
    said: str = ""


@contextmanager
def in_a_kernel(*cells: str) -> Iterator[Place]:
    """`%runpod serve` in a kernel."""
    manager, client = start_new_kernel(kernel_name="python3")
    cell = celling(client)
    try:
        for code in ("%load_ext rp_notebook", *cells):
            cell(code)
        url, key = url_and_key(cell("%runpod serve"))
        yield Place(url, key, cell, manager)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@contextmanager
def in_jupyter(
    root: Path, *cells: str, options: tuple[str, ...] = (), first: str = "", token: str = TOKEN
) -> Iterator[Place]:
    """A Jupyter server that has the extension because the package is installed, and one kernel.

    `first` is what it does before it starts. With an empty `token` it wants none.
    """
    folders = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    environ = {**os.environ, **{f"JUPYTER_{name}": str(root / name) for name in folders}, "IPYTHONDIR": str(root)}
    port = free_port()
    given = (
        *("--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
        *(f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}", "--ServerApp.base_url=/a/b", *options),
    )
    base = f"http://127.0.0.1:{port}/a/b"
    with (root / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", f"{first}\nfrom jupyter_server.serverapp import main\nmain()", *given],
            env=environ,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        waited(lambda: answers(f"{base}/api/status?token={TOKEN}"))
        kernel = jupyter(base, "POST", "/api/kernels", {})["id"]
        client = connected(root / "RUNTIME_DIR" / f"kernel-{kernel}.json")
        cell = celling(client)
        for code in cells and ("%load_ext rp_notebook", *cells):
            cell(code)
        yield Place(f"{base}/runpod/v2", TOKEN, cell, kernel, server)
    finally:
        server.terminate()
        try:
            server.wait(15)
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)


@contextmanager
def from_the_shell(folder: Path, *arguments: str, notebook: tuple[str, ...] = ()) -> Iterator[Place]:
    """`rp-notebook serve`; what it started is gone when it has ended."""
    if notebook:
        cells = [nbformat.v4.new_code_cell(source) for source in ("%load_ext rp_notebook", *notebook)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "served.ipynb")
        arguments = (str(folder / "served.ipynb"), *arguments)
    with (folder / "serve.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "rp_notebook.cli", "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert server.stdout is not None
    first, second = server.stdout.readline(), server.stdout.readline()
    url, key = url_and_key(first + second)
    children = psutil.Process(server.pid).children(recursive=True)
    try:
        yield Place(url, key, server=server, said=first + second)
    finally:
        server.terminate()
        assert server.wait(20) == 0
        assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def url_and_key(shown: str) -> tuple[str, str]:
    """What a person would copy."""
    url, key = re.search(r"http://\S+/v2", shown), re.search(r'Bearer ([^"]+)"', shown)
    assert url, shown
    assert key, shown
    return url[0], key[1]


def celling(client: Any) -> Any:
    """Runs a cell, and returns all that it shows."""

    def cell(code: str) -> str:
        said: list[str] = []
        last = ""

        def hook(message: Any) -> None:
            nonlocal last
            content, kind = message["content"], message["msg_type"]
            text = content.get("text") or content.get("data", {}).get("text/plain") or content.get("evalue", "")
            if kind == last == "stream":  # a line may come in pieces
                said[-1] += text
            else:
                said.append(text)
            last = kind

        # A kernel may still abort what comes right behind a cell that raised.
        client.execute_interactive(code, timeout=START_S, output_hook=hook, stop_on_error=False)
        return "\n".join(filter(None, said))

    return cell


def begun(cell: Any, code: str, folder: Path, shown: list[str]) -> threading.Thread:
    """A thread in which that cell has begun; what it shows goes into `shown`."""
    sign = folder / "begun"
    code = f"open({str(sign)!r}, 'w').close()\n{code}"
    thread = threading.Thread(target=lambda: shown.append(cell(code)))
    thread.start()
    waited(sign.exists)
    return thread


@contextmanager
def in_a_cell(cell: Any, folder: Path, code: str = "while waits():\n    time.sleep(0.05)") -> Iterator[None]:
    """A cell runs while the block does: `waits()` is true in it until the block ends."""
    over = folder / "over"
    given = f"import os, time\nwaits = lambda: not os.path.exists({str(over)!r})\n"
    thread = begun(cell, given + code, folder, [])
    try:
        yield
    finally:
        over.touch()
        thread.join()


def connected(path: Path) -> Any:
    """A client of the kernel whose connection file this is. Its heartbeat would call a slow machine dead."""
    client = BlockingKernelClient()
    atexit.register(client.stop_channels)  # thrown away as it is, it would wait for its own sockets for ever
    client.load_connection_file(str(path))
    client.start_channels(hb=False)

    def hears() -> bool:
        client.kernel_info()
        try:
            client.get_iopub_msg(timeout=1)
        except Empty:
            return False
        return True

    waited(hears)
    return client


def jupyter(base: str, method: str, path: str, body: Any = None) -> Any:
    """A call of the Jupyter server's own API."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"token {TOKEN}", "Cookie": "_xsrf=ab", "X-XSRFToken": "ab"}  # if it wants no token
    asked = urllib.request.Request(base + path, data, headers, method=method)
    with urllib.request.urlopen(asked, timeout=START_S) as reply:
        text = reply.read()
    return json.loads(text) if text else None


def waited(look: Any, seconds: float = START_S) -> Any:
    """What `look` finds, as soon as it is true."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)
    return found


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except OSError:
        return False
    return True
