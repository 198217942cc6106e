"""Which paths some code reads, lists or writes, in the order in which it does."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from rp_notebook.export.bindings import bound_in
from rp_notebook.export.file_tables import (
    FOLDERS,
    LOOKUPS,
    MATCHERS,
    MODULE_READERS,
    READERS,
    SECOND_WRITERS,
    WRITER_PREFIXES,
    WRITERS,
)
from rp_notebook.export.path_texts import Text, below
from rp_notebook.export.paths import Scope
from rp_notebook.export.trees import walk

# read: opened as a file; folder: its files are; mention: only named; write: made here; enter: the directory from here;
# leave: back from there.
Kind = Literal["read", "folder", "mention", "write", "enter", "leave"]
# Contexts with another directory: the standard library's, and what people call theirs.
_ENTERING = frozenset({"chdir", "cd", "pushd", "working_directory", "change_dir", "in_dir"})
# Calls that ask whether a file is there.
LOOKS = frozenset({"exists", "lexists", "isfile", "is_file", "isdir", "is_dir", "getsize", "stat"})
_LONGEST = 1000  # characters: a longer text is no path
# What is in these may not run, or its failure may be caught.
_DOUBTFUL = (
    *(ast.If, ast.Try, ast.While, ast.For, ast.AsyncFor, ast.Match, ast.IfExp, ast.BoolOp),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)


@dataclass(frozen=True)
class Use:
    """One use of a path, which may be any of `texts`.

    `certain` says that importing the module comes by here and fails without the file, `later` that a function does it.
    `line` counts from 1 in the statement. `call` is the name of what was called, for a message.
    """

    kind: Kind
    texts: tuple[Text, ...]
    line: int
    certain: bool = False
    later: bool = False
    call: str = ""


def origins_of(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """The dotted paths that imported names stand for, those of imports inside functions too."""
    found: dict[str, str] = {}
    for part in (inner for node in nodes for inner in walk(node)):
        if isinstance(part, ast.Import):
            found |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in part.names
            }
        elif isinstance(part, ast.ImportFrom) and not part.level:
            found |= {a.asname or a.name: f"{part.module}.{a.name}" for a in part.names}
    return found


class Opened(ast.NodeVisitor):
    """Walks one statement; what it found is in `uses`.

    `origins` are the dotted paths that imported names stand for.
    """

    def __init__(self, scope: Scope, origins: Mapping[str, str]) -> None:
        self.uses: list[Use] = []
        self._scope = scope
        self._origins = origins
        self._depth = 0  # of functions
        self._doubt = 0  # of blocks that may not run

    def _add(self, kind: Kind, node: ast.expr, *, certain: bool = False, call: str = "") -> None:
        texts = tuple(t for t in self._scope.texts(node) if 0 < len(t.text) < _LONGEST and "\n" not in t.text)
        if texts:
            sure = certain and len(texts) == 1 and not self._depth and not self._doubt
            self.uses.append(Use(kind, texts, node.lineno, sure, bool(self._depth), call))

    def visit(self, node: ast.AST) -> None:
        """Takes what the node and those below it do with paths."""
        doubtful = isinstance(node, _DOUBTFUL)
        self._doubt += doubtful
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            self._function(node)
        else:
            super().visit(node)
        self._doubt -= doubtful

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        body = node.body if isinstance(node.body, list) else [node.body]
        for part in [*getattr(node, "decorator_list", ()), *node.args.defaults, *filter(None, node.args.kw_defaults)]:
            self.visit(part)
        outer = self._scope
        self._scope = Scope(bound_in([node.args, *body], outermost=False), outer.live, outer)
        self._depth += 1
        for part in body:
            self.visit(part)
        self._depth -= 1
        self._scope = outer

    def visit_Expr(self, node: ast.Expr) -> None:
        if not (isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)):  # else a docstring
            self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)
        if not isinstance(node.slice, ast.Constant):
            self.visit(node.slice)

    def visit_Dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None and not isinstance(key, ast.Constant):
                self.visit(key)
            self.visit(value)

    def visit_Compare(self, node: ast.Compare) -> None:
        for part in [node.left, *node.comparators]:
            if not isinstance(part, ast.Constant):
                self.visit(part)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._add("mention", node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Div | ast.Add):
            self._add("mention", node)
        self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._add("mention", node)
        for part in node.values:  # its own texts are parts of a path
            if isinstance(part, ast.FormattedValue):
                self.visit(part.value)

    def visit_With(self, node: ast.With) -> None:
        before = len(self.uses)
        for item in node.items:
            call = item.context_expr
            if isinstance(call, ast.Call) and call.args and self._origin(call.func).rpartition(".")[2] in _ENTERING:
                self._add("enter", call.args[0])
        entered = len(self.uses) > before
        self.generic_visit(node)
        if entered:
            self.uses.append(Use("leave", (), node.end_lineno or node.lineno, later=bool(self._depth)))

    def visit_Call(self, node: ast.Call) -> None:
        func = node.func
        leaf = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
        owner = func.value if isinstance(func, ast.Attribute) else None
        args = [*node.args, *(keyword.value for keyword in node.keywords)]
        if leaf == "open" or self._origin(func) in MODULE_READERS or leaf in READERS:
            self._opened(node, leaf, owner)
        elif self._origin(func) == "os.chdir" and args:
            self._add("enter", args[0])
        elif leaf in WRITERS or (leaf.startswith(WRITER_PREFIXES) and leaf not in READERS):
            written = args[1:] if leaf in SECOND_WRITERS else [*args, *([owner] if owner is not None else [])]
            for part in written:
                self._add("write", part, call=leaf)
        elif leaf in MATCHERS and owner is not None and args and self._scope.texts(owner):
            texts = [below(one, other) for one in self._scope.texts(owner) for other in self._scope.texts(args[0])]
            self.uses.append(Use("folder", tuple(texts), node.lineno, later=bool(self._depth), call=leaf))
        elif leaf in FOLDERS or leaf.endswith(("Dataset", "Loader")):
            for part in [*args, *([owner] if owner is not None and not args else [])]:
                self._add("folder", part, call=leaf)
        else:
            self._add("mention", node)
            for part in [*args[:1], *([owner] if owner is not None and not args else [])] if leaf in LOOKS else ():
                self._add("mention", part, call=leaf)
        looked_up = leaf in LOOKUPS and args and isinstance(args[0], ast.Constant)
        for part in [func, *(args[1:] if looked_up else args)]:
            self.visit(part)

    def _opened(self, node: ast.Call, leaf: str, owner: ast.expr | None) -> None:
        """An opening call: of its first argument, or, as a method of a path, of its receiver."""
        module_function = isinstance(owner, ast.Name) and owner.id in self._origins
        method = owner is not None and not module_function and leaf in ("open", "read_text", "read_bytes")
        path = owner if method else node.args[0] if node.args else node.keywords[0].value if node.keywords else None
        if path is None:
            return
        modes = [*node.args[0 if method else 1 :][:1], *(k.value for k in node.keywords if k.arg == "mode")]
        mode = next((m.value for m in modes if isinstance(m, ast.Constant) and isinstance(m.value, str)), "r")
        if leaf in ("open", "ZipFile", "File") and mode.startswith(("w", "x", "a")):
            self._add("write", path, call=leaf)
        else:  # of a library that is not known, `open` may make what is not there
            known = leaf in READERS or self._origin(node.func) in MODULE_READERS or method
            self._add("read", path, certain=known, call=leaf)

    def _origin(self, func: ast.expr) -> str:
        if isinstance(func, ast.Name):
            return self._origins.get(func.id, func.id)
        if isinstance(func, ast.Attribute):
            return f"{self._origin(func.value)}.{func.attr}"
        return ""
