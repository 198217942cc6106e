"""The text of handler.py: imports, then what the handler needs in the order in which it ran, then the start."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass

from rp_notebook.errors import ExportRefused
from rp_notebook.export.slicing import Kept, Slice
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.finding import Finding

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Module:
    """`lines` has `(cell, line)` for each line of `text`, None for ours; `imports` are modules, without stdlib."""

    text: str
    lines: tuple[tuple[int, int] | None, ...]
    imports: frozenset[str]


def module_of(slice_: Slice, declaration: Declaration) -> Module:
    """The module of a slice. Raises `ExportRefused` when it would not run: a name is undefined in it."""
    rows: list[tuple[str, tuple[int, int] | None]] = [(f'"""RunPod worker: {declaration.name}."""', None)]
    futures, imports, rest = _ordered(slice_.kept)
    if futures:
        rows += [("", None), *_rows_once(futures)]
    rows += [("", None), *_rows_once(imports)]
    if not any(text == "import runpod" for text, _ in rows):
        rows.append(("import runpod", None))
    previous: Kept | None = None
    for kept in rest:
        rows += [("", None)] * _blank_lines(previous, kept)
        rows += _rows(kept)
        previous = kept
    rows += [("", None), ("", None), ('if __name__ == "__main__":', None)]
    start = f"    runpod.serverless.start({declaration.start_config})"
    rows += [(line, None) for line in start.split("\n")]
    text = "\n".join(text for text, _ in rows) + "\n"
    _check(text)
    return Module(text, tuple(source for _, source in rows), _imports(ast.parse(text)))


def _ordered(kept: tuple[Kept, ...]) -> tuple[list[Kept], list[Kept], list[Kept]]:
    """Imports move up over definitions and plain assignments, never over what might change what they find."""
    futures, imports, rest = [], [], []
    open_ = True
    for each in kept:
        if isinstance(each.node, ast.ImportFrom) and each.node.module == "__future__":
            futures.append(each)
        elif isinstance(each.node, ast.Import | ast.ImportFrom) and open_:
            imports.append(each)
        else:
            rest.append(each)
            open_ = open_ and not _may_matter(each.node)
    return futures, imports, rest


def _may_matter(node: ast.stmt) -> bool:
    if isinstance(node, DEFINITIONS):
        return bool(node.decorator_list) and any(isinstance(each, ast.Call) for each in node.decorator_list)
    return "environ" in ast.unparse(node) or "sys.path" in ast.unparse(node) or isinstance(node, ast.Try | ast.If)


def _rows(kept: Kept) -> list[tuple[str, tuple[int, int] | None]]:
    return [(line, (kept.cell, kept.first + offset)) for offset, line in enumerate(kept.text.split("\n"))]


def _rows_once(kept: list[Kept]) -> list[tuple[str, tuple[int, int] | None]]:
    seen: set[str] = set()
    rows = []
    for each in kept:
        if each.text not in seen:
            rows += _rows(each)
        seen.add(each.text)
    return rows


def _blank_lines(previous: Kept | None, kept: Kept) -> int:
    if isinstance(kept.node, DEFINITIONS) or (previous is not None and isinstance(previous.node, DEFINITIONS)):
        return 2
    return 1 if previous is None or previous.cell != kept.cell else 0


def _check(text: str) -> None:
    from pyflakes import checker, messages

    found = checker.Checker(ast.parse(text)).messages
    undefined = sorted({str(m.message_args[0]) for m in found if isinstance(m, messages.UndefinedName)})
    if undefined:
        message = f"the exported module would use {', '.join(undefined)}, which nothing in it defines"
        raise ExportRefused([Finding("RPS109", "error", message, "define it in a cell that the handler needs")])


def _imports(tree: ast.AST) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return frozenset(name for name in names if name.split(".")[0] not in sys.stdlib_module_names)
