"""What copied modules need beside their text: the files that they read, and a word on where they came from."""

from __future__ import annotations

import ast
import os
from collections.abc import Container, Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import ModuleType

from rp_notebook.export.bindings import Bound, bound_in
from rp_notebook.export.carrier import Carrier
from rp_notebook.export.file_tables import LEFT_BEHIND
from rp_notebook.export.local_code import LocalCode
from rp_notebook.export.opened import Opened, origins_of
from rp_notebook.export.paths import Scope
from rp_notebook.export.places import Places
from rp_notebook.export.provenance import Provenance
from rp_notebook.export.resolving import Found, found_by
from rp_notebook.export.secret_files import below, holds_secret, why_secret
from rp_notebook.export.stale import is_stale
from rp_notebook.jobs.finding import Finding

# A package whose code speaks of these reads files that lie in it.
_DATA_READERS = ("__file__", "__path__", "importlib.resources", "importlib_resources", "pkgutil", "pkg_resources")


def take_module_files(local: LocalCode, carrier: Carrier, places: Places, folder: str) -> None:
    """Gives `carrier` the files that the copied modules read; `folder` is the worker's working directory."""
    for name, (_, path) in local.modules.items():
        if not name.endswith(".py") or name not in local.files:
            continue
        try:
            tree = ast.parse(local.files[name])
        except (SyntaxError, ValueError):  # it is a finding of its own
            continue
        _take_opened(tree, name, path, carrier, places, folder)
    for package, path in _data_packages(local):
        for file in below(path, LEFT_BEHIND):
            inside = file.relative_to(path)
            if file.suffix in (".py", ".pyi", ".ipynb", ".so", ".pyd") or _in_other_package(path, inside):
                continue
            name = f"{package}/{inside.as_posix()}"
            if carrier.takes(file, None, None) and carrier.shelves.as_written(file, name):
                carrier.carry(file, name, None, None)


def _take_opened(tree: ast.Module, name: str, path: Path, carrier: Carrier, places: Places, folder: str) -> None:
    own = ast.Constant(str(path), lineno=0, col_offset=0)
    bound: dict[str, list[Bound]] = {**bound_in(tree.body, outermost=True), "__file__": [own]}
    opened = Opened(Scope(bound, {}), origins_of([tree]))
    opened.visit(tree)
    written: set[str] = set()
    for use in opened.uses:
        if use.kind == "write":
            written |= {text.text for text in use.texts}
        elif use.kind != "enter":
            # What a module of a package only mentions is mostly a word of its trade.
            if use.kind == "mention" and "/" in name and not any(text.anchor is own for text in use.texts):
                continue
            for found in found_by(use, (*places.last, str(places.base))):
                if found.text.text not in written and found.path != path:
                    _place(found, own, name, path, carrier, folder)


def _place(found: Found, own: ast.expr, name: str, path: Path, carrier: Carrier, folder: str) -> None:
    if not carrier.takes(found.path, None, None):
        return
    wanted = None
    if found.text.anchor is own:
        inside = os.path.relpath(found.path, path.parent)
        wanted = os.path.normpath(PurePosixPath(name).parent / inside)
    elif not found.text.text.startswith("/"):
        wanted = os.path.normpath(PurePosixPath(folder) / os.path.relpath(found.path, found.cwd))
    placed = carrier.shelves.as_written(found.path, wanted) if wanted is not None else None
    if placed is None:
        carrier.say_unreached(found.path, name)
    else:
        carrier.carry(found.path, placed, None, None)


def _data_packages(local: LocalCode) -> Iterator[tuple[str, Path]]:
    """The folders of packages whose code reads files of its own package."""
    tops: dict[str, bool] = {}
    for name, body in local.files.items():
        top = name.partition("/")[0]
        tops[top] = tops.get(top, False) or any(word.encode() in body for word in _DATA_READERS)
    for name, (_, path) in local.modules.items():
        if name.endswith("/__init__.py") and tops.get(name.partition("/")[0]):
            yield name.removesuffix("/__init__.py"), path.parent


def _in_other_package(folder: Path, inside: Path) -> bool:
    """Whether a file of a package lies in a package below it, which has its own turn, or is not needed."""
    return any((folder / above / "__init__.py").is_file() for above in inside.parents if above != Path())


def secret_modules(local: LocalCode) -> list[Finding]:
    """The copied modules in which a secret stands."""
    found = []
    for name, (_, path) in local.modules.items():
        why = why_secret(path) or ("a secret stands in it" if holds_secret(path, local.files.get(name, b"")) else None)
        if why is not None:
            fix = "read the secret from an environment variable"
            found.append(Finding("RPX231", "error", f"{name} is not copied: {why}", fix))
    return found


def stale_modules(
    local: LocalCode, loaded: Mapping[str, ModuleType], assigned: Container[str], *, trust_disk: bool
) -> list[Finding]:
    """The copied modules of which the kernel has another version than the disk."""
    found = []
    for name, (module, path) in local.modules.items():
        live = loaded.get(module)
        if live is None or not name.endswith(".py") or name not in local.files:
            continue
        if Path(str(getattr(live, "__file__", ""))) == path and is_stale(live, path, local.files[name], assigned):
            message = f"{name} was changed after the kernel loaded it: what ran here is not what would be copied"
            fix = f"reload it (importlib.reload({module})) and run the cells that use it again, or export --trust-disk"
            found.append(Finding("RPS106", "warning" if trust_disk else "error", message, fix))
    return found


def module_findings(local: LocalCode, provenance: Provenance) -> list[Finding]:
    """The cloned repositories that modules were copied from, and modules that are not as a cell wrote them."""
    found = []
    clones = {c for _, path in local.modules.values() if (c := provenance.clone_of(path)) is not None}
    for clone in sorted(clones, key=lambda one: one.url):
        commit = f" at commit {clone.commit}" if clone.commit else ""
        message = f"modules of {clone.url}{commit} are copied"
        found.append(Finding("RPX238", "note", message, "mind its licence", clone.cell))
    for name, (_, path) in local.modules.items():
        cell, text = provenance.written.get(path, (0, ""))
        if cell and text.encode() != local.files.get(name, b""):
            message = f"{name} was changed since cell {cell} wrote it; the file as it is now is copied"
            found.append(
                Finding("RPX235", "warning", message, f"run cell {cell} again if that is what you mean", cell, 1)
            )
    if any(name.split(".")[0] == "matplotlib" for name in local.imports):
        message = "matplotlib finds no screen in the worker and draws with its Agg backend, as MPLBACKEND=Agg asks for"
        found.append(Finding("RPX240", "note", message, "save figures to bytes; plt.show() shows nothing there"))
    return found
