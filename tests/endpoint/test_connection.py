"""The HTTP of our own server, spoken by hand over real sockets."""

import json
import os
import resource
import socket
import struct
import time

import pytest

from rp_notebook.endpoint.http1 import BadRequest, Body, head_of
from rp_notebook.endpoint.loopback import Loopback

LARGE = bytes(range(256)) * 40_000


class Telling:
    """Answers what it was asked."""

    def initialize(self, **_):
        self.parts = []

    def data_received(self, chunk):
        self.parts.append(chunk)

    async def post(self, name):
        if name == "fails":
            raise ZeroDivisionError
        told = {"name": name, "body": b"".join(self.parts).decode(), "a": self.get_query_argument("a", None)}
        self.set_header("Content-Type", "application/json")
        if name == "parts":
            self.write(b"one ")
            await self.flush()
            self.write(b"two")
        elif name == "large":
            self.write(LARGE[:100])
            await self.flush()
            self.write(LARGE[100:-100])
            await self.flush()
            self.write(LARGE[-100:])
        elif name == "nothing":
            self.set_status(204)
        else:
            self.write(json.dumps(told).encode())

    get = head = put = post

    def write_error(self, status, **_):
        self.write(b"{}")


@pytest.fixture(scope="module")
def server():
    with Loopback([("/([^/]+)", Telling, {})]) as server:
        yield server


def said(server, *sent):
    """All that comes back until the server closes the connection."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        for part in sent:
            client.sendall(part)
        return b"".join(iter(lambda: client.recv(65536), b"")).decode()


def told(answer):
    return json.loads(answer.partition("\r\n\r\n")[2])


CLOSE = b"Connection: close\r\n"


def test_a_body_may_come_whole_in_pieces_and_in_chunks(server):
    head = b"POST /x?a=b%20c&a=d HTTP/1.1\r\nHost: h\r\n" + CLOSE
    whole = said(server, head + b"Content-Length: 5\r\n\r\nhello")
    pieces = said(server, *(bytes([byte]) for byte in head + b"Content-Length: 5\r\n\r\nhello"))
    chunks = head + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: t\r\n\r\n"
    assert told(whole) == {"name": "x", "body": "hello", "a": "d"}
    assert whole == pieces == said(server, chunks) == said(server, *(bytes([byte]) for byte in chunks))


def test_requests_on_one_connection_are_answered_one_after_another(server):
    first = b"POST /a HTTP/1.1\r\nContent-Length: 1\r\n\r\n1\r\n"  # some clients end a body with a line of their own
    second = b"GET /b HTTP/1.1\r\n\r\n"
    last = b"GET /%C3%A9%ff HTTP/1.1\r\n" + CLOSE + b"\r\nand no more"
    names = [part.partition('"')[0] for part in said(server, first + second + last).split('"name": "')[1:]]
    assert names == ["a", "b", "\\u00e9\\ufffd"]


def test_an_answer_in_parts_says_where_it_ends(server):
    newer = said(server, b"GET /parts HTTP/1.1\r\n" + CLOSE + b"\r\n")
    assert newer.partition("\r\n\r\n")[2] == "4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"
    assert said(server, b"GET /parts HTTP/1.0\r\n\r\n").partition("\r\n\r\n")[2] == "one two"


def test_an_older_client_that_asks_for_more_is_told_that_the_connection_stays(server):
    keeping = said(server, b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + b"GET /b HTTP/1.0\r\n\r\n")
    assert keeping.count("\r\nConnection: keep-alive\r\n") == keeping.count("\r\nConnection: close\r\n") == 1


def test_an_answer_has_no_body_where_there_is_none_to_have(server):
    head = said(server, b"HEAD /x HTTP/1.1\r\n" + CLOSE + b"\r\n")
    assert "Content-Length: 36\r\n" in head
    assert head.endswith("\r\n\r\n")
    nothing = said(server, b"GET /nothing HTTP/1.1\r\n" + CLOSE + b"\r\n")
    assert nothing.startswith("HTTP/1.1 204 ")
    assert "Content-Length" not in nothing


def test_who_waits_to_send_a_body_is_told_to_go_on(server):
    head = b"POST /x HTTP/1.1\r\n" + CLOSE + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    assert said(server, head, b"1").startswith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_a_mistake_of_ours_is_an_error_and_the_connection_lives_on(server):
    failing = b"GET /fails HTTP/1.1\r\n\r\n"
    answer = said(server, failing + b"GET /x HTTP/1.1\r\n" + CLOSE + b"\r\n")
    assert answer.count("HTTP/1.1 500 ") == answer.count("HTTP/1.1 200 ") == 1


@pytest.mark.parametrize(
    ("block", "status"),
    [
        (b"GET /x\r\n\r\n", 400),
        (b"GET  /x HTTP/1.1\r\n\r\n", 400),
        (b"GET /x HTTP/2.0\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nName : value\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nA: b\0\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12", 400),
        (b"POST /x HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
        (b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n12\r\n", 400),
        (b"GET /x HTTP/1.1\r\nA: " + b"b" * 70_000, 431),
        (b"GET /a/b/c HTTP/1.1\r\nConnection: close\r\n\r\n", 404),
        (b"GET http://h HTTP/1.1\r\nConnection: close\r\n\r\n", 404),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ],
    ids=[
        "one word",
        "two spaces",
        "version",
        "no colon",
        "space before colon",
        "folded",
        "nul",
        "negative",
        "two lengths",
        "length and chunks",
        "coding",
        "chunk length",
        "chunk too long",
        "large head",
        "no route",
        "no path",
        "TLS",
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_closed(server, block, status):
    assert said(server, block).startswith(f"HTTP/1.1 {status} ")


def test_a_chunk_that_never_says_its_length_is_not_kept():
    body = Body(None)
    assert body.taken(b"0" * 4096) == ([], b"0" * 4096)
    with pytest.raises(BadRequest):
        body.taken(b"0" * 5000)


def test_headers_of_one_name_are_joined_but_not_what_must_be_one():
    assert head_of(b"GET / HTTP/1.1\r\nA: 1\r\na:2 ").headers == {"a": "1, 2"}
    with pytest.raises(BadRequest):
        head_of(b"GET / HTTP/1.1\r\nAuthorization: a\r\nauthorization: b")


def connected(server):
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def test_who_reads_slowly_gets_all_and_who_resets_the_connection_ends_nothing_else(server):
    with connected(server) as slow, connected(server) as gone:
        for client in (slow, gone):
            client.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        gone.recv(100)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.close()
        time.sleep(0.1)
        assert said(server, b"GET /x HTTP/1.0\r\n\r\n").startswith("HTTP/1.1 200 ")
        assert b"".join(iter(lambda: slow.recv(65536), b"")).partition(b"\r\n\r\n")[2] == LARGE


def test_clients_wait_while_the_process_may_open_no_more_files(server):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as client:
        client.settimeout(10)
        host, port = server.url.removeprefix("http://").split(":")
        free = os.dup(client.fileno())
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
        try:
            client.connect((host, int(port)))
            client.sendall(b"GET /x HTTP/1.0\r\n\r\n")
            time.sleep(0.1)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
