"""The kernels of a Jupyter server that answer late: they are real ones, stopped for a while."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from jupyter_client.multikernelmanager import AsyncMultiKernelManager

from rp_notebook.endpoint.asked import asked_of
from rp_notebook.errors import RequestRefused
from rp_notebook.server import kernels as module
from rp_notebook.server import link
from rp_notebook.server.kernels import Kernels
from tests.journeys.places import celling, connected

LATE = """import socket, tempfile
late = get_ipython().kernel.control_handlers["rp_notebook_link"]
%reload_ext rp_notebook
path = tempfile.mkdtemp() + "/late"
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
late(None, None, {"content": {"link": "late", "path": path}})
connection, _ = listener.accept()
connection.settimeout(5)
print("read", connection.recv(1))
"""
HANDLER = "%%runpod_handler\ndef echo(job):\n    return job['input']"
pytestmark = pytest.mark.kernel


class Kernel:
    """A kernel, its server's manager, and the way to run a cell in it."""

    def __init__(self, manager, kernel_id):
        self.manager, self.id = manager, kernel_id
        self.pid = manager.get_kernel(kernel_id).provisioner.pid
        self.client = connected(manager.get_kernel(kernel_id).connection_file)
        self._cell = celling(self.client)

    async def cell(self, code):
        return await asyncio.get_running_loop().run_in_executor(None, self._cell, code)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs what is given a kernel whose extension is loaded and that has a handler `echo`."""
    monkeypatch.setattr(link, "ANSWERS_S", 0.5)

    async def running(act):
        manager = AsyncMultiKernelManager(connection_dir=str(tmp_path))
        kernel = Kernel(manager, await manager.start_kernel())
        try:
            await kernel.cell("%load_ext rp_notebook")
            await kernel.cell(HANDLER)
            await act(kernel)
        finally:
            kernel.client.stop_channels()
            await manager.shutdown_all(now=True)

    return lambda act: asyncio.run(running(act))


@asynccontextmanager
async def served(manager):
    """What a server that has just started knows of the kernels: nothing yet."""
    kernels = Kernels(manager, rate_limits=False, private_webhooks=False)
    watching = asyncio.ensure_future(kernels.watch())
    try:
        async with kernels.service.running("over"):
            yield kernels
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        await kernels.close()


@asynccontextmanager
async def stopped(kernel):
    os.kill(kernel.pid, signal.SIGSTOP)
    threads = [*Path(f"/proc/{kernel.pid}/task").glob("*/stat")]  # each stops in its own time, and answers till then
    while not all(thread.read_text().rpartition(")")[2].split()[0] == "T" for thread in threads):
        await asyncio.sleep(0.001)
    try:
        yield
    finally:
        os.kill(kernel.pid, signal.SIGCONT)


async def put(kernels, name):
    endpoint = await kernels.endpoint(name, for_jobs=True)
    return endpoint, endpoint.run(asked_of(b'{"input": "after all"}', "run")).job.id


def told(endpoint, job_id):
    return json.loads(endpoint.status(job_id))


async def ended(endpoint, job_id):
    for _ in range(3000):
        if endpoint.is_over(job_id):
            return told(endpoint, job_id)
        await asyncio.sleep(0.01)
    raise AssertionError(told(endpoint, job_id))


def test_a_kernel_that_is_slow_to_answer_is_a_queue_and_no_kernel_without_the_extension(run, monkeypatch):
    async def act(kernel):
        kernel.manager.get_kernel(kernel.id).execution_state = "starting"  # where a server missed what came after
        async with served(kernel.manager) as kernels:
            async with stopped(kernel):
                jobs = [await put(kernels, name) for name in ("echo", f"{kernel.id[:6]}.echo", "nobody")]
                with monkeypatch.context() as patched:
                    patched.setattr(link, "ANSWERS_S", 3600.0)  # nobody waits for it again
                    jobs.append(await put(kernels, "echo"))
                await asyncio.sleep(0.1)
                assert [told(*job)["status"] for job in jobs] == ["IN_QUEUE"] * 4
            answers = [await ended(*job) for job in jobs]
            assert [answer.get("output") for answer in answers] == ["after all", "after all", None, "after all"]
            assert (answers[2]["status"], "%load_ext rp_notebook" in answers[2]["error"]) == ("FAILED", True)
            with pytest.raises(RequestRefused, match="there are: echo"):
                await kernels.endpoint("nobody", for_jobs=True)

            monkeypatch.setattr(module, "FRESH_S", -1.0)
            async with stopped(kernel):  # once it was heard, it has what it had
                job = await put(kernels, "echo")
                with pytest.raises(RequestRefused, match="there are: echo"):
                    await kernels.endpoint("another", for_jobs=True)
            assert (await ended(*job))["output"] == "after all"

            monkeypatch.setattr(module, "LOOK_S", 3600.0)
            job = await put(kernels, "echo")
            assert (await ended(*job))["output"] == "after all"
            await kernel.cell("%reload_ext rp_notebook")  # which ends the pipe
            assert (await ended(*await put(kernels, "echo")))["output"] == "after all"

            assert "read b''" in await kernel.cell(LATE)  # who connects to an extension that has left is let go

            other = Kernel(kernel.manager, await kernel.manager.start_kernel())
            async with stopped(kernel), stopped(other):  # one is heard to have it, one is not heard
                job = await put(kernels, "echo")
                with pytest.raises(RequestRefused, match="there are: echo"):
                    await kernels.endpoint(f"{kernel.id[:8]}.another", for_jobs=True)
            assert (await ended(*job))["output"] == "after all"

        async with served(kernel.manager) as kernels, stopped(kernel), stopped(other):
            with pytest.raises(RequestRefused, match="too busy to say") as refused:
                await kernels.endpoint("echo", for_jobs=True)
            assert f"{other.id[:8]}.echo" in str(refused.value)
        other.client.stop_channels()

    run(act)


def test_a_kernel_that_is_shut_down_gets_no_jobs_while_what_was_found_out_is_fresh(run):
    async def act(kernel):
        other = Kernel(kernel.manager, await kernel.manager.start_kernel())
        await other.cell("%load_ext rp_notebook")
        kernels = Kernels(kernel.manager, rate_limits=False, private_webhooks=False)  # which nobody watches
        async with kernels.service.running("over"):
            assert (await kernels.endpoint("echo", for_jobs=True)).name == f"{kernel.id}/echo"
            await other.cell(HANDLER)
            await kernel.manager.shutdown_kernel(kernel.id, now=True)
            assert (await kernels.endpoint("echo", for_jobs=True)).name == f"{other.id}/echo"
        await kernels.close()
        other.client.stop_channels()

    run(act)


@pytest.mark.parametrize("turns", range(6))
def test_who_looks_after_kernels_hears_its_end_though_a_kernel_ends_just_then(turns, tmp_path):
    async def ends():
        manager = AsyncMultiKernelManager(connection_dir=str(tmp_path))
        kernels = Kernels(manager, rate_limits=False, private_webhooks=False)
        watching = asyncio.ensure_future(kernels.watch())
        await asyncio.sleep(0.01)
        kernels._cut.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        watching.cancel()
        await asyncio.wait([watching], timeout=1)
        assert watching.cancelled()

    asyncio.run(ends())


def test_an_answer_is_heard_though_something_is_sent_in_the_moment_in_which_it_comes(run, monkeypatch):
    async def act(kernel):
        monkeypatch.setattr(link, "ANSWERS_S", 20.0)
        ours = link.Link(kernel.manager.get_kernel(kernel.id).get_connection_info(session=False), print, print, print)
        asked = asyncio.ensure_future(ours.handlers())
        await asyncio.sleep(0)
        time.sleep(0.5)  # it has come, and the loop has not looked
        ours.stop("nobody", "cancelled")
        assert await asked == {"echo"}
        await ours.close()

    run(act)
