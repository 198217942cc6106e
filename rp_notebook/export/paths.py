"""The paths that an expression may stand for, told from the text and from live values; nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rp_notebook.export.bindings import Bound, Each
from rp_notebook.export.path_texts import HOLE, Text, added, below, expanded, holed, of_value, parent, renamed

MOST = 64  # texts for one expression; a table of more files than this is a folder
DEPTH = 12  # names that lead to names: deeper is not followed

_PATHS = frozenset({"Path", "PurePath", "PosixPath", "PurePosixPath"})
# Functions and methods that give the same place in another spelling.
_SAME = frozenset({"str", "fspath", "abspath", "realpath", "normpath", "resolve", "absolute", "as_posix", "strip"})


@dataclass(frozen=True)
class Scope:
    """What the names of a scope are bound to, all versions of each; None among them is something unknown.

    Attributes that are assigned somewhere stand under `.name`. `live` are a kernel's values, for the outermost scope.
    """

    bound: Mapping[str, Sequence[Bound]]
    live: Mapping[str, Any]
    above: Scope | None = None
    # What was found of names and their displays, by how deep one may still look: names lead to names by many ways.
    _texts: dict[tuple[str, int], list[Text]] = field(default_factory=dict, repr=False, compare=False)
    _displays: dict[tuple[str, type, int], list[Any]] = field(default_factory=dict, repr=False, compare=False)

    def texts(self, node: ast.expr, depth: int = DEPTH) -> list[Text]:
        """The texts that an expression may be, () where nothing is known of it."""
        if depth == 0:
            return []
        return list(dict.fromkeys(self._read(node, depth - 1)))[:MOST]

    def _read(self, node: ast.expr, depth: int) -> Iterator[Text]:
        match node:
            case ast.Constant(value=str() as text):
                yield Text(text, node, text)
            case ast.JoinedStr(values=parts):
                yield from self._formatted(node, parts, depth)
            case ast.Name(id=name):
                yield from self._named(name, depth)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                for one in self.texts(left, depth):
                    yield from (added(one, other) for other in self._known_or_hole(right, depth))
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                yield from self._joined([left, right], depth)
            case ast.BinOp(left=left, op=ast.Mod()):
                yield from (holed(text, "%") for text in self.texts(left, depth))
            case ast.IfExp(body=one, orelse=other):
                yield from [*self.texts(one, depth), *self.texts(other, depth)]
            case ast.BoolOp(values=values):
                yield from (text for value in values for text in self.texts(value, depth))
            case ast.NamedExpr(value=value) | ast.Await(value=value):
                yield from self.texts(value, depth)
            case ast.Attribute():
                yield from self._attribute(node, depth)
            case ast.Subscript(slice=ast.Constant(value=key)):
                yield from self._item(node, key, depth)
            case ast.Call():
                yield from self._called(node, depth)

    def _known_or_hole(self, node: ast.expr, depth: int) -> list[Text]:
        if isinstance(node, ast.Constant) and not isinstance(node.value, str):
            return [Text(str(node.value))]
        return self.texts(node, depth) or [Text(HOLE)]

    def _formatted(self, node: ast.JoinedStr, parts: Sequence[ast.expr], depth: int) -> Iterator[Text]:
        found = [Text("", node)]
        for number, part in enumerate(parts):
            if isinstance(part, ast.Constant):
                more = [Text(str(part.value))]
            elif isinstance(part, ast.FormattedValue) and part.conversion == -1 and part.format_spec is None:
                more = self._known_or_hole(part.value, depth)
            else:
                more = [Text(HOLE)]
            if number:
                found = [added(one, other) for one in found for other in more]
            elif isinstance(part, ast.Constant):
                found = [Text(one.text, node, one.text) for one in more]
            else:  # it begins with what a name stands for
                found = more
        yield from found

    def _joined(self, parts: Sequence[ast.expr], depth: int) -> Iterator[Text]:
        found = self.texts(parts[0], depth) if parts else []
        for part in parts[1:]:
            others = [Text(HOLE)] if isinstance(part, ast.Starred) else self._known_or_hole(part, depth)
            found = [below(one, other) for one in found for other in others]
        yield from found

    def _named(self, name: str, depth: int) -> Iterator[Text]:
        scope = self._binding(name)
        found = scope.bound_to(name, depth) if scope is not None else []
        yield from found
        if not found and (scope is None or scope.above is None):
            yield from of_value(self.live.get(name))
        elif found and scope is not None and scope.above is not None and None in scope.bound[name]:
            yield Text(HOLE)

    def _binding(self, name: str) -> Scope | None:
        """The scope that binds a name: this one, or one around it."""
        scope: Scope | None = self
        while scope is not None and name not in scope.bound:
            scope = scope.above
        return scope

    def bound_to(self, name: str, depth: int) -> list[Text]:
        """The texts of a name that this scope binds."""
        if (name, depth) not in self._texts:
            found: dict[Text, None] = {}
            for value in self.bound[name]:
                known = self.elements(value.of, depth) if isinstance(value, Each) else [value]
                for one in known if len(found) < MOST else ():
                    found |= dict.fromkeys(self.texts(one, depth) if isinstance(one, ast.expr) else ())
            self._texts[name, depth] = list(found)
        return self._texts[name, depth]

    def elements(self, node: ast.expr, depth: int) -> list[ast.expr | None]:
        """The expressions in a list that an expression is, or is a name of."""
        match node:
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                return list(items)
            case ast.Dict(keys=keys):
                return list(keys)
            case ast.Call(
                func=ast.Name(id="sorted" | "list" | "set" | "tuple" | "reversed" | "tqdm"), args=[inner, *_]
            ):
                return self.elements(inner, depth)
            case ast.Call(func=ast.Attribute(value=inner, attr="values" | "items")):
                return [item for value in self.displays(inner, ast.Dict, depth) for item in value.values]
            case ast.Name():
                shown = [d for kind in (ast.List, ast.Tuple, ast.Set) for d in self.displays(node, kind, depth)]
                return [item for one in shown for item in one.elts]
        return [None]

    def displays(self, node: ast.expr, kind: type, depth: int) -> list[Any]:
        """The displays of a kind that an expression is, or is a name of."""
        if isinstance(node, kind):
            return [node]
        if (
            isinstance(node, ast.Call)
            and kind is ast.Dict
            and isinstance(node.func, ast.Name)
            and node.func.id == "dict"
        ):
            named = [item for item in node.keywords if item.arg is not None]
            return [ast.Dict([ast.Constant(item.arg) for item in named], [item.value for item in named])]
        scope = self._binding(node.id) if isinstance(node, ast.Name) and depth > 0 else None
        return scope.shown_as(node.id, kind, depth) if scope is not None else []  # type: ignore[attr-defined] # a Name

    def shown_as(self, name: str, kind: type, depth: int) -> list[Any]:
        """The displays of a kind that a name of this scope stands for."""
        if (name, kind, depth) not in self._displays:
            values = [value for value in self.bound[name] if isinstance(value, ast.expr)]
            found = [shown for value in values for shown in self.displays(value, kind, depth - 1)]
            self._displays[name, kind, depth] = list({id(shown): shown for shown in found}.values())
        return self._displays[name, kind, depth]

    def _attribute(self, node: ast.Attribute, depth: int) -> Iterator[Text]:
        if node.attr == "parent":
            yield from map(parent, self.texts(node.value, depth))
            return
        yield from self.stored(f".{node.attr}", depth)
        yield from of_value(self._live_value(node))

    def stored(self, name: str, depth: int) -> list[Text]:
        """The texts that were stored under an attribute or a key, of whichever object."""
        if self.above is not None:
            return self.above.stored(name, depth)
        if (name, depth) not in self._texts:
            values = [value for value in self.bound.get(name, ()) if isinstance(value, ast.expr)]
            self._texts[name, depth] = list(dict.fromkeys(t for value in values for t in self.texts(value, depth)))
        return self._texts[name, depth]

    def _item(self, node: ast.Subscript, key: Any, depth: int) -> Iterator[Text]:
        for shown in self.displays(node.value, ast.Dict, depth):
            for name, value in zip(shown.keys, shown.values, strict=True):
                if isinstance(name, ast.Constant) and name.value == key:
                    yield from self.texts(value, depth)
        for shown in [d for kind in (ast.List, ast.Tuple) for d in self.displays(node.value, kind, depth)]:
            if isinstance(key, int) and -len(shown.elts) <= key < len(shown.elts):
                yield from self.texts(shown.elts[key], depth)
        yield from self.stored(f"[{key}]", depth)
        yield from of_value(self._live_value(node))

    def _live_value(self, node: ast.expr) -> Any:
        """What the kernel has there, looked up in plain dicts and instances only: nothing of the user's may run."""
        match node:
            case ast.Name(id=name):
                return self.live.get(name)
            case ast.Attribute(value=owner, attr=attr):
                return getattr(self._live_value(owner), "__dict__", {}).get(attr)
            case ast.Subscript(value=owner, slice=ast.Constant(value=key)):
                value = self._live_value(owner)
                if type(value) is dict:
                    return value.get(key)
                if type(value) in (list, tuple) and isinstance(key, int) and -len(value) <= key < len(value):
                    return value[key]
        return None

    def _called(self, node: ast.Call, depth: int) -> Iterator[Text]:
        func, args = node.func, node.args
        leaf = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
        owner = func.value if isinstance(func, ast.Attribute) else None
        dotted = ast.unparse(func) if isinstance(func, ast.Attribute | ast.Name) else ""
        if dotted.endswith(("Path.home",)):
            yield Text(str(Path.home()), node, str(Path.home()))
        elif dotted.endswith(("Path.cwd", "os.getcwd")) or (leaf in _PATHS and not args):
            yield Text(".", node, ".")
        elif leaf in _PATHS or dotted.endswith("path.join"):
            yield from self._joined(args, depth)
        elif leaf == "joinpath" and owner is not None:
            yield from self._joined([owner, *args], depth)
        elif leaf == "expanduser":
            yield from (
                expanded(t)
                for value in [*args[:1], *([owner] if owner and not args else [])]
                for t in self.texts(value, depth)
            )
        elif leaf in _SAME:
            yield from self.texts(args[0] if args else owner or node, depth) if args or owner else []
        elif leaf == "dirname" and args:
            yield from map(parent, self.texts(args[0], depth))
        elif leaf in ("with_suffix", "with_name") and owner is not None and args:
            for text in self.texts(owner, depth):
                yield from (renamed(text, leaf, other) for other in self.texts(args[0], depth))
        elif leaf == "format" and owner is not None:
            yield from (holed(text, "{") for text in self.texts(owner, depth))
        elif dotted.endswith(("environ.get", "getenv")) and len(args) > 1:
            yield from self.texts(args[1], depth)
