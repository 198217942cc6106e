"""What a reading of some code has found so far."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from rp_notebook.export.cutting import root_name
from rp_notebook.export.links import NOTHING, PART, SAME, Value, held
from rp_notebook.export.program import FRESH, MUST, NO_EFFECTS, PARAMETER, Changed, Effects, Function, Program
from rp_notebook.export.store_looks import FILL


class Marks:
    """The effects found in one scope, and what its local variables may be."""

    def __init__(self, program: Program, local: Iterable[str] | None, given: dict[str, Value] | None = None) -> None:
        self.program = program
        self.at_module = local is None
        self.locals: dict[str, Value] = dict.fromkeys(local or (), NOTHING)
        self.locals.update(given or {})
        self.changed: set[Changed] = set()
        self.edges: set[tuple[str, str, str]] = set()
        self.rebound: set[str] = set()
        self.returned: set[tuple[str, str]] = set()
        self.remembers = self.caches = False
        self.later: set[Changed] = set()
        self.later_rebound: set[str] = set()
        self.outer: frozenset[str] = frozenset()
        self.filling: dict[str, str] = {}  # what is read now fills stores: their names by the root that they are of
        # Of statements, by their id: stores that they fill.
        self.fills: Mapping[int, frozenset[str]] = MappingProxyType({})
        self.inner: dict[str, Function] = {}  # functions that are written here, by their names
        self.followed: set[str] = set()  # roots whose parts have been called
        self.entered: frozenset[int] = frozenset()  # those that are being read
        self.receiver: tuple[str, str] = ("", "")  # in a method: its first parameter, and its class

    def effects(self) -> Effects:
        """What was found, as plain data."""
        found = self.changed or self.edges or self.rebound or self.returned or self.remembers or self.caches
        if not (found or self.later):
            return NO_EFFECTS  # as of most statements: one object for all of them
        return Effects(
            frozenset(self.changed),
            frozenset(self.edges),
            frozenset(self.rebound),
            frozenset(self.returned),
            self.remembers,
            frozenset(self.later),
            frozenset(self.later_rebound),
            self.caches,
        )

    def change(self, value: Value, tier: int, *, deep: bool) -> None:
        for root, kind in value:
            if root == FRESH:
                continue
            if root in self.filling:
                self.changed.add((FILL + self.filling[root], tier, False))
            elif kind == SAME:
                self.changed.add((root, tier, deep))
            elif kind == PART or deep:
                self.changed.add((root, tier, True))

    def of_root(self, store: str, *, whole: bool = False) -> str:
        """The root that a store is of, or the `whole` store by that root's name."""
        root, _, attr = store.partition(".")
        root = PARAMETER + root if root in self.locals else root
        return f"{root}.{attr}" if whole and attr else root

    def join(self, containers: Value, value: Value) -> None:
        for root, _ in containers:
            self.edges |= {(root, other, kind) for other, kind in held(value) if root != other}

    def touch(self, owner: ast.expr) -> None:
        """A change of a variable that an inner function shares with its outer one is remembered between calls."""
        self.keep(root_name(owner))

    def keep(self, name: str) -> None:
        """Something is put into a variable, which an inner function may share with its outer one."""
        if name in self.outer:
            self.caches |= PARAMETER + name in self.filling
            self.remembers |= PARAMETER + name not in self.filling

    def asked(self, value: Value) -> None:
        """Something is asked that keeps what it answers."""
        self.changed |= {(f"cache:{root}", MUST, False) for root, _ in value if root[:1] not in (PARAMETER, "@")}

    def take(self, effects: Effects) -> None:
        self.changed |= {item for item in effects.changed if item[0] != FRESH}
        self.edges |= effects.edges
        self.rebind(effects.rebound)

    def rebind(self, names: Iterable[str]) -> None:
        """Says that variables of the module are bound anew."""
        if self.filling:
            self.changed |= {(FILL + name, MUST, False) for name in self.filling.keys() & set(names)}
            names = set(names) - self.filling.keys()
        self.rebound.update(names)
