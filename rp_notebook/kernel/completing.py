"""Tab on our magics: commands, flags, and what may follow each of them."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rp_notebook.jobs.declaration import handler_flags
from rp_notebook.jobs.flag_parser import FlagParser, Taken
from rp_notebook.jobs.handler_cell import HANDLER_MAGIC
from rp_notebook.jobs.query import OUTCOMES, Query
from rp_notebook.kernel.cancelling import open_jobs
from rp_notebook.kernel.session import Session

MAGICS = ("%runpod", "%%runpod", HANDLER_MAGIC)
JOBS = 20  # the latest are offered
# What is not a name of this notebook, by the flag that takes it.
WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "level": ("process", "venv", "image"),
        "weights": ("bake", "volume", "cached", "runtime"),
        "python": ("3.10", "3.11", "3.12", "3.13"),
        "status": OUTCOMES,
    }
)
FILES = frozenset({"DIR", "FILE", "F"})

Flags = Mapping[str, Callable[[], FlagParser]]


def completed(session: Session, flags: Flags) -> Callable[[], None]:
    """From now on the shell completes our magics; the returned function ends that."""

    def complete(_shell: Any, event: Any) -> list[str]:
        return completions(session, flags, event.text_until_cursor, event.symbol)

    for magic in MAGICS:
        session.shell.set_hook("complete_command", complete, str_key=magic)
    dispatcher = session.shell.strdispatchers["complete_command"]

    def undo() -> None:
        for magic in MAGICS:
            dispatcher.strs.pop(magic, None)

    return undo


def completions(session: Session, flags: Flags, line: str, symbol: str) -> list[str]:
    """What may stand where `symbol`, the end of `line`, is being typed."""
    line = line.lstrip()
    magic, *words = line[: len(line) - len(symbol)].split() or [""]
    if magic == HANDLER_MAGIC:
        parser = handler_flags()
    elif magic and not words:
        names = ["job"] if magic.startswith("%%") else [*flags]
        return [name for name in names if name.startswith(symbol)]
    elif words and words[0] in flags:
        parser = flags[words[0]]()
    else:
        return []
    taken = parser.taken_after(words[-1] if words else "")
    if taken is None and symbol.startswith("-"):
        return [flag for flag in parser.spelled if flag.startswith(symbol)]
    command = words[0] if words else ""
    taken = taken or parser.positional
    if command == "job" and taken is None:
        if words[-1].startswith("@"):
            return _files(symbol)
        return _starting(_variables(session), symbol)
    return [] if taken is None else _values(session, command, taken, symbol)


def _values(session: Session, command: str, taken: Taken, symbol: str) -> list[str]:
    handlers = [handler.name for handler in session.handlers]
    if taken.choices or taken.dest in WORDS:
        return _starting(taken.choices or WORDS[taken.dest], symbol)
    if taken.metavar in FILES:
        return _files(symbol)
    match command, taken.dest:
        case _, "pools" | "pool":
            from rp_notebook.jobs.pools import shipped

            return _starting([pool.id for pool in (session.prices or shipped()).pools], symbol)
        case "cancel", _:
            return _starting(open_jobs(session), symbol)
        case _, "ids":
            return _jobs(session, symbol)
        case "env", "variables":
            return _starting(os.environ, symbol)
        case ("unload" | "keep" | "drop", _) | (_, "freeze" | "output" | "schema" | "inputs"):
            return _starting(_variables(session), symbol)
        case "why", "what":
            return _starting([*handlers, *_variables(session)], symbol)
        case _, "name":
            return _starting(handlers, symbol)
    return []


def _jobs(session: Session, symbol: str) -> list[str]:
    """Golden jobs first, then the latest."""
    golden = session.history.lines(Query(golden=True))
    latest = session.history.lines(Query(last=JOBS))
    return _starting(dict.fromkeys(line.id for line in (*golden, *reversed(latest))), symbol)


def _variables(session: Session) -> list[str]:
    hidden = session.shell.user_ns_hidden
    return [name for name in session.namespace if not name.startswith("_") and name not in hidden]


def _starting(words: Iterable[str], symbol: str) -> list[str]:
    return [word for word in words if word.startswith(symbol)]


def _files(symbol: str) -> list[str]:
    found = sorted(glob.glob(f"{glob.escape(os.path.expanduser(symbol))}*"))  # noqa: PTH207, PTH111 (as it was typed)
    return [f"{name}/" if Path(name).is_dir() else name for name in found]
