"""A real kernel under a thousand interrupts at random moments: it lives, and so does all that it holds."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from queue import Empty

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

INTERRUPTS = 1000
ANSWERS_S = 3  # no cell takes more than half a second

HANDLERS = """
import asyncio, os, signal, threading, time
import rp_notebook
%load_ext rp_notebook
model = object()
def sync(job):
    time.sleep(job["input"] / 1000)
    return id(model)
async def awaits(job):
    await asyncio.sleep(job["input"] / 1000)
    return id(model)
async def blocks(job):
    await asyncio.sleep(0)
    time.sleep(job["input"] / 1000)
    return id(model)
async def spreads(job):
    await asyncio.gather(*(blocks(job) for _ in range(2)))
    return id(model)
def streams(job):
    for part in range(3):
        time.sleep(job["input"] / 3000)
        print(part)
        yield part
async def streams_async(job):
    for part in range(3):
        await asyncio.sleep(job["input"] / 3000)
        yield part
"""

# Everything that must be the same at the end. SIGINT's handler is looked at in cells of both kinds, and between them.
STATE = """
async def state():
    idle = []
    asyncio.get_running_loop().call_later(0.05, lambda: idle.append(repr(signal.getsignal(signal.SIGINT))))
    return idle
idle = await state()
in_async_cell = signal.getsignal(signal.SIGINT).__qualname__
"""
TOLD = """
print(os.getpid(), id(model), idle, in_async_cell, signal.getsignal(signal.SIGINT),
      sorted(thread.name for thread in threading.enumerate()),
      sorted(task.get_coro().__qualname__ for task in asyncio.all_tasks(idle_loop)))
"""

NAMES = ("sync", "awaits", "blocks", "spreads", "streams", "streams_async")
CELLS = (
    "%runpod job -n {name} {ms}",
    "%runpod job -n {name} {ms}",
    "%runpod job -n {name} --timeout 0.01 {ms}",
    "%runpod job -n {name} --repeat 4 {ms}",
    "%runpod job -n {name} --concurrency 3 {ms}",
    "%runpod rehearse -n {name} --rate 0.3 --burst 4 --for 0.1 --inputs {ms}",
    "%runpod rehearse -n {name} --fail timeout",
    "await rp_notebook.arun_job({name}, {ms})",
    "for _ in range(4):\n    await rp_notebook.arun_job({name}, {ms})",
    "await asyncio.gather(*(rp_notebook.arun_job({name}, {ms}) for _ in range(4)))",
    "rp_notebook.run_job(sync, {ms})",
    "for _ in range(4):\n    rp_notebook.run_job(streams, {ms})",
    "background = asyncio.ensure_future(rp_notebook.arun_job({name}, {ms}))",
    "time.sleep({ms} / 1000)",
    "await asyncio.sleep({ms} / 1000)",
)
ENDS = ("CANCELLED", "COMPLETED", "STOPPED", "KeyboardInterrupt", "CancelledError")


class Kernel:
    """What a person at a notebook does: run a cell, look at it, press Ctrl-C."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def cell(self, code: str) -> list[dict]:
        """The contents that a cell shows. Only its end is waited for: ipykernel drops replies of interrupted cells.

        It also drops the end of a cell that is cancelled before its first step; the next cell must come to one.
        """
        for asked in (code, "None", "None"):
            id_, shown = self.client.execute(asked, stop_on_error=False), []
            latest = time.monotonic() + ANSWERS_S
            while time.monotonic() < latest:
                try:
                    message = self.client.get_iopub_msg(timeout=0.5)
                except Empty:
                    assert self.manager.provisioner.process.poll() is None, f"the kernel died of {code}"
                    continue
                if message["parent_header"].get("msg_id") != id_:
                    continue
                if message["content"].get("execution_state") == "idle":
                    return shown
                shown.append(message["content"])
        pytest.fail(f"no end of {code}, nor of the next cells")

    def text(self, code: str) -> str:
        return "\n".join(filter(None, map(text_of, self.cell(code))))


def text_of(content: dict) -> str:
    return content.get("text") or content.get("data", {}).get("text/plain") or "\n".join(content.get("traceback", []))


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    manager, client = start_new_kernel(kernel_name="python3")
    yield Kernel(manager, client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def state(kernel: Kernel) -> str:
    kernel.text("idle_loop = asyncio.get_running_loop()")
    kernel.text(STATE)
    time.sleep(0.2)
    return kernel.text(TOLD)


@pytest.mark.kernel
@pytest.mark.slow
def test_a_thousand_interrupts_at_random_moments_leave_the_kernel_as_it_was(kernel: Kernel) -> None:
    chance = random.Random(20240607)
    kernel.text(HANDLERS)
    assert "COMPLETED" in kernel.text("%runpod job -n sync 1")
    before = state(kernel)

    def storm() -> None:
        for _ in range(INTERRUPTS):
            time.sleep(chance.choice((0.001, *(chance.uniform(0.01, 0.045) for _ in range(9)))))
            kernel.manager.interrupt_kernel()

    interrupts = threading.Thread(target=storm, daemon=True)
    interrupts.start()
    order, seen, wrong = random.Random(7), Counter(), []
    while interrupts.is_alive():
        code = order.choice(CELLS).format(name=order.choice(NAMES), ms=order.randint(1, 30))
        shown = kernel.cell(code)
        text = "\n".join(map(text_of, shown))
        seen.update(word for word in ENDS if word in text)
        if code.startswith("%runpod") and any("ename" in content for content in shown):
            wrong.append((code, text))
    assert not wrong, wrong[0][1]
    assert min(seen[word] for word in ENDS) > 10, seen
    for name in NAMES:
        assert "COMPLETED" in kernel.text(f"%runpod job -n {name} 1")
    assert "still here" in kernel.text("print('still here')")
    assert state(kernel) == before
