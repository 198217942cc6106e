"""What each function of the notebook does when it is called, worked out until nothing more is found."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import replace

from rp_notebook.export.effects import read_function
from rp_notebook.export.program import Effects, Function, Program, program_of
from rp_notebook.export.project import NO_PROJECT, Project
from rp_notebook.export.statements import Statement

ROUNDS = 12  # calls nested deeper than this, against the order of definition, are not followed


def summarised(statements: Iterable[Statement], ours: Iterable[str], project: Project = NO_PROJECT) -> Program:
    """The program of these statements with the effects of each of its functions."""
    program = program_of(statements, ours, project)
    functions = list(_functions(program))
    known: dict[int, Effects] = {}
    for _ in range(ROUNDS):
        program = replace(program, summaries=dict(known))
        found = {id(function): read_function(program, function) for function in functions}
        if found == known:
            break
        known = found
    return replace(program, summaries=known)


def _functions(program: Program) -> Iterator[Function]:
    for functions in program.functions.values():
        yield from functions
    for classes in program.classes.values():
        for node in classes:
            yield from (item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef))
    for values in program.values.values():
        for value in values:
            yield from (part for part in ast.walk(value) if isinstance(part, ast.Lambda))
