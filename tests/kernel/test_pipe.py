"""The pipe between a Jupyter server and a kernel: both ends, as they are."""

import asyncio
import os
from contextlib import asynccontextmanager

import pytest

from rp_notebook import wire
from rp_notebook.kernel.pipe import Pipe as KernelsEnd
from rp_notebook.server.pipe import Pipe as ServersEnd

MESSAGES = [
    ("rp_notebook.é", {"n": 1}, []),
    ("rp_notebook.a", {"n": 2, "deep": [None, "é"]}, [b"", b"x", os.urandom(3_000_000), b""]),
    ("rp_notebook.a", {"n": 3}, [os.urandom(1000)] * 50),
]


class Ends:
    """Both ends, and what came to each."""

    def __init__(self):
        self.to_server, self.to_kernel, self.said = [], [], []
        self.server = ServersEnd(lambda *message: self.to_server.append(message), lambda: self.said.append("cut"))

    async def connected(self):
        path = await self.server.listening()
        loop = asyncio.get_running_loop()
        self.kernel = KernelsEnd(path, loop, lambda *message: self.to_kernel.append(message))
        await waited(lambda: self.server.send("hello", {}, []))
        await waited(lambda: self.to_kernel)
        self.to_kernel.clear()
        return path

    async def tells(self, message):
        """As a handler's thread does, while the server's loop runs."""
        return await asyncio.get_running_loop().run_in_executor(None, self.kernel.send, *message)


@asynccontextmanager
async def ends():
    both = Ends()
    path = await both.connected()
    yield both, path
    both.server.close()
    await waited(lambda: not both.kernel.send(*MESSAGES[0]))


async def waited(look):
    for _ in range(1000):
        if look():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come true")


def test_what_is_sent_comes_as_it_was_and_in_its_order():
    async def run():
        async with ends() as (both, _):
            for message in MESSAGES:
                assert both.server.send(*message)
                assert await both.tells(message)
            await waited(lambda: len(both.to_server) == len(both.to_kernel) == len(MESSAGES))
        assert both.to_server == both.to_kernel == MESSAGES

    asyncio.run(run())


@pytest.mark.parametrize("size", [1, 7, 64, 5000, 1_000_000])
def test_messages_may_come_in_pieces_and_together(size):
    large = ("rp_notebook.a", {}, [os.urandom(wire.CHUNK)])
    sent = [MESSAGES[0], large, MESSAGES[2], MESSAGES[0]]
    frames, came = wire.Frames(), []
    whole = b"".join(part for message in sent for part in wire.framed(*message))
    while whole:
        count = min(size, len(whole), len(frames.room))
        frames.room[:count] = whole[:count]
        came += frames.taken(count)
        whole = whole[count:]
    assert came == sent


def test_once_they_are_connected_nobody_else_can_be_and_no_folder_is_left():
    async def run():
        async with ends() as (both, path):
            assert not os.path.exists(os.path.dirname(path))
            with pytest.raises(OSError, match="No such file"):
                KernelsEnd(path, asyncio.get_running_loop(), print)
            assert both.said == []

    asyncio.run(run())


def test_a_server_that_waited_in_vain_leaves_nothing_either():
    async def run():
        server = ServersEnd(print, print)
        folder = os.path.dirname(await server.listening())
        assert os.stat(folder).st_mode & 0o077 == 0
        assert not server.send(*MESSAGES[0])
        server.close()
        assert not os.path.exists(folder)

    asyncio.run(run())


def test_when_the_kernel_leaves_the_server_is_told_and_can_be_connected_to_again():
    async def run():
        async with ends() as (both, _):
            both.kernel.close()
            await waited(lambda: both.said == ["cut"])
            assert not both.server.asked
            assert not both.server.send(*MESSAGES[0])
            assert not await both.tells(MESSAGES[0])
            await both.connected()
            assert await both.tells(MESSAGES[0])
            await waited(lambda: both.to_server == [MESSAGES[0]])

    asyncio.run(run())


def test_half_a_message_ends_the_pipe(monkeypatch):
    async def run():
        async with ends() as (both, _):
            monkeypatch.setattr("rp_notebook.kernel.pipe.TAKES_S", 0.1)
            both.kernel.close()
            await waited(lambda: both.said == ["cut"])
            await both.connected()
            # In the server's own thread: nobody takes it.
            assert not both.kernel.send("a", {}, [bytes(30_000_000)])
            await waited(lambda: both.said == ["cut"] * 2)
            assert both.to_server == []
            await both.connected()

    asyncio.run(run())
