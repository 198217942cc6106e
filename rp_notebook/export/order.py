"""Which statements stand where in the module: imports move up as far as that changes nothing."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from rp_notebook.export.layout import Block
from rp_notebook.export.names import Names, immediate, names_of
from rp_notebook.export.slicing import Kept
from rp_notebook.export.tables import STDLIB

DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Sections:
    """The parts of a module, each in the order of execution; `guarded` stands before the start of the worker."""

    future: tuple[Block, ...]
    imports: tuple[Block, ...]
    body: tuple[Block, ...]
    guarded: tuple[Kept, ...]


def ordered(kept: Sequence[Kept]) -> Sections:
    """The kept statements by section. A repeated import is written once."""
    last_open = max((n for n, piece in enumerate(kept) if not piece.guarded), default=-1)
    open_ones = [piece for piece in kept if not piece.guarded]
    nodes = {id(piece): ast.parse(piece.text).body[0] for piece in open_ones}
    names = {id(piece): names_of(nodes[id(piece)]) for piece in open_ones}
    future: list[Block] = []
    imports: list[Block] = []
    body: list[Block] = []
    written: set[str] = set()
    passed: list[Names] = []
    barrier = setting = False
    for number, piece in enumerate(kept):
        if piece.guarded:
            if number < last_open:  # something behind it may need it
                body.append(_block(piece))
            continue
        node = nodes[id(piece)]
        if isinstance(node, ast.Import | ast.ImportFrom):
            spelling = ast.unparse(node)
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                future += [_block(piece)] if spelling not in written else []
            elif spelling in written and not _rebound(names[id(piece)], passed):
                pass
            elif setting or (barrier and not _is_stdlib(node)) or _seen(names[id(piece)], passed):
                body.append(_block(piece))
            else:
                imports.append(_block(piece))
            written.add(spelling)
            continue
        passed.append(names[id(piece)])
        body.append(_block(piece))
        barrier |= _is_barrier(node)
        setting |= _sets(node)
    return Sections(
        tuple(future), tuple(imports), tuple(body), tuple(p for n, p in enumerate(kept) if p.guarded and n > last_open)
    )


def _block(kept: Kept) -> Block:
    return Block(kept.text, kept.cell, kept.numbers, kept.guarded, kept.indent)


def _rebound(names: Names, passed: Sequence[Names]) -> bool:
    return any(names.defs & (each.defs | each.maydefs) for each in passed)


def _seen(names: Names, passed: Sequence[Names]) -> bool:
    """Whether a statement before the import speaks, when it runs, of the name that the import binds."""
    return any(names.defs & (each.uses | each.defs | each.maydefs) for each in passed)


def _is_stdlib(node: ast.Import | ast.ImportFrom) -> bool:
    modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
    relative = isinstance(node, ast.ImportFrom) and node.level > 0
    return not relative and all(module.split(".")[0] in STDLIB for module in modules)


def _is_barrier(node: ast.stmt) -> bool:
    """Whether what a statement does might show in an import behind it: a call, a block, a store into something."""
    if isinstance(node, DEFINITION):
        return bool(node.decorator_list)
    if not isinstance(node, ast.Assign | ast.AnnAssign) or any(isinstance(n, ast.Call) for n in immediate(node)):
        return True
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(not isinstance(target, ast.Name | ast.Tuple) for target in targets)


def _sets(node: ast.stmt) -> bool:
    """Whether a statement sets the environment or the path of imports: no import may move over that."""
    parts = {n.attr for n in immediate(node) if isinstance(n, ast.Attribute)}
    return bool(parts & {"environ", "putenv", "path", "chdir", "meta_path", "modules"}) and not isinstance(
        node, DEFINITION
    )
