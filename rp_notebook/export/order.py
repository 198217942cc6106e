"""Which statements stand where in the module: imports move up as far as that changes nothing."""

from __future__ import annotations

import ast
from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from rp_notebook.export.cutting import parsed_text, root_name
from rp_notebook.export.layout import Block
from rp_notebook.export.names import Names, names_of
from rp_notebook.export.slicing import Kept
from rp_notebook.export.tables import SCALAR_BUILTINS, STDLIB
from rp_notebook.export.trees import immediate, module_of

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
    before = _Before()
    for number, piece in enumerate(kept):
        if piece.guarded:
            if number < last_open:  # something behind it may need it
                body.append(block_of(piece))
            continue
        node, names = read[piece.text], named[piece.text]
        if not isinstance(node, ast.Import | ast.ImportFrom):
            body.append(block_of(piece))
            before.add(node, names)
            continue
        spelling = ast.unparse(node)
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            future += [block_of(piece)] if spelling not in written else []
        elif before.writes_into(node):
            body.append(block_of(piece))
        elif spelling not in written or names.defs & before.bound:
            (body if before.shows_in(node, names) else imports).append(block_of(piece))
        written.add(spelling)
        before.add_import(node, names)
    return Sections(
        tuple(future), tuple(imports), tuple(body), tuple(p for n, p in enumerate(kept) if p.guarded and n > last_open)
    )


@dataclass
class _Before:
    """What the statements before an import have done that might show in it."""

    bound: set[str] = field(default_factory=set)
    spoken: set[str] = field(default_factory=set)
    quiet: set[str] = field(default_factory=lambda: set(QUIET_BUILTINS))  # names whose calls show in no import
    modules: dict[str, str] = field(default_factory=dict)  # that names were imported from
    written: set[str] = field(default_factory=set)  # modules that may have been written into
    barrier: bool = False
    setting: bool = False

    def add(self, node: ast.stmt, names: Names) -> None:
        self.bound |= names.defs | names.maydefs
        self.spoken |= names.uses | names.defs | names.maydefs
        self.quiet -= names.defs | names.maydefs
        self.barrier |= _is_barrier(node, self.quiet)
        self.setting |= _sets(node)
        self.written |= {self.modules[name] for name in _written_into(node) if name in self.modules}

    def add_import(self, node: ast.Import | ast.ImportFrom, names: Names) -> None:
        self.quiet |= {name for name in names.defs if _is_quiet(node)}
        self.modules |= {alias.asname or alias.name.split(".")[0]: module_of(node, alias) for alias in node.names}

    def writes_into(self, node: ast.Import | ast.ImportFrom) -> bool:
        return isinstance(node, ast.ImportFrom) and node.module in self.written

    def shows_in(self, node: ast.Import | ast.ImportFrom, names: Names) -> bool:
        # What runs before may speak of a name that it binds, too.
        return self.setting or (self.barrier and not _is_stdlib(node)) or bool(names.defs & self.spoken)


def block_of(kept: Kept) -> Block:
    """The text of a kept statement."""
    return Block(kept.text, kept.cell, kept.numbers, kept.guarded, kept.indent)


def _is_stdlib(node: ast.Import | ast.ImportFrom) -> bool:
    relative = isinstance(node, ast.ImportFrom) and node.level > 0
    return not relative and all(module_of(node, alias).split(".")[0] in STDLIB for alias in node.names)


def _is_quiet(node: ast.Import | ast.ImportFrom) -> bool:
    return all(module_of(node, alias).split(".")[0] in QUIET_MODULES for alias in node.names)


def _written_into(node: ast.stmt) -> set[str]:
    """The names of what a statement stores into, or hands to a call."""
    parts = list(immediate(node))
    targets = [p for p in parts if isinstance(p, ast.Attribute | ast.Subscript) and not isinstance(p.ctx, ast.Load)]
    given = [arg for p in parts if isinstance(p, ast.Call) for arg in p.args if isinstance(arg, ast.Name)]
    return {root_name(part) for part in (*targets, *given)}


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
