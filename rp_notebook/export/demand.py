"""Takes what a handler needs, and what that needs, until nothing more is needed."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rp_notebook.export.early import read_by_callees, read_later
from rp_notebook.export.program import LIKELY, MUST
from rp_notebook.export.readings import Readings
from rp_notebook.export.tables import BUILTINS, IPYTHON_NAMES
from rp_notebook.export.timeline import Fact, Timeline

NOTHING: Mapping[int, str] = MappingProxyType({})
NOBODY: Mapping[str, Collection[int]] = MappingProxyType({})


@dataclass(frozen=True)
class Missing:
    """A needed name that no statement defines: where it is used, and where it was deleted."""

    name: str
    user: int | None
    deleted: int | None = None
    late: bool = False  # read when a function is called, not when a statement runs


class Demand:
    """The work list of one slice. `kept` maps the position of each statement taken to the reason.

    `asked_by` maps it to the statement that needs it (None: the worker itself), `asked_for` to the name that it was
    taken for; the `doubtful` ones only may change what is needed. What is in `left_out` is never taken: `blocked` then
    has the reason, and whether the answer would be wrong without it or only might be. Changes below `tier` are not
    taken, nor for a name those at the positions that it is `spared`.
    """

    def __init__(
        self,
        timeline: Timeline,
        left_out: Mapping[int, str] = NOTHING,
        tier: int = LIKELY,
        spared: Mapping[str, Collection[int]] = NOBODY,
    ) -> None:
        self.timeline = timeline
        self.left_out = left_out
        self.kept: dict[int, str] = {}
        self.asked_by: dict[int, int | None] = {}
        self.asked_for: dict[int, str] = {}
        self.doubtful: set[int] = set()
        self.blocked: dict[int, tuple[str, bool]] = {}
        self._tier = tier
        self._spared = spared
        self.missing: dict[str, Missing] = {}
        self.through_star: dict[int, set[str]] = {}
        self.dotted: dict[int, tuple[str, int | None]] = {}
        self._todo: list[tuple[str, int, str, int | None, bool]] = []
        self._seen: set[tuple[str, int, bool]] = set()
        self._settled = 0  # changes of which nothing more is to be said
        self._defined: set[tuple[str, int]] = set()
        self._readings = Readings(timeline)
        self._early: dict[int, frozenset[str]] = {}  # what functions read that nothing at last calls

    def ask(self, name: str, position: int, why: str, user: int | None = None, *, soft: bool = False) -> None:
        """Demands a name as it is just before `position`; a soft demand may stay unanswered."""
        if (name, position, soft) not in self._seen:
            self._seen.add((name, position, soft))
            self._todo.append((name, position, why, user, soft))

    def settle(self) -> None:
        """Works the list off."""
        while self._todo:
            self._answer(*self._todo.pop())
            if not self._todo and self._early:
                self._ask_for_undefined()

    def _ask_for_undefined(self) -> None:
        """Asks for what functions that have run name, and nobody needed then: it stands in their text."""
        defined = {name for place in self.kept for name in self.timeline.facts[place].touches}
        for place, names in self._early.items():
            for name in sorted(names - defined):
                self._ask_late(name, place)

    def _ask_late(self, name: str, place: int) -> None:
        """Asks for a name that code at a place reads when it is called."""
        fact = self.timeline.facts[place]
        soft = name in fact.names.tried and name not in IPYTHON_NAMES
        self.ask(name, self.timeline.end, label_of(fact), place, soft=soft)

    def take(self, position: int, reason: str, user: int | None = None, *, needed: bool = False) -> None:
        """Takes a statement and asks for what it needs; `needed` when the answer is wrong without it."""
        fact = self.timeline.facts[position]
        if position in self.kept:
            return
        if position in self.left_out:
            if needed or position not in self.blocked:
                self.blocked[position] = (reason, needed)
            return
        self.kept[position] = reason
        self.asked_by[position] = user
        label = label_of(fact)
        tried = fact.names.tried - IPYTHON_NAMES
        for name in sorted(fact.names.uses):
            self.ask(name, position, label, position, soft=name in tried)
            self._late_changes(name, position, label)
        later = read_later(fact, self.timeline.handed_on)
        if later != fact.names.deferred:
            self._early[position] = fact.names.deferred - later
        now, gone = read_by_callees(self.timeline, fact)
        for name in sorted(now):
            self.ask(name, position, label, position, soft=True)
        for name in sorted(later - gone):
            self._ask_late(name, position)
        if fact.names.soft and self._evaluates_hints(fact):
            for name in sorted(fact.names.soft):
                self.ask(name, self.timeline.end, label, position, soft=True)

    @staticmethod
    def _evaluates_hints(fact: Fact) -> bool:
        node = fact.statement.node
        return isinstance(node, ast.ClassDef) and bool(node.bases or node.decorator_list)

    def _answer(self, name: str, position: int, why: str, user: int | None, soft: bool) -> None:
        found = self.timeline.reach(name, position)
        if not found.certain and name in BUILTINS and not found.positions:
            return
        stars = () if found.positions or soft or found.deleted is not None else self.timeline.stars(position)
        if len(stars) == 1 and name not in IPYTHON_NAMES:  # nothing else can have brought it
            self._define(stars[0], name, why, user)
        elif not found.positions:
            if not soft and name not in self.missing:
                late = position == self.timeline.end and user is not None
                self.missing[name] = Missing(name, user, found.deleted, late)
            return
        for place in (
            *itertools.takewhile(lambda place: (name, place) not in self._defined, found.latest()),
            *found.unnamed,
        ):
            self._defined.add((name, place))  # and those of its run before it
            self._define(place, name, why, user)
        if position == self.timeline.end:
            for place in self._early.keys() & set(found.positions):
                for each in sorted(self._early.pop(place)):
                    self._ask_late(each, place)
        changes = self.timeline.changes(name, position)
        self._take_changes(name, changes, why, user)
        if position < self.timeline.end and (user is None or self.timeline.facts[user].names.calls):
            # Running it may call this: what that reads is needed as it was then.
            for each in sorted(self._readings.behind(found) | self._readings.given(changes)):
                self.ask(each, position, why, user, soft=True)

    def _define(self, place: int, name: str, why: str, user: int | None) -> None:
        fact = self.timeline.facts[place]
        if fact.star:
            self.through_star.setdefault(place, set()).add(name)
        alias = fact.statement.alias
        if alias and "." in alias.name and not alias.asname and isinstance(fact.statement.node, ast.Import):
            self.dotted[place] = (why, user)
        else:
            self.asked_for.setdefault(place, name)
            self.doubtful.discard(place)
            self.take(place, f"defines `{name}`, which {why} uses", user, needed=True)

    def take_dotted(self) -> None:
        """Takes the imports of the submodules that are spoken of."""
        chains = {chain for place in self.kept for chain in self.timeline.facts[place].names.chains}
        by_name: dict[str, list[int]] = {}
        for place in sorted(self.dotted):
            alias = self.timeline.facts[place].statement.alias
            assert alias is not None
            by_name.setdefault(alias.name.split(".")[0], []).append(place)
        for top, places in by_name.items():
            named = [p for p in places if (top, self._second(p)) in chains]
            for place in named or places:
                why, user = self.dotted[place]
                self.take(place, f"defines `{top}`, which {why} uses", user, needed=True)

    def _second(self, place: int) -> str:
        alias = self.timeline.facts[place].statement.alias
        assert alias is not None
        return alias.name.split(".")[1]

    def _late_changes(self, name: str, position: int, why: str) -> None:
        # What is later set on a class or function shows in whatever was made of it before.
        found = self.timeline.reach(name, position) if name in self.timeline.code_names else ()
        places = [p for p in found.positions if self.timeline.facts[p].is_code] if found else []
        if places:
            self._take_changes(name, self.timeline.changes(name, self.timeline.end, known=places), why, position)

    def take_changes_of(self, fact: Fact) -> None:
        """Takes what changed the objects that a statement made: a thread that it set up and another one started."""
        for name in sorted(fact.names.defs) if not fact.is_code else ():
            changes = self.timeline.changes(name, self.timeline.end, known=[fact.position])
            self._take_changes(name, changes, label_of(fact), fact.position)

    def _take_changes(self, name: str, changes: int, why: str, user: int | None) -> None:
        sharing = self.timeline.sharing
        for place, tier in sharing.changes_in(changes & ~self._settled):  # many ask for the same changes
            if tier >= self._tier and place not in self._spared.get(name, ()):
                self.asked_for.setdefault(place, name)
                if tier < MUST and place not in self.kept:
                    self.doubtful.add(place)
                elif tier >= MUST:
                    self.doubtful.discard(place)
                said = f"changes {self.timeline.facts[place].told_change(name)}, which {why} uses"
                self.take(place, said, user, needed=tier >= MUST)
                self._settled |= sharing.bit_of[place, tier] if place in self.kept else 0

    def changed_since(self, name: str, position: int, but: str = "") -> bool:
        """Whether something taken, or what it reads when it is called, was bound or changed anew after a place.

        `but` is a name that does not count.
        """
        timeline = self.timeline
        if not but and not self.kept.keys() & set(timeline.reach(name, position).positions):
            return False
        names: set[str] = set()
        todo = {name}
        while todo:
            each = todo.pop()
            names.add(each)
            todo |= self._readings.behind(timeline.reach(each, position)) - names - {but}
        for each in names:
            then, now = (set(timeline.reach(each, at).positions) for at in (position, timeline.end))
            if then != now or timeline.changes(each, timeline.end) & ~timeline.sharing.before(position + 1):
                return True
        return False


def label_of(fact: Fact) -> str:
    """How a statement is spoken of: the function or class it defines, the name it binds, or its place."""
    node = fact.statement.node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return f"{node.name}()"
    if isinstance(node, ast.ClassDef):
        return f"class {node.name}"
    bound: Iterable[str] = sorted(fact.names.defs)
    names = ", ".join(f"`{name}`" for name in bound)
    return names if names and len(names) < 60 else f"line {fact.statement.line} of cell {fact.statement.cell.number}"
