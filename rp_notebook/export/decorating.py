"""What making a function or class does beyond binding its name: decorators, metaclasses, `__init_subclass__`."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rp_notebook.export.cutting import root_name
from rp_notebook.export.library import path_of
from rp_notebook.export.links import HOLDER, SAME
from rp_notebook.export.program import MUST, PARAMETER
from rp_notebook.export.store_looks import FILL

if TYPE_CHECKING:
    from rp_notebook.export.expressions import Expressions as Reading


def decorate(reading: Reading, item: ast.expr, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
    """A decorator may keep what it decorates: `@register("a")`, `@app.route("/")`, `@show.register`."""
    target = item.func if isinstance(item, ast.Call) else item
    path = path_of(target, reading.program, reading.locals)
    if path:
        reading.changed.add((f"module:{path.split('.')[0]}", MUST, False))
        return
    root = root_name(item)
    kept = frozenset({(node.name, SAME)})
    if root in reading.program.functions and isinstance(target, ast.Name):
        for function in reading.program.functions[root]:
            for name, tier, deep in reading.program.summary(function).changed:
                if not name.removeprefix(FILL).startswith(PARAMETER):
                    reading.change(frozenset({(name, SAME)}), tier, deep=deep)
                    reading.edges.add((name, node.name, HOLDER))
    elif root and root not in reading.program.classes:
        reading.change(reading.name(root), MUST, deep=True)
        reading.join(reading.name(root), kept)
    elif root:
        reading.change(reading.name(root), MUST, deep=False)


def derive(reading: Reading, given: Iterable[ast.expr], keywords: Iterable[ast.keyword]) -> None:
    """Making a class runs its metaclass and its bases' `__init_subclass__`."""
    program = reading.program
    bases = program.lineage(base.id for base in given if isinstance(base, ast.Name))
    metas = {
        key.value.id
        for each in [keywords, *(c.keywords for base in sorted(bases) for c in program.classes[base])]
        for key in each
        if key.arg == "metaclass" and isinstance(key.value, ast.Name) and key.value.id in program.classes
    }
    hooked = {base for base in bases if program.methods("__init_subclass__", [base])} if bases else set()
    if program.asks_subclasses:  # each class that is there is among the answers
        for name in sorted(bases):
            reading.change(frozenset({(name, SAME)}), MUST, deep=False)
    for name in sorted(metas | hooked):
        reading.change(frozenset({(name, SAME)}), MUST, deep=False)
        for hook in ("__init_subclass__", "__new__", "__init__"):
            for method in program.methods(hook, [name]):
                for root, tier, deep in program.summary(method).changed:
                    if not root.removeprefix(FILL).startswith(PARAMETER):
                        reading.change(frozenset({(root, SAME)}), tier, deep=deep)
