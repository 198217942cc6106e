"""Top-level statements of executed cells: their text, the names they bind and need, what they change."""

from __future__ import annotations

import ast
import copy
import symtable
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rp_notebook.export.cells import CellRun, parsed
from rp_notebook.export.declarations import mark_decorator
from rp_notebook.jobs.declaration import start_calls

# Methods that only look. A bare call of any other method of a needed object may change it, and is kept.
PURE_METHODS = frozenset(
    {
        *("head", "tail", "describe", "info", "shape", "get", "keys", "values", "items", "size", "dim"),
        *("show", "plot", "print", "display", "summary", "count", "mean", "sum", "item", "tolist"),
        *("predict", "encode", "decode", "generate", "parameters", "named_parameters", "state_dict"),
        *("save", "to_csv", "to_json"),
    }
)
IGNORED_CALLS = frozenset({"print", "display", "help", "len", "type", "dir", "input"})
OUR_MODULE = "rp_notebook"


@dataclass(frozen=True)
class Statement:
    """One top-level statement of one execution. `changes` are the names whose objects it may change."""

    cell: CellRun
    node: ast.stmt
    text: str
    first: int
    last: int
    defines: frozenset[str]
    needs: frozenset[str]
    later: frozenset[str]
    changes: frozenset[str]
    certain: bool
    problem: str | None = None

    @property
    def is_import(self) -> bool:
        """Whether it only imports."""
        return isinstance(self.node, ast.Import | ast.ImportFrom)


def statements(cells: Sequence[CellRun], function: str) -> list[Statement]:
    """The statements that ran, in order; those of a cell that does not parse are left out."""
    found: list[Statement] = []
    for cell in cells:
        both = parsed(cell.text)
        if both is None or (not cell.ok and cell.failed_line is None):
            continue
        source, tree = both
        previous = 0
        for node in tree.body:
            last = node.end_lineno or node.lineno
            if cell.failed_line is not None and last >= cell.failed_line:
                break
            found.append(_statement(cell, source, node, previous, function))
            previous = last
    return found


def _statement(cell: CellRun, source: str, node: ast.stmt, previous: int, function: str) -> Statement:
    text, first = _text(source, node, previous)
    mark = mark_decorator(node)
    if mark is not None and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        node.decorator_list.remove(mark)  # for its text it was passed over already
    now, later, defines = _names(node)
    return Statement(
        cell, node, text, first, node.end_lineno or first,
        defines, now, later, frozenset(_changed(node, function)), _is_certain(node), _problem(node),
    )  # fmt: skip


def _text(source: str, node: ast.stmt, previous: int) -> tuple[str, int]:
    rows = source.split("\n")
    start, end = _first_line(node), node.end_lineno or node.lineno
    begins_line = not rows[start - 1].encode()[: node.col_offset].strip() or start != node.lineno
    ends_line = rows[end - 1].encode()[node.end_col_offset or 0 :].decode().lstrip().startswith(
        ("#", ";#")
    ) or not rows[end - 1].encode()[node.end_col_offset or 0 :].strip(b"; ")
    if not (begins_line and ends_line):
        return (ast.get_source_segment(source, node) or ""), start
    mark = mark_decorator(node)
    skipped = set(range(mark.lineno, (mark.end_lineno or mark.lineno) + 1)) if mark is not None else set()
    first = start
    while first - 1 > previous and rows[first - 2].startswith("#") and rows[first - 2].strip() != "#":
        first -= 1
    kept = [row for number, row in enumerate(rows[first - 1 : end], start=first) if number not in skipped]
    text = "\n".join(kept).rstrip()
    return (text[:-1].rstrip() if text.endswith(";") else text), first


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(int(decorator.lineno) for decorator in decorators)])


def _names(node: ast.stmt) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """The names a statement needs now, those its functions need when they are called, and those it binds."""
    table = symtable.symtable(ast.unparse(_Unawaited().visit(copy.deepcopy(node))), "<cell>", "exec")
    now = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    defines = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    later: set[str] = set()
    for child in table.get_children():
        _free(child, now, later, deferred=False)
    defines |= {symbol for child in _descend(table) for symbol in _declared_global(child)}
    return frozenset(now), frozenset(later), frozenset(defines)


class _Unawaited(ast.NodeTransformer):
    """Takes `await` off: at top level only IPython allows it, and the compiler's symbol table does not."""

    def visit_Await(self, node: ast.Await) -> ast.AST:
        return self.visit(node.value)  # type: ignore[no-any-return] # NodeVisitor.visit is untyped

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node


def _awaits(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return False
    return isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith) or any(
        _awaits(child) for child in ast.iter_child_nodes(node)
    )


def _descend(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _descend(child)


def _declared_global(table: symtable.SymbolTable) -> Iterator[str]:
    yield from (s.get_name() for s in table.get_symbols() if s.is_declared_global() and s.is_assigned())


def _free(table: symtable.SymbolTable, now: set[str], later: set[str], *, deferred: bool) -> None:
    immediate = table.get_type() == "class" or table.get_name() in ("listcomp", "setcomp", "dictcomp", "genexpr")
    target = later if deferred or not immediate else now
    target |= {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()}
    if table.get_type() == "class":
        target |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and not s.is_assigned()}
    for child in table.get_children():
        _free(child, now, later, deferred=deferred or not immediate)


def _changed(node: ast.stmt, function: str) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        for decorator in node.decorator_list:
            yield from _root(decorator.func if isinstance(decorator, ast.Call) else decorator)
        return
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute | ast.Subscript) and isinstance(each.ctx, ast.Store | ast.Del):
            yield from _root(each)
        elif isinstance(each, ast.AugAssign):
            yield from _root(each.target)
    if isinstance(node, ast.Expr):
        yield from _changed_by_call(node.value, function)
    elif isinstance(node, ast.For | ast.While | ast.If | ast.With | ast.Try):
        for each in ast.walk(node):
            if isinstance(each, ast.Expr):
                yield from _changed_by_call(each.value, function)


def _changed_by_call(value: ast.expr, function: str) -> Iterator[str]:
    call = value.value if isinstance(value, ast.Await) else value
    if not isinstance(call, ast.Call):
        return
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in IGNORED_CALLS or name in PURE_METHODS or name == function:
        return
    if isinstance(call.func, ast.Attribute):
        yield from _root(call.func)
    for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
        yield from _root(argument)


def _root(node: ast.expr) -> Iterator[str]:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    if isinstance(node, ast.Name):
        yield node.id


def _is_certain(node: ast.stmt) -> bool:
    return not isinstance(node, ast.If | ast.For | ast.While | ast.Try | ast.AugAssign | ast.Delete)


def _problem(node: ast.stmt) -> str | None:
    text = ast.unparse(node)
    if "get_ipython()" in text:
        return "a magic or a shell line"
    if isinstance(node, ast.Expr | ast.If) and start_calls(node):
        return "starts the worker"
    if _awaits(node):
        return "a top-level await, which a worker's module cannot hold"
    if OUR_MODULE in text and (isinstance(node, ast.Import | ast.ImportFrom | ast.Expr) or "run_job(" in text):
        return "is ours"
    return None
