"""Which names `from module import *` brings, found without running the user's modules."""

from __future__ import annotations

import ast
import importlib
import sys
from importlib.machinery import PathFinder
from pathlib import Path

from rp_notebook.export.tables import STDLIB
from rp_notebook.export.trees import walk

DEPTH = 4  # star imports that lead through more modules than this are given up


def star_names(module: str, cwd: str = "", *, loaded: bool = False) -> frozenset[str] | None:
    """The public names of a module, None when they cannot be known. `loaded`: what a running kernel loaded counts."""
    top = module.split(".")[0]
    if top in STDLIB:
        return _public_of(importlib.import_module(module))
    if loaded and module in sys.modules:
        return _public_of(sys.modules[module])
    path = source_of(module, cwd)
    return _public_in(path, module, cwd, DEPTH) if path is not None else None


def source_of(module: str, cwd: str = "") -> Path | None:
    """The source file of a module that can be imported from `cwd`; nothing is imported for that."""
    places: list[str] | None = [cwd, *sys.path] if cwd else None
    parts = module.split(".")
    for number, part in enumerate(parts, start=1):
        try:
            spec = PathFinder.find_spec(part, places)  # a whole name asks for the parent among the loaded modules
        except (ImportError, ValueError):
            return None
        if spec is None:
            return None
        if number == len(parts):
            return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
        places = list(spec.submodule_search_locations or ())
    return None


def is_found(module: str) -> bool:
    """Whether a top-level module can be imported here."""
    return module in STDLIB or PathFinder.find_spec(module) is not None


def _public_of(module: object) -> frozenset[str]:
    names = getattr(module, "__all__", None)
    return frozenset(names if names is not None else (name for name in vars(module) if not name.startswith("_")))


def _public_in(path: Path, module: str, cwd: str, depth: int) -> frozenset[str] | None:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None
    found: set[str] = set()
    for node in walk(ast.Module([n for n in tree.body if not isinstance(n, ast.ClassDef)], [])):
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            try:
                return frozenset(ast.literal_eval(node.value))
            except ValueError:
                return None
    for node in tree.body:
        found |= _bound(node)
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*" and depth:
            inner = _absolute(node, module, path)
            more = source_of(inner, cwd)
            found |= (_public_in(more, inner, cwd, depth - 1) or set()) if more else set()
    return frozenset(name for name in found if not name.startswith("_"))


def _absolute(node: ast.ImportFrom, module: str, path: Path) -> str:
    if not node.level:
        return node.module or ""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def _bound(node: ast.stmt) -> set[str]:
    found = {n.id for n in walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    for part in walk(node):
        if isinstance(part, ast.Import | ast.ImportFrom):
            found |= {(a.asname or a.name).split(".")[0] for a in part.names if a.name != "*"}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    return found
