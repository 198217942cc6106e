"""Imports with only the names that are needed, and star imports with names instead of the star."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rp_notebook.export.timeline import Fact

if TYPE_CHECKING:
    from rp_notebook.export.slicing import Kept


def narrowed(
    kept: Sequence[Kept], units: Sequence[int], facts: Sequence[Fact], through_star: Mapping[int, set[str]]
) -> list[Kept]:
    """The kept statements with the names of one import in one statement again; the rest as they are."""
    found: list[Kept] = []
    place = 0
    while place < len(kept):
        fact = facts[place]
        if fact.statement.alias is None:
            found.append(kept[place])
            place += 1
            continue
        last = place
        while last < len(kept) and units[last] == units[place] and facts[last].statement.alias is not None:
            last += 1
        found.append(_import(kept[place], facts[place:last], through_star))
        place = last
    return found


def _import(kept: Kept, facts: Sequence[Fact], through_star: Mapping[int, set[str]]) -> Kept:
    kept = replace(kept, touches=frozenset().union(*(fact.touches for fact in facts)))
    node = facts[0].statement.node
    assert isinstance(node, ast.Import | ast.ImportFrom)
    aliases = [fact.statement.alias for fact in facts if fact.statement.alias is not None]
    if facts[0].star:
        names = through_star.get(facts[0].position)
        aliases = [ast.alias(name) for name in sorted(names)] if names else aliases
    elif len(aliases) == len(node.names):
        return kept
    head, last = kept.text.split("\n"), kept.text.split("\n")[-1]
    above = [line for line in head[: len(head) - 1] if line.lstrip().startswith("#")]
    end = last.encode()[node.end_col_offset :].decode() if node.lineno == node.end_lineno else ""
    text = "\n".join([*(line.lstrip() for line in above), spelled(node, aliases) + end])
    numbers = (*kept.numbers[: len(above)], kept.numbers[len(head) - 1])
    return replace(kept, text=text, numbers=numbers)


def spelled(node: ast.Import | ast.ImportFrom, aliases: Sequence[ast.alias]) -> str:
    """The text of an import of these names."""
    names = ", ".join(f"{a.name} as {a.asname}" if a.asname else a.name for a in aliases)
    if isinstance(node, ast.Import):
        return f"import {names}"
    return f"from {'.' * node.level}{node.module or ''} import {names}"
