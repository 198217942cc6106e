"""Puts a statement that we wrote, with its imports, among those that the cells ran."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from rp_notebook.export.cells import CellRun
from rp_notebook.export.cleaning import Cleaned
from rp_notebook.export.freezing import Frozen
from rp_notebook.export.narrowing import spelled
from rp_notebook.export.program import LIKELY
from rp_notebook.export.statements import History, Statement
from rp_notebook.export.timeline import Timeline
from rp_notebook.export.trees import walk

Insertion = tuple[int, list[Statement]]


def value_statements(name: str, form: Frozen, history: History, timeline: Timeline, unit: int) -> list[Insertion]:
    """Where the value of a name is its last one, the statement that binds it there, and the imports that it takes."""
    end = timeline.end
    places = [*timeline.reach(name, end).positions]
    places += [place for place, tier in timeline.sharing.changes_in(timeline.changes(name, end)) if tier >= LIKELY]
    last = history.statements[max(places)] if places else None
    cell = replace(last.cell, text="", ok=True, tries=None) if last is not None else CellRun(0, "")
    line = last.last_line if last is not None else 0
    names = {bound: _free(bound, text, history) for bound, text in form.imports.items()}
    texts = [_import(form.imports[bound], bound, as_name) for bound, as_name in names.items()]
    made: list[Statement] = []
    for text in [*texts, form.bound(name, names)]:
        node = ast.parse(text).body[0]
        alias = node.names[0] if isinstance(node, ast.Import | ast.ImportFrom) else None
        label = "" if alias else name
        number = unit * 100 - len(made)  # below all that the cells' own statements have
        made.append(Statement(-1, cell, node, text, (line,), number, alias, frozen=label))
    place = last.position + 1 if last is not None else 0
    imports = [each.position + 1 for each in history.statements[:place] if each.alias is not None and not each.guarded]
    return [(max(imports, default=0), made[:-1]), (place, made[-1:])]


def _free(bound: str, text: str, history: History) -> str:
    """The name for an import of ours: the usual one, unless the notebook has another use for it."""
    own = ast.unparse(ast.parse(text))
    for statement in history.statements:
        node = statement.node
        binds = {n.id for n in walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        binds |= {getattr(node, "name", "")}
        if isinstance(node, ast.Import | ast.ImportFrom):
            texts = {(a.asname or a.name).split(".")[0]: spelled(node, [a]) for a in node.names}
            if texts.get(bound, own) != own:
                return f"_{bound}"
        if bound in binds:
            return f"_{bound}"
    return bound


def _import(text: str, bound: str, as_name: str) -> str:
    return text if bound == as_name else f"{text.split(' as ')[0]} as {as_name}"


def inserted_into(clean: Cleaned, inserted: Sequence[Insertion]) -> Cleaned:
    """The history with further statements, each list before the statement at its position."""
    found: list[Statement] = []
    moved: dict[int, int] = {}
    for place in range(len(clean.history.statements) + 1):
        found += [statement for where, made in inserted if where == place for statement in made]
        moved[place] = len(found)
        found += clean.history.statements[place : place + 1]
    statements = tuple(replace(statement, position=place) for place, statement in enumerate(found))
    return Cleaned(
        replace(clean.history, statements=statements),
        {moved[place]: said for place, said in clean.findings.items()},
        {moved[place]: why for place, why in clean.left_out.items()},
        {moved[place]: names for place, names in clean.wanted.items()},
        clean.settings,
    )
