"""Names that code binds or reads through the dictionary of its module: `globals()["K"] = 1`, `exec("K = 1")`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from rp_notebook.export.trees import walk

ANY = "*"  # stands for a name that only shows when the code runs
SPEAKING = frozenset({"globals", "locals", "vars", "exec"})
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_STORES = frozenset({"update", "setdefault", "__setitem__"})


def is_namespace(node: ast.AST, *, at_module: bool) -> bool:
    """Whether an expression is the module's own dictionary."""
    if not isinstance(node, ast.Call) or node.args or node.keywords or not isinstance(node.func, ast.Name):
        return False
    return node.func.id == "globals" or (at_module and node.func.id in ("locals", "vars"))


def key_of(node: ast.AST, *, at_module: bool) -> str:
    """The name that `globals()[...]` means; ANY where it is worked out, empty for anything else."""
    if not isinstance(node, ast.Subscript) or not is_namespace(node.value, at_module=at_module):
        return ""
    return _text(node.slice)


def pairs(call: ast.Call, *, at_module: bool) -> Iterator[tuple[str, ast.expr | None]]:
    """What `globals().update(K=1)` and its like bind: the names, and the expressions where they are told."""
    func = call.func
    if not isinstance(func, ast.Attribute) or func.attr not in _STORES:
        return
    if not is_namespace(func.value, at_module=at_module):
        return
    yield from ((keyword.arg or ANY, keyword.value if keyword.arg else None) for keyword in call.keywords)
    if func.attr != "update":
        yield from ((_text(key), call.args[1] if len(call.args) > 1 else None) for key in call.args[:1])
        return
    for given in call.args:
        if isinstance(given, ast.Dict):
            for key, value in zip(given.keys, given.values, strict=True):
                yield (ANY, None) if key is None else (_text(key), value)
        else:
            yield ANY, None


def read_key(node: ast.AST, *, at_module: bool) -> str:
    """The name that `globals()["K"]` or `globals().get("K")` reads; empty where it is none, or is worked out."""
    key = key_of(node, at_module=at_module) if isinstance(getattr(node, "ctx", None), ast.Load) else ""
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr="get" | "setdefault" | "pop"), args=[given, *_]) if (
            is_namespace(owner, at_module=at_module)
        ):
            key = _text(given)
    return key if key != ANY else ""


def executed(node: ast.AST) -> list[ast.stmt] | None:
    """The statements of `exec("...")` in the module's namespace; none where its text is worked out, None else."""
    match node:
        case ast.Call(func=ast.Name(id="exec"), args=[text]) if not node.keywords:
            try:
                return ast.parse(text.value).body if isinstance(text, ast.Constant) else []  # type: ignore[arg-type] # caught
            except (SyntaxError, TypeError, ValueError):
                return []
    return None


def speaks(node: ast.AST) -> bool:
    """Whether code may mean names by their text."""
    return any(isinstance(part, ast.Name) and part.id in SPEAKING for part in walk(node))


def bound_by_text(tree: ast.AST) -> frozenset[str]:
    """All names that some code may bind by their text, ANY among them where that is worked out."""
    found: set[str] = set()
    for part in walk(tree):
        stored = isinstance(getattr(part, "ctx", None), ast.Store)
        found |= {key_of(part, at_module=True)} - {""} if stored else set()
        found |= {name for name, _ in pairs(part, at_module=True)} if isinstance(part, ast.Call) else set()
        body = executed(part)
        if body is not None:
            found |= {ANY} if not body else {n.id for inner in body for n in walk(inner) if isinstance(n, ast.Name)}
            found |= {n.name for n in body or () if isinstance(n, DEFINITIONS)}
    return frozenset(found)


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ANY
