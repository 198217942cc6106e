"""The kernel's end of the link to a Jupyter server: takes jobs through comms, and says what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rp_notebook import wire
from rp_notebook.jobs.posts import Post
from rp_notebook.kernel.pipe import Pipe
from rp_notebook.kernel.pump import Order, Pump
from rp_notebook.kernel.telling import Telling


class Bridge:
    """Registers a comm for each handler of `names`; `announce` after new ones came.

    No `comm_open` is sent: a front end that does not know our comms would close them. `pump` is made when the first
    job comes, and `timeout_of` gives a handler's own execution timeout.
    """

    def __init__(
        self,
        kernel: Any,
        names: Callable[[], list[str]],
        pump: Callable[[], Pump],
        timeout_of: Callable[[str], float | None],
    ) -> None:
        self._kernel, self._names, self._pump, self._timeout_of = kernel, names, pump, timeout_of
        self._comms: dict[str, Any] = {}
        self._links: dict[str, Telling] = {}
        self._closed = self._pumps = False

    def open(self) -> Callable[[], None]:
        """From now on a server can find us; the returned function ends that."""
        own = {wire.STOP: self._stop, wire.LINK: self._link}
        self._kernel.control_handlers.update(own)
        self._kernel.observe(self._unpiped, "eventloop")
        self._register("")
        self.announce()

        def close() -> None:
            self._kernel.unobserve(self._unpiped, "eventloop")
            for kind in own:
                del self._kernel.control_handlers[kind]
            for comm in self._comms.values():
                self._kernel.comm_manager.comms.pop(comm.comm_id, None)
            self._closed = True
            for link in tuple(self._links.values()):  # only now: the server asks at once for the comms that are left
                link.close()
            self._comms.clear()

        return close

    def announce(self, *_: Any) -> None:
        """Registers what is new."""
        for name in self._names():
            if name not in self._comms:
                self._register(name)

    def withdraw(self, job_id: str) -> bool:
        """Has the servers that sent us jobs cancel one that they keep; whether there are any."""
        for link in tuple(self._links.values()):
            for name, comm in self._comms.items():
                if name:
                    _Outlet(link, comm, None).withdrawn(job_id)
        return bool(self._links)

    def _register(self, name: str) -> None:
        comm = _comm_maker()(target_name=wire.TARGET, comm_id=wire.comm_of(name), primary=False)
        comm.on_msg(lambda message: self._received(comm.comm_id, message["content"]["data"], message["buffers"]))
        self._kernel.comm_manager.register_comm(comm)
        self._comms[name] = comm

    def _received(self, comm_id: str, data: wire.Data, buffers: wire.Buffers) -> None:
        if self._closed or not data:  # its end reaches the server, which sends the job again; or it was only woken
            return
        name = wire.handler_of(comm_id)
        link_id, request = wire.job_received(data, buffers)
        link = self._links.setdefault(link_id, Telling(link_id))
        pump = self._pump()
        self._pumps = True
        pump.offer(Order(name, request, _Outlet(link, self._comms[name], self._timeout_of(name))))

    def _link(self, _stream: Any, _ident: Any, message: Any) -> None:
        """Called on the control thread: from now on a server hears us, and has a pipe if it is on this machine."""
        link_id, path = message["content"]["link"], message["content"]["path"]
        link = self._links.setdefault(link_id, Telling(link_id))
        if self._kernel.eventloop is None:
            with suppress(OSError):
                link.use(lambda: Pipe(path, self._kernel.io_loop.asyncio_loop, self._received))
            self._unpiped()  # where a window's loop began meanwhile
        if self._closed:  # meanwhile: nobody else would
            link.close()

    def _unpiped(self, *_: Any) -> None:
        """A window's event loop (`%gui`) lets nothing in but what comes through the kernel's own channels."""
        for link in tuple(self._links.values()) if self._kernel.eventloop is not None else ():
            if link.pipe is not None:
                link.pipe.close()

    def _stop(self, _stream: Any, _ident: Any, message: Any) -> None:
        """Called on the control thread, also while the main one is in a handler."""
        job_id, reason = message["content"]["id"], message["content"]["reason"]
        if self._pumps:
            self._pump().stop(job_id, reason)
        else:  # only the main thread can tell whether a cell is open, which a new pump must know
            self._kernel.io_loop.asyncio_loop.call_soon_threadsafe(lambda: self._pump().stop(job_id, reason))


def _comm_maker() -> Any:
    try:
        from comm import create_comm
    except ModuleNotFoundError:  # ipykernel before 6.18, as Colab has it, brings its own
        from ipykernel.comm import Comm

        return Comm
    return create_comm


class _Outlet:
    def __init__(self, link: Telling, comm: Any, timeout_s: float | None) -> None:
        self._link, self._comm, self._timeout_s = link, comm, timeout_s

    def began(self, job_id: str, capacity: int, at: float) -> None:
        self._say(wire.Began(job_id, capacity, at, self._timeout_s))

    def posted(self, job_id: str, post: Post) -> None:
        self._say(wire.Posted(job_id, post))

    def ended(self, job_id: str, why: str | None, *, cancelled: bool = False) -> None:
        self._say(wire.Ended(job_id, why, cancelled))

    def refused(self, job_id: str, why: str) -> None:
        self._say(wire.Refused(job_id, why))

    def withdrawn(self, job_id: str) -> None:
        self._say(wire.Withdrawn(job_id))

    def _say(self, said: wire.Said) -> None:
        self._link.say(self._comm, said)
