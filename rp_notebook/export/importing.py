"""From an existing worker repository to the cells of a notebook: imports, loading, helpers, the handler, its jobs."""

from __future__ import annotations

import ast
import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any

from rp_notebook.errors import BadDeclaration, BadInput
from rp_notebook.export.clashing import without_clash
from rp_notebook.export.docker_lines import Said, said_in
from rp_notebook.export.recorded import load_jobs
from rp_notebook.export.worker_entry import AROUND_FOLDERS, entry_of, whole_source
from rp_notebook.jobs.declaration import declared, imported_names, start_calls
from rp_notebook.jobs.handler_cell import HANDLER_MAGIC
from rp_notebook.jobs.masking import MASK

JOBS_TAKEN = 3
LONGEST = 2000  # characters of a job's input on one line
# Of a repository, what is no part of the worker: its packaging, its tests, what an export writes around handler.py.
_AROUND = frozenset(
    {"Dockerfile", ".dockerignore", ".gitignore", ".env", ".env.example", "README.md", "LICENSE", "LICENSE.md"}
    | {"rp_manifest.json", "fetch_weights.py", "requirements.txt", "requirements-base.txt", "test_input.json"}
    | {"Makefile", "docker-compose.yml", "docker-bake.hcl", "pyproject.toml", "CHANGELOG.md"}
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """A cell to be: its text, and whether it is code."""

    text: str
    code: bool = True


@dataclass(frozen=True)
class Imported:
    """A worker as cells. `handler` is the file that starts it, by its name in the repository.

    `files` are what lies beside that file and goes beside the notebook, by their names there.
    """

    handler: str
    source: str
    cells: tuple[Cell, ...]
    files: Mapping[str, bytes]

    @property
    def cell(self) -> str:
        """All of the handler's file as one cell."""
        return f"{HANDLER_MAGIC}\n{self.source}"

    @property
    def notebook(self) -> str:
        """The text of a notebook file; the same cells give the same bytes."""
        cells = [_as_json(cell, number) for number, cell in enumerate(self.cells)]
        kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
        whole = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
        return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def imported(files: Mapping[str, bytes], is_installed: Callable[[str], bool] = lambda _: True) -> Imported:
    """The worker in `files`, POSIX names to bytes. `is_installed` tells of a distribution whether it is here.

    Raises `BadInput` where nothing starts a worker, or what starts it is no Python.
    """
    docker = said_in(files.get("Dockerfile", b"").decode(errors="replace"))
    name = entry_of(files, docker.command)
    files = without_clash(files, name)
    folder = PurePosixPath(name).parent
    source, merged = whole_source(files, name)
    beside = {
        PurePosixPath(one).relative_to(folder).as_posix(): body
        for one, body in files.items()
        if one != merged and _goes(one, name)
    }
    cells = [
        Cell(f"# {_title(files, name)}\n\nImported from `{name}` of a worker repository.{docker.told}", code=False),
        Cell("%load_ext rp_notebook"),
        *([Cell(f'__file__ = "{PurePosixPath(name).name}"')] if _reads_file(source) else []),
        *_around(files, docker, is_installed),
        *_split(source),
        *(Cell(f"%runpod job {line}") for line in _jobs(files)),
    ]
    return Imported(name, source, tuple(cells), beside)


def _goes(name: str, entry: str) -> bool:
    """Whether a file of the repository goes beside the notebook."""
    path, folder = PurePosixPath(name), PurePosixPath(entry).parent
    if name == entry or not path.is_relative_to(folder):
        return False
    inside = path.relative_to(folder)
    return not (AROUND_FOLDERS & set(inside.parts) or str(inside) in _AROUND or path.suffix in (".ipynb", ".pyc"))


def _title(files: Mapping[str, bytes], name: str) -> str:
    try:
        said = json.loads(files.get(".runpod/hub.json", b"{}"))
    except ValueError:
        said = {}
    title = said.get("title") if isinstance(said, dict) else None
    return title if isinstance(title, str) and title.isprintable() else PurePosixPath(name).stem


def _around(files: Mapping[str, bytes], docker: Said, is_installed: Callable[[str], bool]) -> Iterator[Cell]:
    """What the image has around the worker: packages that are not here, system packages, settings."""
    names = [name for name in files if PurePosixPath(name).name in ("requirements.txt", "requirements-base.txt")]
    lines = [line.strip() for name in sorted(names) for line in files[name].decode(errors="replace").splitlines()]
    wanted = [line for line in lines if line and not line.startswith(("#", "-", "."))]
    missing = [line for line in wanted if not is_installed(line) and _distribution(line) != "runpod"]
    if missing:
        yield Cell("%pip install -q " + " ".join(f'"{line}"' for line in dict.fromkeys(missing)))
    if docker.apt:
        yield Cell(f"%runpod apt {' '.join(docker.apt)}")
    if docker.settings:
        said = shlex.join(f"{name}={value}" for name, value in docker.settings.items())
        yield Cell(f"%runpod env {said}")


def _distribution(line: str) -> str:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(line.partition(" #")[0]).name.lower()
    except InvalidRequirement:
        return ""


def _reads_file(source: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "__file__" for node in ast.walk(ast.parse(source)))


def _split(source: str) -> Iterator[Cell]:
    """The file's statements in their order and to the byte, in cells; the last is the handler's."""
    tree = ast.parse(source)
    lines = source.splitlines(keepends=True)
    first = _handler_at(source, tree)
    ends: list[tuple[str, int]] = []  # the kind of each cell, and its last line
    kind = "import"
    for node in tree.body[:first]:
        same = ends and ends[-1][1] >= node.lineno  # two statements on a line
        kind = _kind(node, kind)
        if same or (ends and ends[-1][0] == kind):
            ends.pop()
        ends.append((kind, node.end_lineno or node.lineno))
    begin = 0
    for _, end in ends:
        text = "".join(lines[begin:end]).strip("\n")
        begin = end
        if text:
            yield Cell(text)
    yield Cell(f"{HANDLER_MAGIC}\n" + "".join(lines[begin:]).strip("\n"))


def _kind(node: ast.stmt, before: str) -> str:
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    if before == "import" and (is_text or isinstance(node, ast.Import | ast.ImportFrom)):
        return "import"
    return "def" if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else "code"


def _handler_at(source: str, tree: ast.Module) -> int:
    """The place of the statement from which on all belongs to the handler's cell."""
    try:
        function = declared("", source).function
    except BadDeclaration as error:
        raise BadInput(str(error)) from None
    names = imported_names(tree)
    for number, node in enumerate(tree.body):
        is_it = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function
        if is_it or start_calls(ast.Module([node], []), names):
            return number
    return 0


def _jobs(files: Mapping[str, bytes]) -> Sequence[str]:
    """Inputs of jobs that the repository has as tests, as JSON on a line."""
    found: dict[str, None] = {}
    for given in _inputs(files):
        line = json.dumps(given, ensure_ascii=False)
        if given is not None and len(line) <= LONGEST and MASK not in line:
            found[line] = None
    return tuple(found)[:JOBS_TAKEN]


def _inputs(files: Mapping[str, bytes]) -> Iterator[Any]:
    for name in ("test_input.json", "src/test_input.json", ".runpod/tests.json"):
        try:
            said = json.loads(files.get(name, b"{}"))
        except ValueError:
            continue
        if isinstance(said, dict):
            tests = said.get("tests")
            yield said.get("input")
            yield from (one.get("input") for one in tests if isinstance(one, dict)) if isinstance(tests, list) else ()
    try:
        yield from (job.request.get("input") for job in load_jobs(files.get("tests/jobs.jsonl", b"")))
    except BadInput:
        return


def _as_json(cell: Cell, number: int) -> dict[str, Any]:
    made = sha256(f"{number}\n{cell.text}".encode()).hexdigest()[:12]
    told: dict[str, Any] = {"id": made, "metadata": {}, "source": cell.text.splitlines(keepends=True)}
    if not cell.code:
        return {**told, "cell_type": "markdown"}
    return {**told, "cell_type": "code", "execution_count": None, "outputs": []}
