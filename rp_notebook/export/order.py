"""Which statements stand where in the module: imports move up as far as that changes nothing."""

from __future__ import annotations

import ast
from collections.abc import Container, Sequence
from dataclasses import dataclass

from rp_notebook.export.cutting import parsed_text, root_name
from rp_notebook.export.layout import Block
from rp_notebook.export.names import names_of
from rp_notebook.export.slicing import Kept
from rp_notebook.export.tables import SCALAR_BUILTINS, STDLIB
from rp_notebook.export.trees import immediate

DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

# Calls of these make a value of what they are given, and leave the process as it is.
QUIET_BUILTINS = SCALAR_BUILTINS | {
    "open",
    "list",
    "dict",
    "set",
    "tuple",
    "frozenset",
    "sorted",
    "range",
    "zip",
    "bytes",
}
QUIET_MODULES = frozenset(
    {"json", "csv", "re", "math", "cmath", "pathlib", "io", "base64", "zlib", "string", "itertools", "collections"}
    | {"datetime", "statistics", "textwrap", "hashlib", "uuid", "struct", "fractions", "decimal", "operator"}
)


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
    read = {text: parsed_text(text) for text in {piece.text for piece in open_ones}}
    named = {text: names_of(node) for text, node in read.items()}
    future: list[Block] = []
    imports: list[Block] = []
    body: list[Block] = []
    written: set[str] = set()
    bound: set[str] = set()  # by what stands before
    spoken: set[str] = set()
    quiet = set(QUIET_BUILTINS)  # names whose calls show in no import
    barrier = setting = False
    for number, piece in enumerate(kept):
        if piece.guarded:
            if number < last_open:  # something behind it may need it
                body.append(block_of(piece))
            continue
        node, names = read[piece.text], named[piece.text]
        if isinstance(node, ast.Import | ast.ImportFrom):
            spelling = ast.unparse(node)
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                future += [block_of(piece)] if spelling not in written else []
            elif spelling in written and not names.defs & bound:
                pass
            elif setting or (barrier and not _is_stdlib(node)) or names.defs & spoken:  # what runs before speaks of it
                body.append(block_of(piece))
            else:
                imports.append(block_of(piece))
            written.add(spelling)
            quiet |= {name for name in names.defs if _is_quiet(node)}
            continue
        bound |= names.defs | names.maydefs
        spoken |= names.uses | names.defs | names.maydefs
        body.append(block_of(piece))
        quiet -= names.defs | names.maydefs
        barrier |= _is_barrier(node, quiet)
        setting |= _sets(node)
    return Sections(
        tuple(future), tuple(imports), tuple(body), tuple(p for n, p in enumerate(kept) if p.guarded and n > last_open)
    )


def block_of(kept: Kept) -> Block:
    """The text of a kept statement."""
    return Block(kept.text, kept.cell, kept.numbers, kept.guarded, kept.indent)


def _is_stdlib(node: ast.Import | ast.ImportFrom) -> bool:
    modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
    relative = isinstance(node, ast.ImportFrom) and node.level > 0
    return not relative and all(module.split(".")[0] in STDLIB for module in modules)


def _is_quiet(node: ast.Import | ast.ImportFrom) -> bool:
    modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
    return all(module.split(".")[0] in QUIET_MODULES for module in modules)


def _is_barrier(node: ast.stmt, quiet: Container[str]) -> bool:
    """Whether what a statement does might show in an import behind it: a call, a block, a store into something."""
    if isinstance(node, DEFINITION):
        return bool(node.decorator_list)
    if not isinstance(node, ast.Assign | ast.AnnAssign) or any(
        isinstance(n, ast.Call) and (root_name(n) not in quiet or _writes(n)) for n in immediate(node)
    ):
        return True
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(not isinstance(target, ast.Name | ast.Tuple) for target in targets)


def _writes(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr.startswith(("write", "dump", "mkdir"))


def _sets(node: ast.stmt) -> bool:
    """Whether a statement sets the environment or the path of imports: no import may move over that."""
    parts = {n.attr for n in immediate(node) if isinstance(n, ast.Attribute)}
    return bool(parts & {"environ", "putenv", "path", "chdir", "meta_path", "modules"}) and not isinstance(
        node, DEFINITION
    )
