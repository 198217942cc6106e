"""Names whose present value is exported instead of how it came about: which, where it stands, and what to say."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from rp_notebook.export.cleaning import Cleaned
from rp_notebook.export.code_behind import code_of
from rp_notebook.export.counters import NOTED
from rp_notebook.export.demand import Demand
from rp_notebook.export.freezing import CannotFreeze, Frozen, frozen, snapshot
from rp_notebook.export.insertion import Insertion, inserted_into, value_statements
from rp_notebook.export.live import Live
from rp_notebook.export.names import names_in
from rp_notebook.export.object_graph import is_module, parts, reaches
from rp_notebook.export.plain_data import is_plain
from rp_notebook.export.plan import ASKED, Plan
from rp_notebook.export.program import LIKELY, Function, Program
from rp_notebook.export.tables import IPYTHON_NAMES
from rp_notebook.export.timeline import Fact
from rp_notebook.export.training import training_calls
from rp_notebook.export.vault import Vault
from rp_notebook.jobs.finding import Finding

MAKE = "make it in a cell, or load it from a file there"
SOURCELESS = ("RPS105", "RPS133")  # no cell defines it
REPEATS = 3  # a cell that ran more often is no sequence that anybody meant
SHELL_LIST = frozenset(dir(list)) - {"sort"}  # what IPython's list of output lines has from a list


class Freezer:
    """The names frozen so far in one export, each with the form of its value and the reason."""

    def __init__(self, plan: Plan, live: Live | None, function: str, vault: Vault) -> None:
        self._live = live
        self._vault = vault
        self._function = function
        self._asked = dict(plan.freeze)
        self._must = set(self._asked) if plan.freezes_all else set()
        self._forms: dict[str, tuple[Frozen, str, str]] = {}
        self._failed: dict[str, Finding] = {}
        self.unwritten: dict[str, CannotFreeze] = {}

    def spared(self, facts: Sequence[Fact]) -> dict[str, set[int]]:
        """For each name the statements that trained and left it as it was, although they share objects with it.

        What is, or holds, a module whose weights are exported needs no training. Neither does plain data, and with
        such weights anything else, that no training statement touches and that holds nothing that one wrote into.
        """
        if self._live is None:
            return {}
        live = self._live.namespace
        trained = [fact for fact in facts if training_calls(fact)]
        modules = {id(live[name]) for name in self._asked if name in live and is_module(live[name])}
        names = {name for fact in facts for name in fact.names.defs | fact.names.maydefs if name in live}
        found: dict[str, set[int]] = {}
        for name in names if trained else ():
            if modules and reaches(live[name], modules):
                found[name] = {fact.position for fact in trained}
            elif modules or is_plain(live[name]):
                found[name] = {
                    fact.position
                    for fact in trained
                    if name not in fact.touches and not reaches(live[name], _written_by(fact, live))
                }
        return found

    def next_history(self, clean: Cleaned, first: Demand, demand: Demand) -> Cleaned | None:
        """The history with a statement for each further name that has to be frozen; None when there is none.

        `first` is what was demanded of all that ran, `demand` what is left of it.
        """
        if self._live is None:
            return None
        changed = _changed_by(self._function, demand.timeline.program)
        before = len(self._forms)
        inserted: list[Insertion] = []
        for name, code, reason in self._wanted(demand):
            if name in self._forms or name in self._failed or name not in self._live.namespace:
                continue
            try:
                form = self._form(name, demand, changed)
            except CannotFreeze as why:
                self._failed[name], self.unwritten[name] = _refusal(name, code, why), why
                continue
            self._forms[name] = (form, code, reason)
            inserted += value_statements(name, form, clean.history, first.timeline, -len(self._forms))
        return inserted_into(clean, inserted) if len(self._forms) > before else None

    def files(self, facts: Iterable[Fact]) -> dict[str, bytes]:
        """The files that these statements read their values from."""
        names = {fact.statement.frozen for fact in facts} & set(self._forms)
        return {file: body for name in sorted(names) for file, body in self._forms[name][0].files.items()}

    def findings(self, facts: Iterable[Fact]) -> Iterator[Finding]:
        """What was written instead of code, for these statements."""
        facts = tuple(facts)
        idle = {name for name, reason in self._asked.items() if reason == ASKED and name in self._forms}
        for name in sorted(idle - {fact.statement.frozen for fact in facts}):
            yield Finding("RPS108", "note", f"`{name}` is not exported: nothing that is needed uses its present value")
        for fact in facts:
            name = fact.statement.frozen
            if name:
                form, code, reason = self._forms[name]
                fix = f"write {name} = ... in a cell" if code == "RPS105" else ""
                cell = fact.statement.cell.number or None
                said = f"`{name}` {reason}; its present value is exported ({form.told})"
                yield Finding(code, "note" if reason == ASKED else "warning", said, fix, cell)

    def refusals(self, found: Sequence[Finding]) -> list[Finding]:
        """Why names could not be frozen: those asked for, and with anything else that is wrong all of them."""
        told = {name for f in found for name in self._failed if f.code in SOURCELESS and f"`{name}`" in f.message}
        return [f for name, f in sorted(self._failed.items()) if name in self._must or (found and name not in told)]

    def can(self, name: str) -> bool:
        """Whether a present value could be written, as far as it is known."""
        if self._live is None or name not in self._live.namespace or is_module(self._live.namespace[name]):
            return True
        try:
            frozen(name, self._live.namespace[name], self._vault.secrets)
        except CannotFreeze:
            return False
        return True

    def _form(self, name: str, demand: Demand, changed: Collection[str]) -> Frozen:
        assert self._live is not None
        value = self._live.namespace[name]
        if is_module(value):
            return snapshot(name, value)
        for other in sorted(changed):
            held = self._live.namespace.get(other)
            if other == name or reaches(held, {id(part) for part in parts(value)}):
                raise CannotFreeze(f"the handler changes `{other}`: its value now is the one after the jobs")
        if type(value).__name__ == "SList":
            used = {attribute for place in demand.kept for owner, attribute in _chains(demand, place) if owner == name}
            if used - SHELL_LIST:
                raise CannotFreeze(f"`{name}.{min(used - SHELL_LIST)}` is IPython's")
            value = list(value)
        return frozen(name, value, self._vault.secrets)

    def _wanted(self, demand: Demand) -> Iterator[tuple[str, str, str]]:
        for name, reason in self._asked.items():
            yield name, "RPS108", reason
        facts = [demand.timeline.facts[place] for place in sorted(demand.kept)]
        stored = {name for fact in facts for name in fact.names.stores}
        for name, missing in sorted(demand.missing.items()):
            if missing.deleted is None and name not in stored | IPYTHON_NAMES and not self._has_source(name, demand):
                yield name, "RPS105", "is defined by no cell"
        for fact in facts:
            names = _named(fact)
            if fact.plumbing.startswith("opaque !"):
                yield from ((name, "RPS111", "is the output of a shell command") for name in names)
            elif fact.plumbing.startswith("opaque"):
                yield from ((name, "RPS112", f"comes from {fact.plumbing[7:]}") for name in names)
            elif fact.statement.partial:
                yield from ((name, "RPS107", "was left by a statement that raised before its end") for name in names)
        runs = Counter((fact.statement.cell.text, fact.statement.line) for fact in facts if _repeats(fact))
        for fact in facts:
            count = runs[fact.statement.cell.text, fact.statement.line]
            if _repeats(fact) and count > REPEATS:
                said = f"changed each time that its cell ran, {count} times"
                yield from ((name, "RPS104", said) for name in _named(fact))

    @staticmethod
    def _has_source(name: str, demand: Demand) -> bool:
        return bool(demand.timeline.reach(name, demand.timeline.end).positions)


def _repeats(fact: Fact) -> bool:
    own = fact.names.uses & fact.names.defs or fact.effects.changed
    return bool(own) and fact.statement.alias is None and not fact.is_code and not fact.statement.frozen


def _named(fact: Fact) -> list[str]:
    """The names that a statement binds, and those of the objects that it changes."""
    changed = {root for root, tier, _ in fact.effects.changed if ":" not in root and tier >= LIKELY}
    return sorted(fact.names.defs | fact.names.maydefs | changed)


def _chains(demand: Demand, place: int) -> frozenset[tuple[str, str]]:
    return demand.timeline.facts[place].names.chains


def _refusal(name: str, code: str, why: CannotFreeze) -> Finding:
    said = f"`{name}` cannot be exported as a value: {why}"
    return Finding("RPS133" if why.too_large else code, "error", said, MAKE)


def _changed_by(function: str, program: Program) -> set[str]:
    """The globals that a job may change or bind, by what the handler's own code says."""
    seen: set[int] = set()
    found: set[str] = set()
    names = names_in(function)
    for name in names.uses | names.deferred:
        code = code_of(program, name)
        methods = [
            item
            for each in program.lineage(code.classes)
            for node in program.classes.get(each, ())
            for item in node.body
            if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        for item in [*code.functions, *code.makers, *methods]:
            if id(item) not in seen:
                seen.add(id(item))
                found |= _written(item, program)
    return found


def _written(function: Function, program: Program) -> set[str]:
    effects = program.summary(function)
    roots = {root.removeprefix(NOTED).removesuffix("[]") for root, tier, _ in effects.changed if tier >= LIKELY}
    return {root for root in roots | effects.rebound if root.isidentifier()}


def _written_by(fact: Fact, live: Mapping[str, Any]) -> set[int]:
    """The containers and objects that a statement itself writes into, as they are now."""
    roots = {root for root, _, deep in fact.effects.changed if not deep and root in live}
    return {id(live[root]) for root in roots if not isinstance(live[root], str | bytes | int | float | None)}
