"""Flat handler cells: their run is a try-out, and what the worker needs of them is the function that they stand for."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count

from rp_notebook.errors import BadDeclaration
from rp_notebook.export.cells import CellRun, python_of
from rp_notebook.export.magics import peeled
from rp_notebook.export.timeline import Fact
from rp_notebook.jobs.declaration import Declaration, declared
from rp_notebook.jobs.flat import FlatFunction, flat_function
from rp_notebook.jobs.flat_inputs import Input, is_flat
from rp_notebook.jobs.handler_cell import HandlerCell, handler_cell
from rp_notebook.jobs.scope import Flow, identifiers

OUR_IMPORTS = frozenset({"runpod", "os", "asyncio"})  # a module that we write may import them


def unfolded(cells: Sequence[CellRun], declaration: Declaration) -> tuple[tuple[CellRun, ...], Declaration]:
    """The cells with a flat handler's function behind the cell that stands for it, and how it is declared then.

    Each run of a flat cell is marked as a try-out. The function is called as the handler, unless the notebook has
    another use for that name.
    """
    found: list[CellRun] = []
    latest: tuple[int, CellRun, HandlerCell] | None = None
    for cell in cells:
        handler = handler_cell(cell.text)
        if handler is None or not is_flat(handler.flags):
            found.append(cell)
            continue
        flat = _flat(handler)
        found.append(replace(cell, tries=flat.flat.shared if flat is not None and flat.flat else frozenset()))
        if cell.ok and declaration.flat is not None and flat is not None and flat.name == declaration.name:
            latest = (len(found), cell, handler)
    if latest is None or declaration.flat is None:
        return tuple(found), declaration
    place, cell, handler = latest
    name = _unused(declaration.function, declaration.flat, found)
    function = flat_function(name, declaration.flat.inputs, python_of(handler.body), handler.line)
    found.insert(place, replace(cell, text=function.text, lines=function.lines))
    return tuple(found), replace(declaration, function=name, flat=function)


def without_tryouts(facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """The facts, those of try-outs without what they did to objects and variables that other cells made.

    A try-out is a job, and jobs are no state: what it appended or counted is where it was before. The names that it
    binds are the notebook's, like any cell's, for whoever reads them.
    """
    if all(fact.statement.cell.tries is None for fact in facts):
        return tuple(facts)
    others = {name for fact in facts if fact.statement.cell.tries is None for name in fact.names.defs}
    own: set[str] = set()
    found: list[Fact] = []
    for fact in facts:
        tries = fact.statement.cell.tries
        if tries is None:
            own.clear()
            found.append(fact)
            continue
        called = fact.effects.rebound - Flow([fact.statement.node]).bound
        gone = (tries & others) | called
        names = replace(fact.names, defs=fact.names.defs - gone, maydefs=fact.names.maydefs - gone)
        own |= names.defs | names.maydefs
        effects = replace(
            fact.effects,
            changed=frozenset(item for item in fact.effects.changed if item[0] in own),
            edges=frozenset(edge for edge in fact.effects.edges if {*edge[:2]} <= own),
            rebound=fact.effects.rebound & own,
        )
        found.append(replace(fact, names=names, effects=effects))
    return tuple(found)


def inputs_in(text: str) -> tuple[Input, ...]:
    """The inputs that a flat handler cell declares; none of any other cell."""
    handler = handler_cell(text)
    declaration = _flat(handler) if handler is not None and is_flat(handler.flags) else None
    return declaration.flat.inputs if declaration is not None and declaration.flat is not None else ()


def _flat(handler: HandlerCell) -> Declaration | None:
    try:
        return declared(handler.flags, python_of(handler.body), line=handler.line)
    except (BadDeclaration, SyntaxError, ValueError):  # it ran as an ordinary cell and declares nothing
        return None


def _unused(name: str, function: FlatFunction, cells: Sequence[CellRun]) -> str:
    others = [cell for cell in cells if cell.tries is None and name in cell.text]
    taken = {*vars(builtins), *OUR_IMPORTS, *function.globals}.union(*map(_names, others))
    return next(n for n in chain([name, f"{name}_job"], (f"{name}_job_{n}" for n in count(2))) if n not in taken)


def _names(cell: CellRun) -> set[str]:
    handler = handler_cell(cell.text)
    try:
        return identifiers(ast.parse(python_of(handler.body if handler else peeled(cell.text)[1])))
    except (SyntaxError, ValueError):
        return set()
