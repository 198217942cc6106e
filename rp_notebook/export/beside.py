"""Writes a path of this machine as one beside handler.py, in the text of the statement that says it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from rp_notebook.export.cutting import edited
from rp_notebook.export.slicing import Kept

# These take a path as well as a text. The rest gets a text, which is what it was given.
_TAKE_PATHS = frozenset({"open", "chdir", "load", "listdir", "scandir", "walk", "exists", "isfile", "isdir"})
_STRING_START = re.compile(r"[A-Za-z]*(\"\"\"|'''|\"|')")
Edit = tuple[ast.expr, str]


def here(taken: Iterable[str]) -> str:
    """How the folder of handler.py is written in a module that binds the names `taken`."""
    return "pathlib.Path(__file__).parent" if "Path" in set(taken) else "Path(__file__).parent"


def edit_of(node: ast.expr, name: str, tail: str, text: str, above: Mapping[int, ast.AST], folder: str) -> Edit | None:
    """The edit that makes `node`, an expression in `text`, mean `name` in the repository and `tail` behind it.

    `above` maps the id of each node to the node that it is a part of; `folder` is how the repository is written. None
    where the text cannot be changed like this.
    """
    path = folder + "".join(f" / {_quoted(part)}" for part in name.split("/") if part)
    if isinstance(node, ast.JoinedStr):
        return _formatted(node, name, tail, text, folder)
    if tail:
        return node, f"str({path}) + {_quoted(tail)}" if not isinstance(above.get(id(node)), ast.BinOp) else (
            f"(str({path}) + {_quoted(tail)})"
        )
    outer = above.get(id(node))
    if (
        isinstance(outer, ast.Call)
        and _leaf(outer) in ("Path", "PosixPath")
        and [*outer.args, *outer.keywords] == [node]
    ):
        return outer, _enclosed(path, outer, above)
    if isinstance(node, ast.Call) and _leaf(node) in ("home", "cwd", "Path"):
        return node, _enclosed(path, node, above)
    if isinstance(outer, ast.Call) and outer.args[:1] == [node]:
        leaf = _leaf(outer)
        if leaf.startswith("read_") or leaf in _TAKE_PATHS:
            return node, path
    return node, f"str({path})"


def _formatted(node: ast.JoinedStr, name: str, tail: str, text: str, folder: str) -> Edit | None:
    first = node.values[0] if node.values else None
    said = str(first.value) if isinstance(first, ast.Constant) else ""
    source = ast.get_source_segment(text, node) or ""
    start = _STRING_START.match(source)
    behind = source[start.end() :] if start else ""
    if start is None or not behind.startswith(said) or "{" in said:
        return None
    head = f"{{{folder}}}" + (f"/{name}" if name else "")
    return node, source[: start.end()] + head + tail + behind[len(said) :]


def _leaf(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _enclosed(path: str, node: ast.AST, above: Mapping[int, ast.AST]) -> str:
    outer = above.get(id(node))
    is_right = isinstance(outer, ast.BinOp) and outer.right is node
    return f"({path})" if isinstance(outer, ast.Attribute) or is_right else path


def _quoted(text: str) -> str:
    return f'"{text}"' if text.isprintable() and not set('"\\') & set(text) else repr(text)


def rewritten(kept: Kept, edits: Iterable[Edit]) -> Kept:
    """The statement with its edits. Lines that an edit joins to one keep the number of the first."""
    made = list(edits)
    if not made:
        return kept
    gone = {line for node, _ in made for line in range(node.lineno + 1, (node.end_lineno or node.lineno) + 1)}
    text = edited(kept.text, made, len(kept.indent))
    numbers = tuple(number for line, number in enumerate(kept.numbers, start=1) if line not in gone)
    return replace(kept, text=text, numbers=numbers)
