"""The law of the rooms: who may import whom, what the pure ones may not touch, and how large things may get."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "rp_notebook"

# One way only: a room may import the rooms on the lines above its own, and itself.
ORDER = (
    ("errors",),
    ("jobs",),
    ("wire", "export", "endpoint", "panel"),
    ("proof",),
    ("kernel", "server"),
    ("headless",),
    ("nbconvert", "served"),
    ("demo",),
    ("cli",),
)
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}

PURE_ENDPOINT = (
    "asked",
    "endpoint",
    "endpoints",
    "entry",
    "faults",
    "openai",
    "openapi",
    "operations",
    "queue",
    "rates",
    "rehearsal",
    "replies",
    "scaling",
    "simulation",
    "traffic",
    "work",
)
PURE = ("errors.py", "jobs", "export", *(f"endpoint/{name}.py" for name in PURE_ENDPOINT))
IMPURE_MODULES = {"IPython", "ipykernel", "jupyter_client", "jupyter_server", "tornado", "socket", "http", "requests"}
# The one exception: cells are parsed with IPython's own transformer, when somebody exports.
LAZY_IPYTHON = "export/cells.py"

FILE_LINES = 250
FUNCTION_LINES = 45


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """What is imported at run time; types alone may be known in both directions."""
    skipped = {id(node) for block in type_blocks(tree) for node in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node, node.module or ""
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def type_blocks(tree: ast.AST) -> list[ast.If]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_room_imports_only_what_stands_before_it(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    for node, imported in imports(ast.parse(path.read_text())):
        parts = imported.split(".")
        if parts[0] != "rp_notebook" or len(parts) < 2 or parts[1] == room or parts[1] not in LEVEL:
            continue
        assert LEVEL[parts[1]] < LEVEL[room], f"line {node.lineno}: {room} may not import {parts[1]}"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_pure_rooms_touch_no_screen_socket_or_kernel(path: Path) -> None:
    if not any(name_of(path).startswith(pure) for pure in PURE):
        return
    for node, imported in imports(ast.parse(path.read_text())):
        if imported.split(".")[0] in IMPURE_MODULES:
            assert name_of(path) == LAZY_IPYTHON, f"line {node.lineno} imports {imported}"
            assert node.col_offset > 0, "lazily only"


def test_server_never_imports_what_lives_in_the_kernels_process() -> None:
    for path in (PACKAGE / "server").rglob("*.py"):
        for _, imported in imports(ast.parse(path.read_text())):
            assert not imported.startswith(("rp_notebook.kernel", "rp_notebook.panel"))


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    if path.read_text():
        assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_files_and_functions_stay_small_enough_to_read(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= FUNCTION_LINES, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_no_file_is_named_after_nothing(path: Path) -> None:
    assert path.stem not in {"utils", "util", "core", "common", "helpers", "base", "misc"}


def test_the_package_loads_nothing_heavy() -> None:
    code = "import rp_notebook, sys; print(' '.join(sys.modules))"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {
        "IPython",
        "tornado",
        "traitlets",
        "runpod",
        "torch",
        "rp_notebook.export",
        "rp_notebook.kernel",
    }
