"""Processes that a proof starts: who is interrupted, or gives up, at whatever moment leaves none of them behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psutil

STARTS_S = 10.0  # far longer than one takes


def popen(command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """`subprocess.Popen`, called on a thread of its own: an interrupt in the middle of it leaves a process unknown."""
    begun: list[subprocess.Popen[Any]] = []
    failed: list[BaseException] = []
    over = threading.Event()

    def begin() -> None:
        try:
            begun.append(subprocess.Popen(command, **options))
        except BaseException as error:  # noqa: BLE001 (it is raised where the process is wanted)
            failed.append(error)
        finally:
            over.set()

    try:
        threading.Thread(target=begin, name="rp_notebook process").start()
        over.wait()
    except BaseException:
        over.wait(STARTS_S)
        for process in begun:
            end_session(process)
        raise
    if failed:
        raise failed[0]
    return begun[0]


def ran(
    command: Sequence[str], *, given: bytes | None = None, timeout_s: float | None = None, **options: Any
) -> subprocess.CompletedProcess[Any]:
    """`subprocess.run` that keeps what is printed. Raises `subprocess.TimeoutExpired`."""
    stdin = subprocess.DEVNULL if given is None else subprocess.PIPE
    pipes = {"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with popen(command, **pipes, **options) as process:
        try:
            out, err = process.communicate(given, timeout_s)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def end_session(process: subprocess.Popen[Any], grace_s: float = 0) -> None:
    """Asks a process to end, waits `grace_s` seconds, then kills it with all of its session and all it started."""
    children = _children(process)
    if process.poll() is None and grace_s > 0:
        process.terminate()
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            children += _children(process)
    if sys.platform != "win32":
        with suppress(ProcessLookupError, PermissionError):  # nobody is left; macOS says the latter of zombies
            os.killpg(process.pid, signal.SIGKILL)
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    if process.poll() is None:
        process.kill()
    process.wait()


def _children(process: subprocess.Popen[Any]) -> list[psutil.Process]:
    try:
        return list(psutil.Process(process.pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []
