"""Every finding of the package as its code says it: gathered from the syntax trees, so that there is one truth."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CODE = re.compile(r"RP[SJPX]\d{3}")
SEVERITIES = ("error", "warning", "note")
_LONGEST = 4  # texts that one place may choose between


@dataclass
class Known:
    """What is known of one code: its severities, messages and fixes, each once, in the order of the code."""

    severities: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    fixes: list[str] = field(default_factory=list)


def finding_codes(package: Path) -> dict[str, Known]:
    """All codes that the package can say, in their order."""
    found: dict[str, Known] = {}
    for path in sorted(package.rglob("*.py")):
        for code, texts in _Module(ast.parse(path.read_text("utf-8"))).said():
            _learn(found.setdefault(code, Known()), texts)
    return dict(sorted(found.items()))


def _learn(known: Known, texts: list[list[str]]) -> None:
    told = [choice for choice in texts if not set(choice) & set(SEVERITIES)]
    for choice in texts:
        known.severities += [s for s in choice if s in SEVERITIES and s not in known.severities]
    for kept, choice in zip((known.messages, known.fixes), told, strict=False):
        kept += [text for text in choice if text and text not in kept]


class _Module:
    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._above = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}

    def said(self) -> Iterator[tuple[str, list[list[str]]]]:
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
                for place in self._places(node):
                    yield node.value, [*self._all_texts(_others(place, node)), self._severities(place)]

    def _all_texts(self, arguments: list[ast.expr]) -> list[list[str]]:
        found = [[text for text in self._texts(argument) if not CODE.fullmatch(text)] for argument in arguments]
        return [texts for texts in found if texts]

    def _severities(self, place: ast.AST) -> list[str]:
        """How bad the finding of a place is, where the place does not say it itself: as its module makes findings."""
        if any(isinstance(part, ast.Constant) and part.value in SEVERITIES for part in ast.iter_child_nodes(place)):
            return []
        flags = [k.arg for k in place.keywords if k.arg in SEVERITIES] if isinstance(place, ast.Call) else []
        if flags:
            always = [k.arg for k in place.keywords if isinstance(k.value, ast.Constant)]  # type: ignore[attr-defined]
            return [str(flag) for flag in flags] + ([] if always else ["warning"])
        calls = [
            one for one in ast.walk(self._tree) if isinstance(one, ast.Call) and ast.unparse(one.func) == "Finding"
        ]
        said = [self._texts(one.args[1]) for one in calls if len(one.args) > 1 and isinstance(one.args[0], ast.Name)]
        kinds = list(dict.fromkeys(kind for texts in said for kind in texts))
        return ["warning"] if "error" in kinds and "note" in kinds else kinds

    def _places(self, node: ast.expr) -> list[ast.AST]:
        """The calls and rows that a code stands in, by the name that it was given first, if any."""
        above = self._above[node]
        while isinstance(above, ast.IfExp):
            above = self._above[above]
        if isinstance(above, ast.Assign) and isinstance(above.targets[0], ast.Name):
            name, scope = above.targets[0].id, self._scope(above)
            uses = [one for one in ast.walk(scope) if isinstance(one, ast.Name) and one.id == name]
            return [self._above[one] for one in uses if isinstance(self._above[one], ast.Call)] or [above]
        return [above]

    def _scope(self, node: ast.AST) -> ast.AST:
        while not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
            node = self._above[node]
        return node

    def _texts(self, node: ast.expr, depth: int = 5) -> list[str]:
        """The texts that an expression may be, with «names» for what only a run knows; none for what is no text."""
        if depth == 0:
            return []
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=parts):
                return ["".join(p.value if isinstance(p, ast.Constant) else _hole(p) for p in parts)]
            case ast.IfExp(body=one, orelse=other):
                return [*self._texts(one, depth - 1), *self._texts(other, depth - 1)][:_LONGEST]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                ends = self._texts(right, depth - 1) or ["…"]
                return [a + b for a in self._texts(left, depth - 1) for b in ends][:_LONGEST]
            case ast.Call(func=ast.Name(id="str"), args=[value]):
                return [_hole(value)]
            case ast.Name(id=name):
                return self._assigned(node, name, depth)
        return []

    def _assigned(self, node: ast.expr, name: str, depth: int) -> list[str]:
        for scope in (self._scope(node), self._tree):
            values = [
                (one.lineno, one.value)
                for one in ast.walk(scope)
                if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name) and one.targets[0].id == name
            ]
            before = sorted((v for v in values if v[0] <= node.lineno or scope is self._tree), key=lambda v: v[0])
            if before:
                return self._texts(before[-1][1], depth - 1)
            annotated = [
                one.value
                for one in ast.walk(scope)
                if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and one.target.id == name
            ]
            if annotated and annotated[0] is not None:
                return self._texts(annotated[0], depth - 1)
        return []


def _others(place: ast.AST, node: ast.expr) -> list[ast.expr]:
    match place:
        case ast.Call(args=args):
            return [arg for arg in args if arg is not node]
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return [item for item in items if item is not node]
    return []


def _hole(part: ast.expr) -> str:
    node = part.value if isinstance(part, ast.FormattedValue) else part
    while isinstance(node, ast.Call) and node.args:
        node = node.args[0]
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return f"«{name.strip('_').replace('_', ' ')}»"
    return "…"
