"""Names that stand in texts which code evaluates: `eval("x * RATE")`, `df.query("v > @LIMIT")`."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from itertools import takewhile

from rp_notebook.export.trees import walk

QUERIES = frozenset({"query", "eval"})  # methods of a DataFrame whose text means variables by `@name`


def spoken_by(part: ast.AST) -> set[str]:
    """The names in a text that one node of some code evaluates."""
    match part:
        case ast.Call(func=ast.Name(id="eval"), args=[ast.Constant(value=str() as text), *_]):
            return names_in_text(text)
        case ast.Call(func=ast.Attribute(attr="query" | "eval"), args=[text, *_]):
            texts = [n.value for n in walk(text) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            marked = [rest for each in texts for rest in each.split("@")[1:]]
            return {"".join(takewhile(lambda char: char.isalnum() or char == "_", rest)) for rest in marked} - {""}
    return set()


def names_in_text(text: str) -> set[str]:
    """The names of an expression's text; of one that does not parse, none."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return set()
    return {node.id for node in walk(tree) if isinstance(node, ast.Name)}


def evaluated(nodes: Iterable[ast.AST]) -> set[str]:
    """The names of variables whose text these nodes evaluate."""
    found: set[str] = set()
    for part in nodes:
        match part:
            case ast.Call(func=ast.Name(id="eval"), args=[ast.Name(id=name), *_]):
                found.add(name)
    return found
