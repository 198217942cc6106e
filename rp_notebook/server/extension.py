"""The extension that the Jupyter server loads: mounts the routes, and looks after the links to kernels."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import CBool

from rp_notebook import wire
from rp_notebook.server.kernels import Kernels
from rp_notebook.server.routes import Keys, jupyter_routes

STOPPED = "the Jupyter server was stopped"


class RunpodExtension(ExtensionApp):
    """RunPod's endpoint for the handlers of this server's kernels, at `{jupyter}/runpod/v2/{handler}/run`."""

    name = "rp_notebook"
    description = "RunPod's endpoint for the handlers of this server's kernels."

    rate_limits = CBool(default_value=False, config=True, help="Limit the calls to an endpoint as the platform does.")
    private_webhooks = CBool(default_value=False, config=True, help="Let webhooks reach addresses that are not public.")

    def initialize_handlers(self) -> None:
        """Mounts the routes below the server's base URL."""
        assert self.serverapp is not None  # it loads us
        self.keys = Keys()
        manager = self.serverapp.kernel_manager
        # Jupyter takes the status around any other message for the kernel's own: a cell would seem to have ended.
        manager.untracked_message_types = [*getattr(manager, "untracked_message_types", ()), wire.STOP, wire.LINK]
        self.kernels = Kernels(manager, rate_limits=self.rate_limits, private_webhooks=self.private_webhooks)
        self.handlers.extend(jupyter_routes(self.kernels, self.keys))
        self._stack = AsyncExitStack()
        self._watching: asyncio.Future[None] | None = None
        self.serverapp.io_loop.add_callback(self._start)

        self._send_at_once(self.serverapp.web_app.settings)

    def _send_at_once(self, settings: dict[str, Any]) -> None:
        """Has what kernels say sent without waiting for more: a click in the panel would take 40 ms longer.

        Each message waits for the other side to have acknowledged the one before, which browsers put off (Nagle).
        """
        name = "kernel_websocket_connection_class"  # where Jupyter's own option of that name is kept
        usual = settings.get(name)
        if usual is None:
            return

        class Connection(usual):  # type: ignore[misc,valid-type] # whichever class the server uses
            def connect(self) -> Any:
                self.websocket_handler.set_nodelay(True)
                return super().connect()

        settings[name] = Connection

    async def _start(self) -> None:
        await self._stack.enter_async_context(self.kernels.service.running(STOPPED))
        self._watching = asyncio.ensure_future(self.kernels.watch())

    async def stop_extension(self) -> None:
        """Ends every job, tells who waits, and leaves the kernels."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        await self._stack.aclose()
        await self.kernels.close()
