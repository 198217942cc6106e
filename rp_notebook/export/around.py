"""What surrounds a slice: folders, commands, where files and modules came from; and what of it the worker takes."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rp_notebook.errors import ExportRefused
from rp_notebook.export.assets import Carried, carried
from rp_notebook.export.bindings import bound_in
from rp_notebook.export.carrier import Carrier
from rp_notebook.export.cells import CellRun
from rp_notebook.export.cutting import parsed_text
from rp_notebook.export.evidence import loaded_in
from rp_notebook.export.installed import located
from rp_notebook.export.installs import Asked, apt_of, asked_of
from rp_notebook.export.live import Live
from rp_notebook.export.local_code import LocalCode
from rp_notebook.export.manifest import MANIFEST
from rp_notebook.export.module_files import module_findings, secret_modules, stale_modules, take_module_files
from rp_notebook.export.paths import Scope
from rp_notebook.export.places import Places, places_of
from rp_notebook.export.provenance import Provenance, provenance_of
from rp_notebook.export.repo import HANDLER, JOBS, TEST_INPUT
from rp_notebook.export.search_paths import searched, without_search_paths
from rp_notebook.export.shell_lines import Command, commands_of
from rp_notebook.export.shelves import Shelves
from rp_notebook.export.slicing import Dropped, Kept, Slice
from rp_notebook.export.system_packages import mapped_packages

# What stands in every repository under its own name.
_OWN = frozenset({HANDLER, TEST_INPUT, JOBS, MANIFEST, "requirements.txt", "Dockerfile", ".dockerignore"}) | {
    *(".env.example", "README.md", ".runpod", ".github", "vendor", "tests/test_handler.py", "input_check.py")
}

# The errors for which nothing is written: the worker would fail as it starts, or not be what ran.
_STOP = frozenset({"RPS106", "RPX230", "RPX231"})

# Statements with one of these tell of commands, downloads or search paths, in which variables may stand.
_TELLING = ("get_ipython()", "sys.path", "addsitedir", "urlretrieve")


@dataclass(frozen=True)
class Around:
    """The surroundings of a slice. `folders` were added to the search path of imports; `asked` and `apt` installed."""

    slice_: Slice
    live: Live | None
    places: Places
    provenance: Provenance
    scope: Scope
    folders: tuple[str, ...]
    asked: tuple[Asked, ...]
    apt: tuple[str, ...]

    def assets(self) -> tuple[Carried, Carrier]:
        """The files that the slice opens, and who goes on taking files into the same repository."""
        slice_ = without_search_paths(self.slice_, self.scope)
        carrier = Carrier(self.places.base, Shelves(self.places.base, _OWN | set(slice_.files)), self.provenance)
        return carried(slice_, self.places, self.live.namespace if self.live else {}, carrier), carrier

    @property
    def mapped(self) -> tuple[str, ...]:
        """The system's packages of shared objects that this kernel has loaded."""
        return mapped_packages(loaded_in(sys.modules).files) if self.live is not None else ()

    def locate(self, module: str) -> Path | None:
        """The file of a module: what the kernel has loaded, else what an import would find from the notebook.

        A file that a cell wrote counts, also where it is gone.
        """
        top = module.split(".")[0]
        folders = [*self.folders, *self.places.all, str(self.places.base)]
        loaded = self.live is not None and getattr(sys.modules.get(top), "__spec__", None) is not None
        found = located(module) if loaded else located(module, folders)
        if found is not None or not self.provenance.written:
            return found
        inside = "/".join(module.split("."))
        paths = (Path(folder) / name for folder in folders for name in (f"{inside}.py", f"{inside}/__init__.py"))
        return next((path for path in paths if path in self.provenance.written), None)

    def modules(self, local: LocalCode, files: Carried, carrier: Carrier, *, trust_disk: bool) -> Carried:
        """The assets with what the local modules read, and with what there is to say about the modules.

        Raises `ExportRefused` when something of it would make the worker wrong.
        """
        take_module_files(local, carrier, self.places, files.folder)
        loaded = sys.modules if self.live is not None else {}
        texts = " ".join([*(k.text for k in self.slice_.kept), *(d.text for d in self.slice_.dropped)])
        assigned = {name for _, name in re.findall(r"(\w+)\.(\w+)\s*=[^=]", texts)}
        found = secret_modules(local)
        found += stale_modules(local, loaded, assigned, trust_disk=trust_disk)
        errors = [f for f in [*carrier.findings, *found, *local.findings] if f.severity == "error" and f.code in _STOP]
        if errors:
            raise ExportRefused(errors)
        found += module_findings(local, self.provenance)
        return replace(files, files=dict(carrier.files), findings=(*carrier.findings, *found))


def around(cells: Sequence[CellRun], slice_: Slice, folder: Path | None, live: Live | None) -> Around:
    """The surroundings of a slice of executed cells; `folder` is the notebook's where no cell says it."""
    places = places_of(cells, folder, ran=live is not None)
    statements: list[Kept | Dropped] = [*slice_.kept, *slice_.dropped]
    statements.sort(key=lambda statement: (statement.cell, statement.line))
    telling = any(word in s.text for s in statements for word in _TELLING) or any("%%" in c.text for c in cells)
    scope = _scope(statements if telling else [], live)
    values = {name: texts[0].text for name in scope.bound for texts in [scope.texts(ast.Name(name))] if len(texts) == 1}
    commands = commands_of(cells, statements, values)
    return Around(
        slice_,
        live,
        places,
        provenance_of(cells, commands, statements, scope, places),
        scope,
        searched(statements, scope, places),
        asked_of(commands, partial(_read, places)),
        apt_of(commands),
    )


def _scope(statements: Sequence[Kept | Dropped], live: Live | None) -> Scope:
    nodes = [node for statement in statements if (node := _node(statement)) is not None]
    return Scope(bound_in(nodes, outermost=True), live.namespace if live is not None else {})


def _node(statement: Kept | Dropped) -> ast.stmt | None:
    try:
        return parsed_text(statement.text, getattr(statement, "indent", "") or None)
    except (SyntaxError, IndexError):  # a dropped one stood in a block
        return None


def _read(places: Places, command: Command, name: str) -> str | None:
    for cwd in places.found_from(command.cell, later=False):
        path = Path(cwd) / name
        if path.is_file():
            return path.read_text("utf-8", "replace")
    return None
