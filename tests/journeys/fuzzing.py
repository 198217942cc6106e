"""Requests that no client of good will sends, made of what an endpoint's own OpenAPI document names."""

from __future__ import annotations

import http.client
import json
import random
import socket
import string
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import jsonschema

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW", "get")
TRICKS = (
    "..",
    "%2e%2e",
    "%2e%2e%2fetc",
    "",
    ".",
    "%00",
    "%ff",
    "é",
    "a" * 3000,
    ";x=1",
    "\\",
    "%2F",
    "*",
    "{id}",
    "ECHO",
)
QUERIES = (
    "wait=1000",
    "wait=-1",
    "wait=x",
    "wait=1e3",
    "ttl=10000",
    "ttl=99999999999999999999",
    "ttl=%ff",
    "x[]=1&&&=",
    "wait",
)
FRAMES = (
    "GET {path}\r\n\r\n",
    "GET {path} HTTP/9.9\r\n\r\n",
    "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n{{}}",
    "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 7\r\n\r\n{{}}",
    "POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "GET {path} HTTP/1.1\r\nHost: x\r\n" + "X: y\r\n" * 3000 + "\r\n",
    "GET {path} HTTP/1.1\r\nNoColon\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)
DEEP = 3000


@dataclass(frozen=True)
class Sent:
    """A request as it goes over the wire; `plain` ones name an operation of the document and change nothing of it."""

    verb: str
    raw: bytes
    operation: Any
    plain: bool
    keyed: bool


@dataclass
class Fuzz:
    """`document` is what the endpoint at `url` serves; `ids` are jobs that may be asked for, `key` opens it.

    No answer may hold `canary`, which is in a job of somebody else. Where the endpoint is not `alone` on its server,
    a path that is not its own may be answered by others.
    """

    url: str
    key: str
    document: dict[str, Any]
    ids: list[str]
    canary: str
    rng: random.Random
    alone: bool = True
    answered: Counter[int] = field(default_factory=Counter)

    def run(self, count: int) -> None:
        """Sends so many, and looks at each answer."""
        host, port = urlsplit(self.url).netloc.split(":")
        connection: socket.socket | None = None
        for number in range(count):
            sent = self._sent()
            if connection is None:
                connection = socket.create_connection((host, int(port)), timeout=20)
            try:
                status, headers, body = _answer(connection, sent)
            except (http.client.BadStatusLine, OSError):
                assert sent.operation is None, f"request {number}, {sent.raw[:300]!r}: no answer"
                status, headers, body = 0, {}, b""
            self.answered[status] += 1
            try:
                self._look(sent, status, headers, body)
            except Exception as wrong:
                raise AssertionError(f"request {number}, {sent.raw[:500]!r}: {status} {body[:300]!r}") from wrong
            if status in (0, 400, 413) or headers.get("Connection", "").lower() == "close" or sent.operation is None:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _look(self, sent: Sent, status: int, headers: Any, body: bytes) -> None:
        assert status < 500
        assert self.canary.encode() not in body
        if sent.operation is None:
            assert not self.alone or status in (0, 400, 401, 403, 405, 431)
            return
        if not sent.keyed and (sent.plain or self.alone):
            assert status in (401, 403)
        if sent.plain and sent.keyed:
            told = sent.operation["responses"][str(status)]
            if "content" in told and "json" in headers["Content-Type"]:
                schema = told["content"]["application/json"]["schema"]
                jsonschema.Draft202012Validator({**schema, "components": self.document["components"]}).validate(
                    json.loads(body)
                )

    def _sent(self) -> Sent:
        rng = self.rng
        path, verbs = rng.choice([*self.document["paths"].items()])
        verb = rng.choice([*verbs]).upper()
        operation = verbs[verb.lower()]
        plain = rng.random() < 0.6
        if not plain:
            verb = rng.choice((verb, verb, *VERBS))
        target = urlsplit(self.url).path + "".join(self._segments(path, plain))
        if rng.random() < 0.3:
            asked = [each["name"] for each in operation["parameters"] if each["in"] == "query"]
            plain_query = [f"{name}={rng.choice(('1000', '1', 'true', 'x', '%C3%A9'))}" for name in asked]
            target += "?" + "&".join(plain_query if plain else [*plain_query, rng.choice(QUERIES)])
        if rng.random() < 0.04:
            raw = rng.choice(FRAMES).format(path=target).encode("utf-8", "surrogateescape")
            return Sent(verb, raw, None, plain=False, keyed=False)
        keyed = rng.random() < 0.85
        body = self._body() if "requestBody" in operation or rng.random() < 0.1 else b""
        lines = [f"{verb} {target} HTTP/1.1", "Host: " + urlsplit(self.url).netloc, *self._headers(keyed=keyed)]
        if rng.random() < 0.1:
            lines.append("Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        else:
            lines.append(f"Content-Length: {len(body)}")
        return Sent(verb, "\r\n".join(lines).encode() + b"\r\n\r\n" + body, operation, plain, keyed)

    def _segments(self, path: str, plain: bool) -> Iterator[str]:
        rng = self.rng
        for part in path.split("/")[1:]:
            filled = quote(rng.choice((*self.ids, "nobody", "é/x", "v1/models")), safe="") if "{" in part else part
            trick = not plain and rng.random() < 0.3
            yield "/" + (rng.choice((*TRICKS, filled + "/", filled.upper())) if trick else filled)

    def _headers(self, *, keyed: bool) -> Iterator[str]:
        rng, key = self.rng, self.key
        wrong = (None, "", "Bearer", "Bearer wrong", f"Basic {key}", f"{key}x", key[:-1], f"Bearer {key} {key}x", "é")
        authorization = rng.choice((key, f"Bearer {key}", f"bearer  {key}")) if keyed else rng.choice(wrong)
        if authorization is not None:
            yield f"Authorization: {authorization}"
        if rng.random() < 0.5:
            types = (
                "application/json",
                "text/plain",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
            )
            yield f"Content-Type: {rng.choice(types)}"
        if rng.random() < 0.1:
            yield rng.choice(("X-HTTP-Method-Override: DELETE", "Cookie: a=b; =;;", "Range: bytes=0-1", "Accept: é/*"))

    def _body(self) -> bytes:
        rng = self.rng
        good = {"input": self._value(3)}
        if rng.random() < 0.2:
            policy = {name: rng.choice((5000, 10000, -1, "x", None, 1e9)) for name in ("ttl", "executionTimeout")}
            good |= {
                rng.choice(("policy", "s3Config", "webhook", "id", "status")): rng.choice((policy, 1, None, "http://x"))
            }
        text = json.dumps(good).encode()
        junk = (
            *(text[: rng.randrange(len(text))], b"\xff" + text, text + b"{}", text.decode().encode("utf-16")),
            *(
                b'{"input": ' + b"[" * DEEP + b"]" * rng.choice((DEEP, 1)) + b"}",
                b'{"input": NaN}',
                b'{"input": 1e999}',
            ),
            *(
                b'{"input": ' + b"9" * 5000 + b"}",
                b'{"input": "\\ud800"}',
                b'{"input": 1, "input": 2}',
                b"",
                b"null",
                b"[[]]",
            ),
            bytes(rng.randrange(256) for _ in range(rng.randrange(60))),
        )
        return text if rng.random() < 0.6 else rng.choice(junk)

    def _value(self, depth: int) -> Any:
        rng = self.rng
        text = "".join(rng.choices(string.printable + "é😀\u2028\x00", k=rng.randrange(9)))
        if depth and rng.random() < 0.5:
            inner = [self._value(depth - 1) for _ in range(rng.randrange(4))]
            return inner if rng.random() < 0.5 else {f"{text}{at}": one for at, one in enumerate(inner)}
        return rng.choice((None, True, 0, -1, 2**80, 1.5, text))


def _answer(connection: socket.socket, sent: Sent) -> tuple[int, Any, bytes]:
    connection.sendall(sent.raw)
    if sent.operation is None:
        connection.shutdown(socket.SHUT_WR)
    reply = http.client.HTTPResponse(connection, method=sent.verb)
    reply.begin()
    return reply.status, reply.headers, reply.read()
