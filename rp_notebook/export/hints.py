"""What annotations name that nothing evaluates: it is taken where something reads them, or where it costs nothing."""

from __future__ import annotations

from rp_notebook.export.demand import Demand, label_of
from rp_notebook.export.tables import STDLIB
from rp_notebook.export.timeline import Fact

HINT_READERS = frozenset({"get_type_hints", "TypeAdapter", "validate_arguments", "validate_call", "signature"})


def ask_for_hints(demand: Demand) -> None:
    """Asks for what the annotations of the statements taken so far name.

    What another package has to be installed for is left out, unless something taken looks at annotations.
    """
    timeline = demand.timeline
    facts = [timeline.facts[place] for place in sorted(demand.kept)]
    noted = [fact for fact in facts if fact.names.soft]
    if not noted:
        return
    looks = any(HINT_READERS & (fact.names.uses | fact.names.deferred) for fact in facts)
    installed = STDLIB | {_package(fact) for fact in facts}
    for fact in noted:
        for name in sorted(fact.names.soft):
            places = timeline.reach(name, timeline.end).positions
            if looks or all(_is_at_hand(timeline.facts[place], installed) for place in places):
                demand.ask(name, timeline.end, label_of(fact), fact.position, soft=True)


def _is_at_hand(fact: Fact, installed: frozenset[str]) -> bool:
    return not fact.plumbing and (fact.statement.alias is None or _package(fact) in installed)


def _package(fact: Fact) -> str:
    """The package that an import is of, empty for any other statement."""
    return fact.statement.module.split(".")[0]
