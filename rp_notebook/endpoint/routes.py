"""What all routes of an endpoint have in common: who may call, with which verbs, and how mistakes are answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from rp_notebook.endpoint.openapi import JSON
from rp_notebook.endpoint.operations import Operation
from rp_notebook.endpoint.replies import Parts, error_reply
from rp_notebook.endpoint.service import holds_key
from rp_notebook.errors import RequestRefused

if TYPE_CHECKING:
    from tornado.web import RequestHandler

T = TypeVar("T")
Body = bytes | dict[str, Any] | Parts

NOTHING = "there is nothing here: POST /v2/NAME/runsync runs a job, GET /v2/NAME/openapi.json tells of the rest"


class EndpointRoute(RequestHandler if TYPE_CHECKING else object):  # type: ignore[misc] # what it is mixed into
    """Operations on one endpoint. `allowed` finds it, for who may call, by its name and the operation's.

    Mixed into an `Exchange` of our own server, or into a handler of tornado's that reads the body as a stream.
    """

    operations: Mapping[str, Operation]
    found: Any = None
    pause_s = 0.0  # before a refusal
    _refused: RequestRefused | None = None

    def initialize(self, *_: Any, **given: Any) -> None:
        self._allowed: Callable[[Any, str, str], Awaitable[Any]] = given["allowed"]
        self._origin: str | None = given.get("origin")
        self.gone = False
        if self.request.method not in self.SUPPORTED_METHODS:
            self.request.method = "PUT"  # tornado would refuse it before anybody has asked for the key

    def decode_argument(self, value: bytes, name: str | None = None) -> str:  # noqa: ARG002 (tornado gives it)
        return value.decode(errors="replace")  # else tornado answers before anybody has asked for the key

    async def prepare(self) -> None:
        before = super().prepare()
        if before is not None:
            await before
        if self._origin is not None:
            self.set_header("Access-Control-Allow-Origin", self._origin)
        name, operation, *_ = self.path_args or ("", "")
        try:
            self.found = await self._allowed(self, name, operation)
        except RequestRefused as refused:
            self._refused = refused

    def data_received(self, chunk: bytes) -> None:
        """A part of the body; nobody takes it here."""

    async def get(self, *_: str) -> None:
        try:
            if self._refused is not None:
                await asyncio.sleep(self.pause_s)
                raise self._refused
            operation, *rest = self.path_args[1:]
            verbs = self.operations[operation].verbs
            if self.request.method not in verbs:
                self.set_header("Allow", ", ".join(verbs))
                raise RequestRefused(405, f"/{operation} takes {' and '.join(verbs)}")
            await self.answer(operation, *rest)
        except RequestRefused as refused:
            self.reply(self.trouble(str(refused)), refused.status)

    def trouble(self, why: str) -> bytes:
        """The body of a refusal."""
        return error_reply(why)

    post = put = patch = delete = head = get

    async def options(self, *rest: str) -> None:
        """Tells a browser, which sends no key with this, whether and how a page of another origin may call."""
        if self._origin is None:
            await self.get(*rest)
            return
        self.set_status(204)
        self.set_header("Access-Control-Allow-Methods", "GET, POST")
        asked = self.request.headers.get("Access-Control-Request-Headers")  # OpenAI's client has a dozen of its own
        self.set_header("Access-Control-Allow-Headers", asked or "Authorization, Content-Type")
        self.set_header("Access-Control-Max-Age", "600")

    async def answer(self, operation: str, *rest: str) -> None:
        """Does what was asked for. Raises `RequestRefused`."""
        raise NotImplementedError

    def reply(self, body: Body, status: int = 200) -> None:
        """Answers with JSON."""
        self.set_status(status)
        self.set_header("Content-Type", JSON)
        self.send_parts(parts_of(body))

    def send_parts(self, parts: Parts) -> None:
        """Sends the body of the answer."""
        for part in parts:
            self.write(part)

    def write_error(self, status_code: int, **_: Any) -> None:
        self.reply(error_reply(self._reason), status_code)


def parts_of(body: Body) -> Parts:
    """The bytes of an answer."""
    if isinstance(body, dict):
        return (json.dumps(body).encode(),)
    return (body,) if isinstance(body, bytes) else body


class NoRoute(EndpointRoute):
    """Whatever else is asked for: told to nobody without the key."""

    async def get(self, *_: str) -> None:
        refused = self._refused or RequestRefused(404, NOTHING)
        self.reply(error_reply(str(refused)), refused.status)

    post = put = patch = delete = head = get


def keyed(
    key: str, find: Callable[[str], T | None], names: Callable[[], Iterable[str]] = tuple
) -> Callable[[RequestHandler, str, str], Awaitable[T]]:
    """Lets in who sends the key, bare or as `Bearer`, to what `find` has under the endpoint's name.

    `names` are those that there are.
    """

    async def allowed(route: RequestHandler, name: str, _operation: str) -> T:
        if not holds_key(route.request.headers.get("Authorization"), key):
            raise RequestRefused(401, "the Authorization header does not hold this endpoint's key")
        found = find(name)
        if found is None:
            there = ", ".join(sorted(names())) or "none: it is the name of a handler"
            raise RequestRefused(404, f"there is no endpoint {name[:80]!r}; there are: {there}")
        return found

    return allowed
