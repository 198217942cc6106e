"""Every version of every name in the order of execution, and which of them share an object."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from rp_notebook.export.early import handed_on
from rp_notebook.export.effects import read_statement
from rp_notebook.export.links import COPY, PART
from rp_notebook.export.magics import command_in, is_harmless, magic_of
from rp_notebook.export.names import Names, names_of
from rp_notebook.export.namespace_dict import ANY
from rp_notebook.export.program import MADE, NO_EFFECTS, PARAMETER, Effects, Program
from rp_notebook.export.reaching import Reached, Reaching
from rp_notebook.export.scalars import flat_names, plain_functions, scalar_names
from rp_notebook.export.sharing import Sharing, Version
from rp_notebook.export.stars import star_names
from rp_notebook.export.statements import Statement
from rp_notebook.export.tables import IPYTHON_MODULES, OUR_MODULE


@dataclass(frozen=True, eq=False, slots=True)
class Fact:
    """A statement, its names, and what it does. `plumbing` says why it can never be part of a worker."""

    statement: Statement
    names: Names
    effects: Effects
    plumbing: str = ""
    star: bool = False

    @property
    def position(self) -> int:
        """When it ran."""
        return self.statement.position

    @property
    def touches(self) -> frozenset[str]:
        """The variables that it binds, or whose objects it changes."""
        changed = {root for root, _, _ in self.effects.changed if ":" not in root and root[:1] not in (PARAMETER, "@")}
        return self.names.defs | self.names.maydefs | self.names.dels | changed

    @property
    def is_code(self) -> bool:
        """Whether it defines a function or class, whose globals are read when it is called."""
        return isinstance(self.statement.node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)

    def told_change(self, name: str) -> str:
        """How its change of what a name is bound to is told: it may know that by another name."""
        roots = {root: tier for root, tier, _ in self.effects.changed if root.isidentifier()}
        if not roots or name in roots:
            return f"`{name}`"
        return f"`{max(sorted(roots), key=roots.__getitem__)}`, and with it `{name}`"


def facts_of(
    statements: Sequence[Statement], program: Program, read: dict[int, Names], *, loaded: bool = False
) -> tuple[Fact, ...]:
    """What each statement does, in order. `read` keeps the names by position: a second look costs half of the first."""
    found: list[Fact] = []
    names: dict[tuple[ast.stmt, bool], Names] = {}
    effects: dict[ast.stmt, Effects] = {}
    future = False
    for statement in statements:
        node = statement.node
        if statement.alias:
            found.append(_import_fact(statement, loaded=loaded))
            future |= isinstance(node, ast.ImportFrom) and node.module == "__future__"
            continue
        if statement.position not in read:
            if (node, future) not in names:
                names[node, future] = names_of(node, future=future, text=None if statement.guarded else statement.text)
            read[statement.position] = names[node, future]
        found.append(_plain_fact(statement, program, read[statement.position], effects))
    return tuple(found)


def _plain_fact(statement: Statement, program: Program, names: Names, known: dict[ast.stmt, Effects]) -> Fact:
    magic = magic_of(statement.node)
    if magic is not None:
        plumbing = f"%{magic[0]}" if is_harmless(magic[0]) else f"opaque %{magic[0]}"
        return Fact(statement, Names(), NO_EFFECTS, plumbing)
    if isinstance(statement.node, ast.If) and not statement.node.orelse and _is_false(statement.node.test):
        return Fact(statement, Names(), NO_EFFECTS, "never runs")
    if statement.starts:
        return Fact(statement, Names(), NO_EFFECTS, "starts the worker")
    if names.defs == {"__file__"}:  # a notebook has none, and may write one for itself
        return Fact(statement, Names(), NO_EFFECTS, "each module has its own __file__")
    if statement.node not in known:
        known[statement.node] = read_statement(program, statement.node)
    effects = known[statement.node]
    called = effects.rebound - names.defs - names.maydefs
    names = replace(names, maydefs=names.maydefs | called) if called else names
    value = getattr(statement.node, "value", None)
    command = command_in(value) if isinstance(value, ast.expr) else None
    if command is not None:  # only its name counts: what it runs is not Python
        return Fact(statement, replace(names, uses=frozenset()), NO_EFFECTS, f"opaque {command[0]}{command[1]}")
    return Fact(statement, names, effects)


def _is_false(test: ast.expr) -> bool:
    return isinstance(test, ast.Constant) and not test.value


def _import_fact(statement: Statement, *, loaded: bool) -> Fact:
    alias, node = statement.alias, statement.node
    assert alias is not None
    module = statement.module
    plumbing = ""
    if any(module == ours or module.startswith(ours + ".") for ours in IPYTHON_MODULES):
        plumbing = f"only a notebook has {module}"
    elif module.split(".")[0] == OUR_MODULE:
        plumbing = "belongs to the notebook"
    if module == "__future__":
        return Fact(statement, Names(), NO_EFFECTS)
    if alias.name == "*":
        names = star_names(module, statement.cell.cwd, loaded=loaded)
        return Fact(statement, Names(defs=names or frozenset()), NO_EFFECTS, plumbing, star=True)
    bound = alias.asname or (alias.name if isinstance(node, ast.ImportFrom) else alias.name.split(".")[0])
    return Fact(statement, Names(defs=frozenset({bound})), NO_EFFECTS, plumbing)


class Timeline:
    """Looks names up by position: the definitions that reach it, and the effects on what they are bound to."""

    def __init__(self, facts: Sequence[Fact], program: Program) -> None:
        self.facts = facts
        self.program = program
        self.end = len(facts)
        self._reaching = Reaching()
        for fact in facts:
            if not fact.plumbing or fact.names.defs:
                self._bind(fact)
        self.sharing = Sharing()
        for name, run in self._reaching.long_runs():
            self.sharing.same([(name, place) for place in run])
        scalars = scalar_names(facts, program) | plain_functions(facts, program)
        flat = flat_names(facts, program, scalars)
        for fact in facts:
            self._join(fact, scalars, flat)
            self._mark(fact, scalars)

    @cached_property
    def imports(self) -> list[Fact]:
        """The imports at module level, one of each name."""
        return [fact for fact in self.facts if fact.statement.alias is not None]

    @cached_property
    def stateful(self) -> list[Fact]:
        """The statements that change something of the process."""
        return [fact for fact in self.facts if any(":" in root for root, _, _ in fact.effects.changed)]

    @cached_property
    def read(self) -> set[str]:
        """The names that statements read, now or later."""
        return {name for fact in self.facts for name in fact.names.uses | fact.names.deferred}

    @cached_property
    def handed_on(self) -> frozenset[str]:
        """The functions that may be called by others than who calls them by name."""
        return handed_on(self.facts)

    def _bind(self, fact: Fact) -> None:
        for kind, names in (("may", fact.names.maydefs), ("def", fact.names.defs), ("del", fact.names.dels)):
            for name in names - {ANY}:
                self._reaching.add(name, fact.position, kind, goes_on=_goes_on(fact))
        if ANY in fact.names.maydefs:
            self._reaching.add_unnamed(fact.position)

    def reach(self, name: str, position: int) -> Reached:
        """The definitions of a name that a read just before `position` may see."""
        return self._reaching.reach(name, position)

    @cached_property
    def code_names(self) -> frozenset[str]:
        """The names that functions and classes are bound to."""
        return frozenset(name for fact in self.facts if fact.is_code for name in fact.names.defs | fact.names.maydefs)

    def stars(self, position: int) -> tuple[int, ...]:
        """The star imports before a place of modules that cannot be read here, the first of each module."""
        first: dict[str, int] = {}
        for fact in self._unread_stars:
            if fact.position < position:
                first.setdefault(getattr(fact.statement.node, "module", None) or "", fact.position)
        return tuple(first.values())

    @cached_property
    def _unread_stars(self) -> list[Fact]:
        return [fact for fact in self.facts if fact.star and not fact.names.defs and not fact.plumbing]

    def changes(self, name: str, position: int, *, known: Iterable[int] | None = None) -> int:
        """The statements before `position` that changed what the name is bound to there, as bits.

        `sharing.changes_in` tells them one by one. `known` are the definitions meant, where they are not those that
        reach `position`.
        """
        places = self.reach(name, position).few if known is None else known
        found = self.sharing.changes((name, place) for place in places)
        return found & self.sharing.before(position) if found else 0

    def _versions(self, name: str, fact: Fact, *, after: bool) -> list[Version]:
        """Versions of a name around a statement: those that it sees, and after it those that it binds."""
        place = fact.position
        own = name in fact.names.defs or name in fact.names.maydefs
        found = [(name, place)] if after and own else []
        if not found or name not in fact.names.defs:
            found += [(name, p) for p in self.reach(name, place).few]
        return found

    def _join(self, fact: Fact, scalars: frozenset[str], flat: frozenset[str]) -> None:
        compound = not isinstance(fact.statement.node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr)
        for left, right, kind in sorted(fact.effects.edges):
            if left in scalars or right in scalars or (kind in (PART, COPY) and right in flat):
                continue
            rights = self._versions(right, fact, after=False) if right != MADE else [(MADE, fact.position)]
            if compound or right not in fact.names.defs:
                rights = [*rights, *self._versions(right, fact, after=True)]
            self.sharing.join(self._versions(left, fact, after=True), rights, kind)

    def _mark(self, fact: Fact, scalars: frozenset[str]) -> None:
        for root, tier, deep in fact.effects.changed:
            if ":" in root or root in scalars:
                continue
            versions = self._versions(root, fact, after=False)
            if root in fact.names.defs or root in fact.names.maydefs:
                versions = [*versions, (root, fact.position)]
            for version in versions:
                self.sharing.change(version, fact.position, tier, deep=deep)


def _goes_on(fact: Fact) -> bool:
    # `import a.b` adds to `a`: earlier imports of parts of it still count.
    alias = fact.statement.alias
    return alias is not None and isinstance(fact.statement.node, ast.Import) and "." in alias.name and not alias.asname


def changed_roots(fact: Fact, prefix: str) -> list[str]:
    """What of the process a statement changes, as the part behind `prefix`."""
    return sorted(root[len(prefix) :] for root, _, _ in fact.effects.changed if root.startswith(prefix))
