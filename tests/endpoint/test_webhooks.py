"""Webhooks to a real server on the loopback."""

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from rp_notebook.endpoint.webhooks import Webhooks, is_public
from rp_notebook.errors import RequestRefused


@pytest.fixture
def heard():
    """Where to post to, what came there, and the statuses that it answers, the last of them from then on."""
    bodies, statuses = [], [500, 302, 200]

    class Listening(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Listening)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", bodies, statuses
    server.shutdown()
    server.server_close()


async def told(webhooks, url, body=b'{"id": "x"}'):
    webhooks.tell(url, body)
    await asyncio.gather(*webhooks._tasks)


def test_a_webhook_is_told_until_it_answers_200_three_times_at_most(heard, caplog):
    url, bodies, statuses = heard
    asyncio.run(told(Webhooks(private=True, pause_s=0.01), url))
    assert bodies == [b'{"id": "x"}'] * 3
    asyncio.run(told(Webhooks(private=True, pause_s=0.01), url))
    assert (len(bodies), caplog.messages) == (4, [])
    statuses[:] = [500]
    asyncio.run(told(Webhooks(private=True, pause_s=0.01), f"{url}?token=secret"))
    assert len(bodies) == 7
    wanted = "a webhook of 127.0.0.1 was not told that its job has ended: it answered 500 Internal Server Error"
    assert caplog.messages == [wanted]


def test_a_webhook_may_be_written_as_people_write_it(heard):
    url, bodies, statuses = heard
    statuses[:] = [200]
    asyncio.run(told(Webhooks(private=True, pause_s=0), f" {url}/žlutý kůň?a=%20b&c=d e"))
    assert len(bodies) == 1


def test_a_name_that_stands_for_a_private_address_is_not_called(heard, caplog):
    url, bodies, _ = heard
    asyncio.run(told(Webhooks(private=False, pause_s=0), url.replace("127.0.0.1", "localhost")))
    asyncio.run(told(Webhooks(private=False, pause_s=0), url))
    assert bodies == []
    assert "--private-webhooks" in caplog.text


@pytest.mark.parametrize(
    ("url", "passes"),
    [
        ("https://example.com/x", True),
        ("http://8.8.8.8/x", True),
        ("http://localhost:1/x", False),
        ("http://127.9.9.9/x", False),
        ("http://10.0.0.1/x", False),
        ("http://169.254.169.254/latest", False),
        ("http://[::1]/x", False),
        ("http://[::ffff:127.0.0.1]/x", False),
        ("http://0.0.0.0/x", False),
        ("http://224.0.0.1/x", False),
    ],
)
def test_an_address_that_is_not_public_is_refused_at_once(url, passes):
    Webhooks(private=True).refuse(url)
    if passes:
        Webhooks(private=False).refuse(url)
    else:
        with pytest.raises(RequestRefused, match="--private-webhooks"):
            Webhooks(private=False).refuse(url)


def test_only_what_the_whole_internet_can_reach_is_public():
    assert is_public("2606:4700::1111")
    assert not is_public("fe80::1%eth0")
