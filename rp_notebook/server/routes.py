"""The clients' routes behind Jupyter's own door: its token, cookie or hub, its origin and XSRF rules."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from jupyter_server.base.handlers import APIHandler
from tornado.web import HTTPError, stream_request_body

from rp_notebook.endpoint.client_routes import ClientRoute
from rp_notebook.endpoint.endpoint import Endpoint
from rp_notebook.endpoint.listening import new_key
from rp_notebook.endpoint.openapi import BARE, BEARER, Door
from rp_notebook.endpoint.operations import OPERATIONS, WORKER_OPERATIONS, pattern, patterns
from rp_notebook.endpoint.queue import Queue
from rp_notebook.endpoint.replies import Parts, error_reply
from rp_notebook.endpoint.routes import EndpointRoute, NoRoute
from rp_notebook.endpoint.service import holds_key
from rp_notebook.endpoint.worker_routes import HOLD_S, ROUTES
from rp_notebook.errors import RequestRefused

if TYPE_CHECKING:
    from rp_notebook.server.kernels import Kernels

DOOR = Door({**OPERATIONS, **WORKER_OPERATIONS}, {"bearer": BEARER, "bare": BARE}, (401, 403, 404, 409, 429))
LARGE = 100_000  # bytes
GIVE_JOBS = ("run", "runsync", "retry", "openai")


class Keys:
    """Keys that open one endpoint each, and nothing else of the server."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def made(self, name: str) -> str:
        """A new key for the endpoint of that name."""
        key = new_key()
        self._names[key] = name
        return key

    def revoked(self, name: str) -> int:
        """Makes all keys of an endpoint worth nothing; how many there were."""
        keys = [key for key, of in self._names.items() if of == name]
        for key in keys:
            del self._names[key]
        return len(keys)

    def opens(self, authorization: str, name: str) -> bool:
        """Whether a header holds a key of that endpoint."""
        return [of for key, of in self._names.items() if holds_key(authorization, key)] == [name]


class Guarded(APIHandler):
    """Lets in whom Jupyter lets in. The answer waits for the whole request: a reset would tell nothing."""

    keys: Keys
    _keyed = False
    _kept_out: HTTPError | None = None

    async def prepare(self) -> None:  # type: ignore[override] # newer releases say more precisely what they return
        given = self.request.headers.get("Authorization", "").strip()
        if given and " " not in given:  # RunPod's clients may send the bare key, Jupyter wants it announced
            self.request.headers["Authorization"] = f"Bearer {given}"
        if given and self.path_args and self.keys.opens(given, self.path_args[0]):
            self._keyed = True
            return
        try:
            await super().prepare()
        except HTTPError as error:
            self._kept_out = error

    def check_xsrf_cookie(self) -> None:
        """On a server that wants no key, whoever sends one is no page of another origin: a browser would ask first."""
        if self.identity_provider.auth_enabled or "Authorization" not in self.request.headers:
            super().check_xsrf_cookie()

    def set_signed_cookie(self, *_: Any, **__: Any) -> None:
        """Who sends the token with each call is not logged in besides: signing costs as much as all routing."""

    set_secure_cookie = set_signed_cookie  # its older name

    async def let_in(self) -> None:
        """Raises `RequestRefused` with 401 for nobody, and with 403 for whom the server's rules keep out."""
        if self._keyed:
            return
        user = getattr(self, "_jupyter_current_user", None)
        if user is None and self.check_host():  # else nobody has looked for the token
            raise RequestRefused(401, "log in to the Jupyter server, or send its token in the Authorization header")
        if user is None or self._kept_out is not None or not self.check_origin():
            raise RequestRefused(403, "the Jupyter server does not take this request: its origin, host or XSRF token")
        allowed = self.authorizer.is_authorized(self, user, "execute", "kernels")
        if not (await allowed if isinstance(allowed, Awaitable) else allowed):
            raise RequestRefused(403, "you may not run anything in the kernels of this server")


def _guarded(route: type[EndpointRoute]) -> type[Any]:
    """A route of an endpoint behind Jupyter's door."""

    # Read as a stream, a body is dropped where nobody takes it, and is parsed as no form, though it says so.
    @stream_request_body
    class JupyterRoute(route, Guarded):  # type: ignore[misc,valid-type] # whichever it is
        def initialize(self, *args: Any, **given: Any) -> None:
            super().initialize(*args, **given)
            self.keys = given["keys"]

        options = APIHandler.options  # the server's own CORS

        def send_parts(self, parts: Parts) -> None:
            size = sum(map(len, parts))
            if size <= LARGE:
                self.write(b"".join(parts))
                return
            self.set_header("Content-Length", str(size))
            self.flush()
            connection: Any = self.request.connection
            for part in parts:  # tornado would make one of them, which takes as long as all else it does
                connection.write(part)

    return JupyterRoute


def jupyter_routes(kernels: Kernels, keys: Keys) -> list[tuple[str, type[Any], dict[str, Any]]]:
    """The routes below the server's base URL."""

    async def allowed(route: Guarded, name: str, operation: str) -> Endpoint:
        await route.let_in()
        return await kernels.endpoint(name, for_jobs=operation in GIVE_JOBS)

    async def queue(route: Guarded, name: str, operation: str) -> Queue:
        return (await allowed(route, name, operation)).queue

    async def nothing(route: Guarded, _name: str, _operation: str) -> None:
        await route.let_in()

    given = {"keys": keys, "service": kernels.service, "door": DOOR, "allowed": allowed}
    to_workers = {"keys": keys, "allowed": queue, "hold_s": HOLD_S}
    return [
        *((f"/runpod/v2/{path}", _guarded(ClientRoute), given) for path in patterns(OPERATIONS)),
        *((f"/runpod/v2/{pattern(WORKER_OPERATIONS, names)}", _guarded(route), to_workers) for names, route in ROUTES),
        (r"/runpod/v2(?:/.*)?", _guarded(NoRoute), {"keys": keys, "allowed": nothing}),
        (r"/runpod/keys/([^/]+)", KeyRoute, {"keys": keys}),
    ]


class KeyRoute(Guarded):
    """`POST keys/ENDPOINT` makes a key for one endpoint, `DELETE` makes all of its keys worth nothing."""

    def initialize(self, keys: Keys) -> None:
        self.keys = keys

    async def post(self, name: str) -> None:
        if await self._let_in():
            self.finish({"endpoint": name, "key": self.keys.made(name)})

    async def delete(self, name: str) -> None:
        if await self._let_in():
            self.finish({"endpoint": name, "revoked": self.keys.revoked(name)})

    async def _let_in(self) -> bool:
        try:
            await self.let_in()
            if self._keyed:
                raise RequestRefused(403, "a key of an endpoint makes no keys")
        except RequestRefused as refused:
            self.set_status(refused.status)
            self.finish(error_reply(str(refused)))
            return False
        return True
