"""Which file of a worker repository starts the worker, and the text of it."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from rp_notebook.errors import BadInput
from rp_notebook.jobs.declaration import START, imported_names, start_calls

AROUND_FOLDERS = frozenset(
    {".git", ".github", ".runpod", "tests", "__pycache__", ".venv", "venv", ".ipynb_checkpoints"}
)


def entry_of(files: Mapping[str, bytes], command: Sequence[str]) -> str:
    """The file that starts the worker: what the image's command runs, else one of the usual names, else the nearest.

    Raises `BadInput` where there is none.
    """
    starting = []
    for name in files:
        if name.endswith(".py") and not AROUND_FOLDERS & set(PurePosixPath(name).parts):
            try:
                tree = ast.parse(files[name])
            except (SyntaxError, ValueError):
                continue
            starting += [name] if start_calls(tree, {"runpod": "runpod", **imported_names(tree)}) else []
    if not starting:
        if "handler.py" in files:
            raise BadInput(f"handler.py {_why(files['handler.py'])}")
        raise BadInput(f"no file there calls {START}: name the folder of a worker repository")
    run = {PurePosixPath(word).name for word in command}
    usual = ("handler.py", "rp_handler.py", "main.py")

    def order(name: str) -> tuple[bool, int, int, str]:
        leaf = PurePosixPath(name).name
        rank = usual.index(leaf) if leaf in usual else len(usual)
        return leaf not in run, len(PurePosixPath(name).parts), rank, name

    return min(starting, key=order)


def whole_source(files: Mapping[str, bytes], name: str) -> tuple[str, str | None]:
    """The text of the entry; with it that of a handler.py that it takes names from, whose name the worker's own has."""
    source = _text(files[name])
    other = (PurePosixPath(name).parent / "handler.py").as_posix()
    taken = [node for node in ast.parse(source).body if takes_from_handler(node)]
    if other == name or other not in files or not taken:
        return source, None
    body = _text(files[other])
    tree = ast.parse(body)
    future = [
        node for node in ast.parse(source).body if isinstance(node, ast.ImportFrom) and node.module == "__future__"
    ]
    first = "".join(f"{ast.get_source_segment(source, node)}\n" for node in future)
    own = _without(
        body, [node for node in tree.body if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)]
    )
    return f"{first}{own.rstrip()}\n\n\n{_without(source, [*taken, *future]).lstrip()}", other


def takes_from_handler(node: ast.stmt) -> bool:
    """Whether a statement takes names out of handler.py, each by its own name."""
    if not isinstance(node, ast.ImportFrom) or node.module != "handler" or node.level:
        return False
    return all(alias.asname is None and alias.name != "*" for alias in node.names)


def _without(source: str, nodes: Sequence[ast.stmt]) -> str:
    gone = {line for node in nodes for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    return "".join(line for number, line in enumerate(source.splitlines(keepends=True), 1) if number not in gone)


def _text(body: bytes) -> str:
    return body.decode("utf-8-sig").replace("\r\n", "\n")


def _why(body: bytes) -> str:
    try:
        ast.parse(body)
    except (SyntaxError, ValueError) as error:
        return f"is not Python: {error}"
    return f"never calls {START}"
