"""Statements that add folders to `sys.path`: where imports were searched, and why the worker does without them."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from rp_notebook.export.cutting import parsed_text
from rp_notebook.export.narrowing import spelled
from rp_notebook.export.paths import Scope
from rp_notebook.export.places import Places
from rp_notebook.export.slicing import Dropped, Kept, Slice
from rp_notebook.export.trees import walk

_WORDS = ("sys.path", "addsitedir")


def is_search_path(node: ast.stmt) -> ast.Call | None:
    """The call of a statement that only adds folders to `sys.path`."""
    call = node.value if isinstance(node, ast.Expr) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
        adds = call.func.attr in ("append", "insert", "extend") and ast.unparse(call.func.value) == "sys.path"
        if adds or ast.unparse(call.func) in ("site.addsitedir",):
            return call
    return None


def searched(statements: Iterable[Kept | Dropped], scope: Scope, places: Places) -> tuple[str, ...]:
    """The folders that statements, kept or not, added to the search path of imports, the first to be searched first."""
    first: list[str] = []
    last: list[str] = []
    for statement in statements:
        cwds = places.found_from(statement.cell, later=False)
        for call in _calls(statement.text):
            folders = [os.path.normpath(Path(cwd) / text) for text in _texts(call, scope) for cwd in cwds]
            found = [folder for folder in folders if Path(folder).is_dir()][:1]
            (first if ast.unparse(call.func).endswith("insert") else last).extend(found)
    return tuple(dict.fromkeys([*reversed(first), *last]))


def _calls(text: str) -> Iterator[ast.Call]:
    if not any(word in text for word in _WORDS):
        return
    try:
        tree = ast.parse(text)
    except SyntaxError:  # it stood in a block
        return
    for node in walk(tree):
        call = is_search_path(node) if isinstance(node, ast.stmt) else None
        if call is not None:
            yield call


def _texts(call: ast.Call, scope: Scope) -> Iterator[str]:
    for argument in call.args:
        for item in argument.elts if isinstance(argument, ast.List | ast.Tuple) else [argument]:
            yield from (text.text for text in scope.texts(item) if text.whole)


def without_search_paths(slice_: Slice, scope: Scope) -> Slice:
    """The slice without the statements that add folders of this machine to `sys.path`: their modules are copied."""
    moved = [
        k
        for k in slice_.kept
        if any(word in k.text for word in _WORDS)
        and not k.guarded
        and _only_adds(ast.parse(k.text).body[0])
        and all([*_texts(call, scope)] for call in _calls(k.text))
    ]
    if not moved:
        return slice_
    nodes = [(k, parsed_text(k.text, k.indent or None)) for k in slice_.kept if k not in moved]
    used = {n.id for _, node in nodes for n in walk(node) if isinstance(n, ast.Name)}
    kept = [piece for k, node in nodes if (piece := _with_used(k, node, used)) is not None]
    left = {(k.cell, k.line) for k in kept}
    why = "modules from there are copied beside handler.py"
    gone = [
        Dropped(k.cell, k.cell_id, k.line, k.last_line, k.text, why)
        for k in slice_.kept
        if (k.cell, k.line) not in left
    ]
    return replace(slice_, kept=tuple(kept), dropped=(*slice_.dropped, *gone))


def _only_adds(node: ast.stmt) -> bool:
    """Whether a statement adds folders to the search path, be it in a loop or after a look whether they are there."""
    if isinstance(node, ast.If | ast.For) and not node.orelse:
        return all(_only_adds(each) for each in node.body)
    return is_search_path(node) is not None


def _with_used(kept: Kept, node: ast.stmt, used: set[str]) -> Kept | None:
    """An import without `sys` and `site` where nothing uses them any more; None where nothing is left of it."""
    if not isinstance(node, ast.Import):
        return kept
    idle = [a for a in node.names if a.name in ("sys", "site") and (a.asname or a.name) not in used]
    if len(idle) == len(node.names):
        return None
    left = [alias for alias in node.names if alias not in idle]
    return replace(kept, text=spelled(node, left), numbers=kept.numbers[-1:]) if idle else kept
