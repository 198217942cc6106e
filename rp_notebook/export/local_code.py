"""The modules of this machine that a handler imports, as files to copy beside it."""

from __future__ import annotations

import ast
import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from rp_notebook.export.installed import Find, Installed, Locate, installed, is_installed, is_standard, located
from rp_notebook.export.tables import OUR_MODULE
from rp_notebook.export.trees import walk
from rp_notebook.export.unmarking import without_marks
from rp_notebook.jobs.finding import Finding

_OPTIONAL = ("ImportError", "ModuleNotFoundError")


@dataclass(frozen=True)
class LocalCode:
    """Files to copy, by POSIX name from where imports begin, and the imports that are left to be pinned.

    `imports` are those that were asked for and are not local, and what the copied files import beyond each other.
    `modules` has the dotted name and the path of each copied file.
    """

    files: Mapping[str, bytes]
    imports: frozenset[str]
    findings: tuple[Finding, ...] = ()
    modules: Mapping[str, tuple[str, Path]] = field(default_factory=dict)


def local_code(
    imports: Iterable[str],
    *,
    find: Find = importlib.metadata.distributions,
    locate: Locate = located,
    gone: Mapping[Path, bytes] | None = None,
) -> LocalCode:
    """Follows dotted module names through the files of this machine that belong to no installed package.

    An editable install counts as local: its files are copied. Modules are parsed, not imported; of a package, the
    modules that are imported and the `__init__.py` above them are taken. `gone` has the content of
    files that are no longer there. A module that is compiled, or does not parse, is a finding.
    """
    known = installed(find)
    files: dict[str, bytes] = {}
    modules: dict[str, tuple[str, Path]] = {}
    left: set[str] = set()
    findings: list[Finding] = []
    seen: set[str] = set()
    waiting = sorted({name for name in imports if not is_standard(name)}, reverse=True)
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        found = [*_local_files(module, locate, known)]
        if not found:
            left.add(module)
        for name, path in found:
            if name not in modules:
                modules[name] = (_dotted(name), path)
                body, wanted, trouble = _taken(name, path, locate, gone or {})
                files |= {name: body} if body is not None else {}
                findings += trouble
                waiting += [other for other in wanted if not is_standard(other)]
    ordered = {name: files[name] for name in sorted(files)}
    said = tuple(sorted(findings, key=lambda finding: finding.message))
    return LocalCode(MappingProxyType(ordered), frozenset(_modules(left, locate)), said, MappingProxyType(modules))


def _dotted(name: str) -> str:
    parts = name.split("/")
    return ".".join([*parts[:-1], *([stem] if (stem := parts[-1].partition(".")[0]) != "__init__" else [])])


def _modules(names: set[str], locate: Locate) -> Iterator[str]:
    for name in names:
        above = name.rpartition(".")[0]
        if above not in names or locate(name) != locate(above):  # else an attribute of a module that is there
            yield name


def _local_files(module: str, locate: Locate, known: tuple[Installed, ...]) -> Iterator[tuple[str, Path]]:
    """The module's file and those of the packages above it, named as imports name them."""
    parts = module.split(".")
    above = None
    for depth in range(1, len(parts) + 1):
        path = locate(".".join(parts[:depth]))
        if path == above:  # a namespace, or from here on the name leads to an attribute
            continue
        above = path
        if path is not None and not is_installed(path, known):
            stem = "/".join(parts[:depth])
            is_package = path.name.startswith("__init__.")
            yield (f"{stem}/{path.name}" if is_package else f"{stem}.{path.name.partition('.')[2]}"), path


def _taken(
    name: str, path: Path, locate: Locate, gone: Mapping[Path, bytes]
) -> tuple[bytes | None, list[str], list[Finding]]:
    try:
        body = path.read_bytes() if path not in gone else gone[path]
    except OSError as error:  # a kernel goes on with a module whose file is gone
        message = f"{name} is imported, and its file cannot be read: {error.strerror}"
        return None, [], [Finding("RPS106", "error", message, "put it back, or take out the import")]
    if path.suffix != ".py":
        message = f"{name} is compiled for this machine, and may not run in the worker"
        return body, [], [Finding("RPX211", "error", message, "install it as a package that has a Linux wheel")]
    try:
        tree = ast.parse(body)
    except (SyntaxError, ValueError) as error:
        return body, [], [Finding("RPX212", "error", f"{name} does not parse: {error}", "mend it")]
    if OUR_MODULE.encode() in body:
        body = without_marks(body, tree)
        tree = ast.parse(body)
    package = name.removesuffix(".py").removesuffix("/__init__").split("/")
    if not name.endswith("__init__.py"):
        package = package[:-1]
    return body, [*_imports(tree, package, locate)], []


def _imports(tree: ast.Module, package: list[str], locate: Locate) -> Iterator[str]:
    optional = {id(inner) for node in walk(tree) if _may_fail(node) for inner in walk(node)}
    for node in walk(tree):
        for name in _names(node, package):
            if id(node) not in optional or locate(name) is not None:
                yield name


def _names(node: ast.AST, package: list[str]) -> list[str]:
    if isinstance(node, ast.Call):
        return [name] if (name := imported_by_call(node, ".".join(package))) else []
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    above = package[: len(package) - node.level + 1] if node.level else []
    module = ".".join([*above, *([node.module] if node.module else [])])
    # `from package import name` may mean a module of the package.
    return [module, *(f"{module}.{alias.name}" for alias in node.names if alias.name != "*")] if module else []


def imported_by_call(call: ast.Call, package: str = "") -> str | None:
    """The module that `import_module("name")` or `__import__("name")` imports, in a module of `package`."""
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if function not in ("import_module", "__import__") or not call.args:
        return None
    name = call.args[0]
    if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
        return None
    text = name.value
    if not text.startswith("."):
        return text if all(part.isidentifier() for part in text.split(".")) else None
    level = len(text) - len(text.lstrip("."))
    above = package.split(".")
    return ".".join([*above[: len(above) - level + 1], text.lstrip(".")]) if package else None


def _may_fail(node: ast.AST) -> bool:
    if isinstance(node, ast.If):  # what only a type checker imports is not missed when it is absent
        return ast.unparse(node.test).endswith("TYPE_CHECKING")
    if not isinstance(node, ast.Try):
        return False
    caught = [name for handler in node.handlers for name in _caught(handler.type)]
    return any(name in _OPTIONAL for name in caught)


def _caught(kind: ast.expr | None) -> list[str]:
    if kind is None:
        return list(_OPTIONAL)
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return [one.id for one in kinds if isinstance(one, ast.Name)]
