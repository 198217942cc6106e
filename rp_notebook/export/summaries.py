"""What each function of the notebook does when it is called, worked out until nothing more is found."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from rp_notebook.export.binding import assigned
from rp_notebook.export.effects import read_function
from rp_notebook.export.local_programs import DEPTH, local_programs
from rp_notebook.export.program import Effects, Function, Program, program_of
from rp_notebook.export.project import NO_PROJECT, Project
from rp_notebook.export.statements import Statement
from rp_notebook.export.trees import walk

ROUNDS = 12  # calls nested deeper than this, against the order of definition, are not followed


def summarised(
    statements: Sequence[Statement], ours: Iterable[str], project: Project = NO_PROJECT, depth: int = DEPTH
) -> Program:
    """The program of these statements with the effects of each of its functions.

    Modules of the user's own are followed to that `depth`.
    """
    program = program_of(statements, ours, project)
    if depth < DEPTH:  # others read what a module counts
        program = replace(program, counters=frozenset(), takes_notes=False)
    program = replace(program, local=local_programs(statements, _of_module, depth))
    functions = dict.fromkeys(_functions(program))
    known: dict[int, Effects] = {}
    asked: dict[int, set[int]] = {}
    changed: set[int] | None = None
    for _ in range(ROUNDS):
        found = dict(known)
        noted = _Noted(known)
        reading = replace(program, summaries=noted)
        for function in functions:
            if changed is None or asked[id(function)] & changed:  # the others would be read as before
                noted.asked = asked[id(function)] = set()
                found[id(function)] = read_function(reading, function)
        changed = {each for each, effects in found.items() if known.get(each) != effects}
        if not changed:
            break
        known = found
    return replace(program, summaries=known)


def _of_module(statements: Sequence[Statement], depth: int) -> Program:
    return summarised(statements, (), depth=depth)


class _Noted(Mapping[int, Effects]):
    """Summaries that note which of them were asked for."""

    def __init__(self, known: Mapping[int, Effects]) -> None:
        self._known = known
        self.asked: set[int] = set()

    def __getitem__(self, function: int) -> Effects:
        self.asked.add(function)
        return self._known[function]

    def __iter__(self) -> Iterator[int]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _functions(program: Program) -> Iterator[Function]:
    for functions in program.functions.values():
        yield from functions
    for classes in program.classes.values():
        for node in classes:
            yield from (item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef))
            bound = [value for item in node.body for _, value in assigned(item)]
            yield from (part for value in bound for part in walk(value) if isinstance(part, ast.Lambda))
    for patches in program.patches.values():
        yield from patches
    for values in (*program.values.values(), *program.put.values()):
        for value in values:
            yield from (part for part in walk(value) if isinstance(part, ast.Lambda))
