"""A real kernel, a real server: an async handler's jobs overlap, on a session that a cell made; sync ones do not."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.journeys.test_jobs_in_a_kernel import folder, kernel  # noqa: F401 (the fixtures)

JOBS = 8

ASYNC = """%%runpod_handler
async def asks(job):
    async with session.get(url) as reply:
        return await reply.text()
"""
SYNC = """%%runpod_handler
import urllib.request
def asks(job):
    with urllib.request.urlopen(url) as reply:
        return reply.read().decode()
"""


class SlowReply(BaseHTTPRequestHandler):
    """Answers after a second, each request in a thread of its own."""

    def do_GET(self) -> None:
        time.sleep(1)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_) -> None:
        """Says nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), SlowReply) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.kernel
def test_async_jobs_overlap_on_a_session_of_a_cell_and_sync_ones_are_said_not_to(kernel, url: str) -> None:  # noqa: F811
    _, cell = kernel
    cell(f"import aiohttp\nurl = {url!r}\nsession = await aiohttp.ClientSession().__aenter__()")
    cell(ASYNC)
    shown = cell(f"%runpod job --concurrency {JOBS} {{}}")
    speedup = re.search(r"([\d.]+) times as fast", shown)
    assert speedup, shown
    assert float(speedup[1]) > JOBS / 3
    assert "RPJ13" not in shown
    cell(SYNC)
    began = time.monotonic()
    shown = cell(f"%runpod job --concurrency {JOBS} {{}}")
    assert JOBS <= time.monotonic() - began < 1.5 * JOBS
    assert "RPJ130" in shown
    assert "times as fast" not in shown
    cell("await session.close()")
