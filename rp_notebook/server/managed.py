"""What a kernel manager of Jupyter's knows of a kernel, whichever manager it is."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from jupyter_client.kernelspec import NoSuchKernel


async def is_reachable(kernel: Any) -> bool:
    """Whether its process is there, and can be talked to by this one: those behind a gateway cannot."""
    return await is_alive(kernel) and bool(kernel.get_connection_info(session=False).get("control_port"))


async def is_alive(kernel: Any) -> bool:
    """Whether its process is there."""
    alive = kernel.is_alive()
    return bool(await alive if isinstance(alive, Awaitable) else alive)


def process_of(kernel: Any) -> Any:
    """What tells its process from that before a restart; None where nothing does."""
    return getattr(getattr(kernel, "provisioner", None), "pid", None)


def state_of(kernel: Any) -> Any:
    """`idle`, `busy` and the like, as a server has heard it; what it did not hear, it does not know."""
    return getattr(kernel, "execution_state", None)


def speaks_python(kernel: Any) -> bool:
    """Whether it can load an extension of IPython, as far as its specification tells."""
    try:
        return str(kernel.kernel_spec.language).lower() in ("", "python")
    except (AttributeError, NoSuchKernel):
        return True
