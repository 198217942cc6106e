"""A JupyterLab of its own and a Chromium to look at it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.journeys.places import answers, free_port

START_S = 60
BROWSER_ARGS = (
    # as root, in a container without a network
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
ALL_RAN = """() => {
    const panel = window.jupyterapp?.shell.currentWidget;
    const cells = panel?.content?.model?.cells;
    if (!cells?.length || panel.sessionContext?.session?.kernel?.status !== 'idle') return false;
    return [...Array(cells.length).keys()].map(i => cells.get(i))
        .filter(cell => cell.type === 'code').every(cell => cell.executionCount);
}"""


@contextmanager
def lab(root: Path) -> Iterator[str]:
    """The address, token and all, of a JupyterLab that serves `root` and touches no settings of the user's."""
    home = root / ".jupyter-home"
    quiet = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True)
    quiet.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    folders = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    environ = {
        **os.environ,
        **{f"JUPYTER_{name}": str(home / name.lower()) for name in folders},
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
    }
    port, token = free_port(), "a-token-of-this-test"
    options = (
        *("--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
        *(f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}", "--LabApp.expose_app_in_browser=True"),
        "--JupyterNotebookApp.expose_app_in_browser=True",  # of Notebook 7, which the same server has at /notebooks/
    )
    with (root / "lab.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], env=environ, stdout=log, stderr=log, start_new_session=True
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/api/status?token={token}", server)
            yield f"http://127.0.0.1:{port}/lab/tree/{{}}?token={token}&reset"
        finally:
            os.killpg(server.pid, signal.SIGTERM)  # its own group: the kernels end with it
            server.wait(30)


@contextmanager
def page_of(address: str, *, height: int = 1000, width: int = 1100, not_ours: Sequence[str] = ()) -> Iterator[Page]:
    """A page of a headless Chromium at `address`; what its console calls an error fails the test, but `not_ours`."""
    chromium = shutil.which("chromium")
    assert chromium, "chromium is not on the PATH: scripts/install-test-packages installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(BROWSER_ARGS))
        page = browser.new_page(viewport={"width": width, "height": height})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.goto(address)
        page.locator(".jp-Notebook").wait_for(timeout=START_S * 1000)
        yield page
        browser.close()
    assert not [error for error in errors if error not in not_ours], errors


def run_all(page: Page, timeout_s: float) -> None:
    """Runs every cell and waits until the kernel is done."""
    idle = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    page.wait_for_function(idle, timeout=START_S * 1000)
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(ALL_RAN, timeout=timeout_s * 1000)


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_S
    while not answers(url):
        assert server.poll() is None, "JupyterLab did not start"
        assert time.monotonic() < end, "JupyterLab does not answer"
        time.sleep(0.1)
