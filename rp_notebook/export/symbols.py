"""The names of a statement with scopes inside it, as the compiler's own table tells them."""

from __future__ import annotations

import ast
import symtable

from rp_notebook.export.comprehensions import comprehension_names
from rp_notebook.export.trees import walk

NOW_TABLES = frozenset({"listcomp", "setcomp", "dictcomp", "genexpr"})
Found = tuple[set[str], set[str], set[str], set[str]]


def symbols_of(node: ast.stmt, text: str, *, future: bool) -> Found:
    """Names that a statement reads as it runs and later, that it binds, and globals that functions of it may bind."""
    lazy = "from __future__ import annotations\n" if future else ""
    table = symtable.symtable(lazy + text, "<cell>", "exec")
    inner = comprehension_names(node)
    now = {s.get_name() for s in table.get_symbols() if s.is_referenced()} - inner
    bound = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()} - {"annotations"} - inner
    found: Found = (now, set(), bound, set())
    for child in table.get_children():
        _read(child, found, deferred=False)
    if "global" in text:
        found[1].update(_counted(node))
    return found


def _read(table: symtable.SymbolTable, found: Found, *, deferred: bool) -> None:
    now, later, bound, stores = found
    if table.get_type() not in ("function", "class"):  # annotation scopes and type parameters: read now, by and by
        for child in table.get_children():
            _read(child, found, deferred=deferred)
    is_class = table.get_type() == "class"
    comprehension = table.get_name() in NOW_TABLES
    inside = deferred or not (is_class or comprehension)
    for symbol in table.get_symbols():
        if not symbol.is_global():
            continue
        name = symbol.get_name()
        if symbol.is_referenced():
            (later if inside else now).add(name)
            if table.get_name() == "genexpr":
                later.add(name)
        if symbol.is_assigned() or symbol.is_imported():
            (stores if inside else bound).add(name)
    if table.get_type() in ("function", "class"):
        for child in table.get_children():
            _read(child, found, deferred=inside)


def _counted(node: ast.AST) -> set[str]:
    """Globals that a function adds to: the compiler's table calls `count += 1` no read."""
    names = {name for n in walk(node) if isinstance(n, ast.Global) for name in n.names}
    return names & {n.target.id for n in walk(node) if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)}
