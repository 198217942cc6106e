"""IPython in a terminal of 80 columns, typed into: no HTML, no comm, no ids of cells, and all of it readable."""

from __future__ import annotations

import json
import os
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rp_notebook.kernel.command_table import flags_by_command
from tests.journeys.places import url_and_key, waited

pexpect = pytest.importorskip("pexpect", reason="Windows has no pseudo-terminals")

HANDLER = "%%runpod_handler\ndef scores(job):\n    return {'n': job['input']['n'], 'told': TOLD}"
Typed = Any  # a callable, with the terminal that it types into


@pytest.fixture
def typed(tmp_path: Path) -> Iterator[Typed]:
    """Types a cell, and returns what is shown below it."""
    options = ["-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit", "--colors=NoColor"]
    environ = {**os.environ, "IPYTHONDIR": str(tmp_path / "ipython"), "TERM": "xterm"}
    terminal = pexpect.spawn(
        *(sys.executable, options),
        dimensions=(50, 80), encoding="utf-8", timeout=60, cwd=str(tmp_path), env=environ,
    )  # fmt: skip
    number = 1
    terminal.expect_exact("In [1]: ")

    def cell(text: str, meanwhile: Callable[[], object] = lambda: None) -> str:
        nonlocal number
        number += 1
        first, *rest = text.split("\n")
        terminal.sendline(first)
        for line in [*rest, *([""] * (2 if rest else 0))]:  # IPython's own end of a cell magic
            terminal.expect_exact("...: ")
            terminal.sendline(line)
        meanwhile()
        terminal.expect_exact(f"In [{number}]: ")
        shown: str = terminal.before
        return shown.replace("\r", "").partition("\n")[2]

    cell.terminal = terminal  # type: ignore[attr-defined]
    yield cell
    terminal.close(force=True)


def served(typed: Typed) -> str:
    """What a terminal shows when it has served, a job at a time, until Ctrl-C."""
    typed("%%runpod_handler\nimport time\ndef waits(job):\n    time.sleep(job['input'])\n    return 'waited'")

    def call(path: str, given: object = None) -> dict[str, Any]:
        data = None if given is None else json.dumps({"input": given}).encode()
        asked = urllib.request.Request(f"{url}/waits/{path}", data, {"Authorization": key})
        with urllib.request.urlopen(asked, timeout=60) as reply:
            return json.load(reply)

    def meanwhile() -> None:
        nonlocal url, key
        typed.terminal.expect_exact("Ctrl-C ends it")
        url, key = url_and_key(typed.terminal.before.replace("\r\n", ""))
        assert call("runsync", 0.1)["output"] == "waited"
        running = call("run", 60)["id"]
        waited(lambda: call(f"status/{running}")["status"] == "IN_PROGRESS")
        typed.terminal.sendintr()  # ends the job, and not the endpoint
        waited(lambda: call(f"status/{running}")["status"] == "FAILED")
        assert call("runsync", 0)["output"] == "waited"
        typed.terminal.sendintr()

    url = key = ""
    return typed("%runpod serve", meanwhile)


@pytest.mark.kernel
def test_a_worker_is_made_and_proved_in_80_columns(typed: Typed, tmp_path: Path) -> None:
    shown = [typed(line) for line in ("%load_ext rp_notebook", "%runpod", "TOLD = {1, 2}", HANDLER)]
    assert "Handler scores v1" in shown[-1]
    shown += [typed("%runpod job {'n': 1}")]
    assert "LOST  scores" in shown[-1]
    shown += [typed(line) for line in ("TOLD = 'a'", "%runpod job {'n': 1}")]
    assert "COMPLETED  scores" in shown[-1]
    asked = ("job {'n': 'text'}", "job --repeat 3 {'n': 1}", "jobs", "check", "export worker", "why TOLD", "gpus")
    shown += [typed(f"%runpod {line}") for line in (*asked, "gpus --memory 20 --seconds 1", "golden", "replay")]
    shown += [typed(f"%runpod {name} --help") for name in ("", *flags_by_command())]
    shown += [typed(f"%runpod {line}") for line in ("exprot", "export --dryrun worker", "job -n scroes {'n': 1}")]
    shown += [typed(f"%runpod rehearse {line}") for line in ("--for 0.5 --rate 9", "--fail")]
    assert "REHEARSED  scores" in shown[-2]
    assert "INJECTED  scores" in shown[-1]
    shown += [typed("%runpod prove worker")]
    assert "PROVED  Proof at level process: passed" in shown[-1]
    assert "notebooks" in typed("%runpod panel")
    assert "STOPPED" in served(typed)
    typed("%%runpod_handler\nimport time\ndef slow(job):\n    open('runs', 'w').close()\n    time.sleep(60)")
    stopped = threading.Thread(target=lambda: (waited((tmp_path / "runs").exists), typed.terminal.sendintr()))
    stopped.start()
    assert "CANCELLED  slow" in typed("%runpod job {}")
    assert not [line for line in "\n".join(shown).splitlines() if len(line) > 80]
