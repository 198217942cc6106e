"""What functions of the user's own modules do when they are called, as their files say."""

from __future__ import annotations

import ast
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from rp_notebook.export.cells import CellRun
from rp_notebook.export.code_behind import classes_of
from rp_notebook.export.program import FRESH, MUST, NO_EFFECTS, PARAMETER, Effects, Function, Program
from rp_notebook.export.stars import source_of
from rp_notebook.export.statements import Statement, changed
from rp_notebook.export.tables import STDLIB
from rp_notebook.export.trees import walk

DEPTH = 3  # modules that import each other are followed so far
LARGEST = 200_000  # bytes; a longer file was not written by hand
_INSTALLED = frozenset({"site-packages", "dist-packages"})
Summarise = Callable[[Sequence[Statement], int], Program]


def local_programs(statements: Sequence[Statement], summarise: Summarise, depth: int) -> Mapping[str, Program]:
    """The programs of the modules of one's own that some statements import, by dotted name."""
    found: dict[str, Program] = {}
    looked: set[tuple[str, str]] = set()
    for statement in statements if depth else ():
        if statement.alias is None:
            continue
        module = getattr(statement.node, "module", None) or statement.alias.name
        cwd = statement.cell.cwd
        for name in {module, f"{module}.{statement.alias.name}"}:
            if (name, cwd) not in looked and name.split(".")[0] not in STDLIB:
                looked.add((name, cwd))
                path = _own_source(name, cwd)
                if path is not None:
                    found[name] = _program_at(path, path.stat().st_mtime_ns, name, cwd, summarise, depth)
    return found


def _own_source(module: str, cwd: str) -> Path | None:
    path = source_of(module, cwd)
    own = path is not None and path.is_file() and not _INSTALLED & set(path.parts)
    return path if own and path is not None and path.stat().st_size <= LARGEST else None


@lru_cache(maxsize=256)
def _program_at(path: Path, _changed: int, name: str, cwd: str, summarise: Summarise, depth: int) -> Program:
    from rp_notebook.export.rereading import history_of

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    statements = [_absolute(each, package) for each in history_of([CellRun(1, text, cwd=cwd)]).statements]
    parts = (part for statement in statements for part in walk(statement.node))
    texts = frozenset(n.value for n in parts if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return replace(summarise(statements, depth - 1), texts=texts)


def _absolute(statement: Statement, package: str) -> Statement:
    """A relative import of a module in that package as the absolute one that it means."""
    node = statement.node
    if not isinstance(node, ast.ImportFrom) or not node.level:
        return statement
    parts = package.split(".")[: len(package.split(".")) - node.level + 1]
    meant = ast.ImportFrom(".".join([*parts, *([node.module] if node.module else [])]), node.names, 0)
    return changed(statement, node=ast.copy_location(meant, node))


def texts_in(program: Program, modules: Container[str]) -> set[str]:
    """The texts that stand in those modules of one's own, and in the ones that they import."""
    used = [inner for name, inner in program.local.items() if name.split(".")[0] in modules]
    return {text for inner in used for text in (*inner.texts, *texts_in(inner, {n.split(".")[0] for n in inner.local}))}


def called(program: Program, path: str) -> list[tuple[Function, Effects, bool]]:
    """The functions of one's own modules that a dotted path means, with their effects as seen from outside.

    The last tells whether a function is a method, whose receiver is the module's own.
    """
    parts = path.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        inner = program.local.get(".".join(parts[:cut]))
        if inner is not None:
            top, rest = parts[0], parts[cut:]
            if (
                rest[0] in inner.imports and rest[0] not in inner.functions.keys() | inner.classes.keys()
            ):  # it hands it on
                there = called(inner, ".".join([inner.imports[rest[0]], *rest[1:]]))
                return [(function, _outside(effects, top), is_method) for function, effects, is_method in there]
            if len(rest) == 1:
                made = [each for name in ("__init__", "__post_init__") for each in _methods(inner, name, rest[0])]
                plain = inner.functions.get(rest[0], ())
                return [(f, _outside(inner.summary(f), top), f in made) for f in (*plain, *made)]
            return [(f, _outside(inner.summary(f), top), True) for f in _methods(inner, rest[-1], rest[0])]
    return []


def methods(program: Program, makers: set[str], name: str) -> list[tuple[Function, Effects]]:
    """The methods of that name of what calls of these dotted paths make."""
    found = [each for maker in sorted(makers) for each in called(program, f"{maker}.{name}")]
    return [(function, effects) for function, effects, _ in found]


def registers(program: Program, path: str) -> bool:
    """Whether a function of one's own modules changes its module."""
    return any(root.startswith("module:") for _, effects, _ in called(program, path) for root, *_ in effects.changed)


def _methods(inner: Program, name: str, owner: str) -> list[Function]:
    classes = {owner} if owner in inner.classes else classes_of(inner, owner)
    return inner.methods(name, classes) if classes else []


def _outside(effects: Effects, top: str) -> Effects:
    """Effects with the variables of the module for its state as a whole."""
    changed = {each for each in effects.changed if _is_given(each[0]) or ":" in each[0]}
    own = any(tier == MUST for root, tier, _ in effects.changed - changed)
    if own or effects.rebound:
        changed.add((f"module:{top}", MUST, False))
    return replace(
        NO_EFFECTS,
        changed=frozenset(changed),
        later=frozenset(each for each in effects.later if _is_given(each[0])),
        edges=frozenset(edge for edge in effects.edges if _is_given(edge[0]) and _is_given(edge[1])),
        returned=frozenset(each for each in effects.returned if _is_given(each[0])),
    )


def _is_given(root: str) -> bool:
    return root.startswith(PARAMETER) or root == FRESH
