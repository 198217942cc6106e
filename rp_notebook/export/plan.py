"""How much of a notebook an export takes, beyond what it finds that the handler needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rung = Literal["needed", "weak", "full"]


@dataclass(frozen=True)
class Plan:
    """One way to cut a slice; the default takes what is needed for certain or likely.

    `rung`: `needed`; `weak` adds statements that only might change something needed; `full` takes the whole history
    without what only shows something. `demands` are further names to hold as they are at the end. `freeze` has names
    whose present value is exported instead of how it came about (of a torch module its weights), each with the reason;
    one that cannot be written refuses the export when `freezes_all`. `trains` allows the worker to train, or to
    compute for long, at each cold start; `packages` are distributions to pin that no line imports, `spared` those that
    no job loads. Any answer will do for the `loose` jobs, as tests of the worker: theirs is another each time.
    """

    rung: Rung = "needed"
    demands: frozenset[str] = frozenset()
    freeze: tuple[tuple[str, str], ...] = ()
    freezes_all: bool = True
    trains: bool = False
    packages: frozenset[str] = frozenset()
    spared: frozenset[str] = frozenset()
    loose: frozenset[str] = frozenset()


NEEDED = Plan()
ASKED = "is frozen, as you asked"  # a reason
