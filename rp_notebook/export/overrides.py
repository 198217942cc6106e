"""What the user said should go into the worker, or stay out of it, whatever the slicer thinks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from rp_notebook.errors import BadInput
from rp_notebook.jobs.finding import Finding

if TYPE_CHECKING:
    from rp_notebook.export.demand import Demand
    from rp_notebook.export.timeline import Fact

KEEP_TAG, DROP_TAG = "rp-keep", "rp-drop"

_CELLS = re.compile(r"(?:In)?\[?(\d+)(?:-(\d+))?\]?")
_NAME = re.compile(r"[^\W\d][\w*?]*|\*[\w*?]+")


@dataclass(frozen=True)
class Override:
    """One thing that was said: cells by their execution counts, `first` to `last`, or a variable's `name`.

    `origin` is where it was said, in words that can be typed or looked up; a name may hold `*` and `?`.
    """

    origin: str
    first: int = 0
    last: int = 0
    name: str = ""

    def meets(self, fact: Fact) -> bool:
        """Whether a statement is of these cells, or binds or changes such a variable."""
        if fact.statement.is_ours:
            return False
        if not self.name:
            return self.first <= fact.statement.cell.number <= self.last
        return any(fnmatchcase(name, self.name) for name in fact.touches)


@dataclass(frozen=True)
class Overrides:
    """All that was said, in the order in which it was."""

    keep: tuple[Override, ...] = ()
    drop: tuple[Override, ...] = ()

    def __add__(self, other: Overrides) -> Overrides:
        return Overrides(self.keep + other.keep, self.drop + other.drop)


NO_OVERRIDES = Overrides()


def override(word: str, origin: str) -> Override:
    """What `7`, `In[7]`, `7-9` or `lut` means. Raises `BadInput` for anything else."""
    cells = _CELLS.fullmatch(word)
    if cells is not None:
        first = int(cells[1])
        last = int(cells[2] or first)
        if last < first:
            raise BadInput(f"{word} is no range: write {last}-{first}")
        return Override(origin, first, last)
    if _NAME.fullmatch(word) is None:
        raise BadInput(f"{word!r} is no cell (7, In[7], 7-9) and no variable (lut)")
    return Override(origin, name=word)


def said(keep: Sequence[str] = (), drop: Sequence[str] = ()) -> Overrides:
    """The overrides of words that were typed behind `%runpod keep` and `%runpod drop`."""
    return Overrides(
        tuple(override(word, f"%runpod keep {word}") for word in keep),
        tuple(override(word, f"%runpod drop {word}") for word in drop),
    )


def left_out(facts: Iterable[Fact], overrides: Overrides) -> dict[int, str]:
    """The positions of the statements that are to stay out, with where that was said."""
    found: dict[int, str] = {}
    for fact in facts:
        origins = [each.origin for each in overrides.drop if each.meets(fact)]
        origins += [f"the tag {DROP_TAG}"] * (DROP_TAG in fact.statement.cell.tags and not fact.statement.is_ours)
        if origins:
            found[fact.position] = origins[0]
    return found


def ask_for_kept(demand: Demand, overrides: Overrides) -> None:
    """Takes the statements that are to be kept, and asks for what these need."""
    facts = demand.timeline.facts
    for each in overrides.keep:
        if each.name:
            for name in sorted({n for f in facts for n in f.names.defs | f.names.maydefs if fnmatchcase(n, each.name)}):
                demand.ask(name, demand.timeline.end, f"`{each.origin}`")
    for fact in facts:
        if fact.statement.is_ours:
            continue
        if fact.statement.starts or (fact.plumbing and not fact.plumbing.startswith("opaque")):
            continue  # a worker cannot hold it
        origins = [each.origin for each in overrides.keep if not each.name and each.meets(fact)]
        origins += [f"the tag {KEEP_TAG}"] * (KEEP_TAG in fact.statement.cell.tags)
        if origins:
            demand.take(fact.position, f"kept by `{origins[0]}`", needed=True)


def override_findings(demand: Demand, overrides: Overrides, facts: Sequence[Fact]) -> Iterator[Finding]:
    """Errors for what was left out and is needed, warnings for what was left out on your word."""
    for place, (reason, needed) in sorted(demand.blocked.items()):
        statement = facts[place].statement
        said = demand.left_out[place]
        where = (statement.cell.number, statement.line)
        first = statement.text.strip().split("\n")[0][:60]
        if needed:
            message = f"`{first}` is left out by {said}, but it {reason}"
            yield Finding("RPS151", "error", message, "keep it, or take out what uses it", *where)
        else:
            message = f"`{first}` is left out by {said}, although it probably {reason}"
            yield Finding("RPS152", "warning", message, "prove the export with a job that comes by here", *where)
    for each in (*overrides.keep, *overrides.drop):
        if not any(each.meets(fact) for fact in facts):
            message = f"{each.origin} meets no statement that ran"
            yield Finding("RPS153", "warning", message, "%runpod why lists the statements")
