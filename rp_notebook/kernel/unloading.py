"""`%runpod unload`: lets go of a model, and gives its memory back."""

from __future__ import annotations

import ctypes
import gc
import sys
import traceback
import weakref
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import FunctionType
from typing import Any

from rp_notebook.errors import BadInput, meant
from rp_notebook.jobs.flag_parser import FlagParser
from rp_notebook.jobs.gauge import loaded_cuda, resident
from rp_notebook.kernel.session import Session
from rp_notebook.panel.preview import size
from rp_notebook.panel.report import Report

WORTH_TELLING = 1_000_000  # bytes: less may be anything


def unload_flags() -> FlagParser:
    """The flags of `%runpod unload`."""
    about = "Free a model and its GPU memory: forget variables, and all that IPython keeps of them."
    parser = FlagParser(prog="%runpod unload", add_help=False, description=about)
    parser.add_argument("names", nargs="+", metavar="NAME", help="a variable")
    return parser


def unload(session: Session, flags: Namespace) -> Report:
    """Forgets variables, under each name that they have, and says what came back and who still holds them.

    An export takes no notice of it. Raises `BadInput` for a name that is no variable; then nothing is forgotten.
    """
    namespace = session.namespace
    for name in flags.names:
        if name not in namespace:
            raise BadInput(_no_variable(name, namespace))
    ram, gpu = resident(), _reserved()
    watched = {name: _watched(namespace[name]) for name in flags.names}
    for name in flags.names:
        _forget(session.shell, name)
    gc.collect()
    if any(look() is not None for look in watched.values()):
        _clear_last_traceback()
        gc.collect()
    _trim()
    freed = {"GPU memory": gpu - _reserved(), "RAM": ram - resident()}
    told = [f"{size(count)} of {kind}" for kind, count in freed.items() if count > WORTH_TELLING]
    held = {name: _holders(look, namespace) for name, look in watched.items() if look() is not None}
    makers = _makers(session)
    again = {name: f"; In[{makers[name]}] makes it again" if name in makers else "" for name in flags.names}
    lines = [f"{name}: {_state(name, held)}{again[name]}" for name in flags.names]
    badge = "HELD" if held else "UNLOADED"
    headline = f"{', '.join(flags.names)}: {' and '.join(told) or 'no memory to speak of'} came back"
    return Report(badge, "bad" if held else "good", headline, lines)


def _no_variable(name: str, namespace: Mapping[str, Any]) -> str:
    hint = meant(name, (known for known in namespace if not known.startswith("_")), "{!r}")
    return "; ".join(filter(None, (f"there is no variable {name!r}", hint)))


def _watched(value: Any) -> Any:
    try:
        return weakref.ref(value)
    except TypeError:  # a number, a text, a plain list: nothing tells when it is gone
        return lambda: None


def _forget(shell: Any, name: str) -> None:
    """Takes a variable out of the namespace; what a collector knows also under its other names, and out of `Out`."""
    if name in shell.user_ns:  # not yet under another of the names
        shell.del_var(name, by_name=not gc.is_tracked(shell.user_ns[name]))


def _clear_last_traceback() -> None:
    """The frames of the last error keep what they worked on; Python and IPython keep the frames."""
    last = getattr(sys, "last_value", None)
    while last is not None:
        traceback.clear_frames(last.__traceback__)
        for frame, _ in traceback.walk_tb(last.__traceback__):
            len(frame.f_locals)  # before Python 3.13 a look at them is kept, and renewed only by another one
        last = last.__cause__ or last.__context__


def _trim() -> None:
    """Has glibc give back to the system what is free between other things; other C libraries do as they like."""
    with suppress(AttributeError, TypeError):  # there is no such function, or none is found so
        ctypes.CDLL(None).malloc_trim(0)


def _reserved() -> int:
    """Bytes of GPU memory that torch holds once it has given back what it can."""
    cuda = loaded_cuda()
    if cuda is None:
        return 0
    cuda.empty_cache()
    return sum(int(cuda.memory_reserved(device)) for device in range(cuda.device_count()))


def _holders(look: Any, namespace: Mapping[str, Any]) -> list[str]:
    from rp_notebook.export.object_graph import reaches

    wanted = {id(look())}
    names = [name for name in namespace if not name.startswith("_") and name not in ("In", "Out")]
    return [name for name in names if any(reaches(part, wanted) for part in _parts(namespace[name]))]


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, FunctionType):  # its globals are everybody's
        yield from (value.__closure__, value.__defaults__, value.__kwdefaults__, vars(value))
    elif isinstance(value, type):
        yield dict(vars(value))
    else:
        yield value


def _state(name: str, held: Mapping[str, list[str]]) -> str:
    if name not in held:
        return "gone"
    by = held[name]
    return f"still held by {', '.join(by)}" if by else "still held by something that is no variable: a thread, a cache"


def _makers(session: Session) -> dict[str, int]:
    """The number of the cell that last gave each name its value."""
    from rp_notebook.export.names import names_of
    from rp_notebook.export.rereading import history_of

    statements = history_of(session.recorder.cells).statements
    return {name: each.cell.number for each in statements for name in names_of(each.node).defs}
