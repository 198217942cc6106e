"""The packages of a worker, by all evidence: its imports, what jobs here loaded, what the notebook installed."""

from __future__ import annotations

import importlib.metadata
import sys
import zipfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

from packaging.utils import canonicalize_name

from rp_notebook.export.around import Around
from rp_notebook.export.conflicts import conflicts
from rp_notebook.export.evidence import loaded_in, never_imported, remote_imports
from rp_notebook.export.installed import Find, installed
from rp_notebook.export.pin import Pin
from rp_notebook.export.requirements import pins
from rp_notebook.export.slicing import Dropped
from rp_notebook.export.trees import module_of, tree_of
from rp_notebook.export.vault import Vault
from rp_notebook.jobs.declaration import imports_in
from rp_notebook.jobs.finding import Finding


@dataclass(frozen=True)
class Packages:
    """The pins, the wheels that go along with them, and what there is to say.

    `implied` are those, by canonical name, that are pinned because this process has loaded them.
    """

    pins: tuple[Pin, ...]
    files: Mapping[str, bytes]
    findings: tuple[Finding, ...]
    implied: frozenset[str] = frozenset()


def packages_of(
    imports: Iterable[str],
    hints: Sequence[str],
    surroundings: Around,
    vault: Vault,
    find: Find = importlib.metadata.distributions,
    spared: Collection[str] = (),
) -> Packages:
    """The packages for dotted module names and for `hints`, which nothing imports, in their surroundings.

    The `spared` ones are not taken because this process has loaded them.
    """
    known = {one.key: one for one in installed(find)}
    ran = surroundings.live is not None
    modules = {*imports, *(remote_imports(sys.modules) if ran else ())}
    asked, locate = surroundings.asked, surroundings.locate
    made, doubts = pins(modules, find=find, asked=asked, locate=locate, hints=hints)
    more, said = never_imported(
        {str(canonicalize_name(pin.name)) for pin in made},
        known,
        asked,
        loaded=loaded_in(sys.modules) if ran else None,
        elsewhere=_imported(surroundings.slice_.dropped),
    )
    more = tuple(key for key in more if key not in spared)
    if more:
        made, doubts = pins(modules, find=find, asked=asked, locate=locate, hints=(*hints, *more))
    wheels = {pin.specifier.removeprefix("./"): pin.wheel for pin in made if pin.wheel is not None}
    leaks = [finding for name, body in wheels.items() for finding in _leaks(name, body, vault)]
    return Packages(made, wheels, (*doubts, *said, *leaks, *conflicts(made, known)), frozenset(more))


def _imported(dropped: Iterable[Dropped]) -> frozenset[str]:
    """The top modules that left-out statements import."""
    found: set[str] = set()
    for one in dropped:
        if "import" not in one.text:
            continue
        try:
            imports = imports_in(tree_of(one.text))
        except SyntaxError:
            continue
        for node in imports:
            found |= {module_of(node, alias).split(".")[0] for alias in node.names} - {""}
    return frozenset(found)


def _leaks(name: str, wheel: bytes, vault: Vault) -> list[Finding]:
    with zipfile.ZipFile(BytesIO(wheel)) as archive:
        for inner in archive.namelist():
            try:
                text = archive.read(inner).decode()
            except UnicodeDecodeError:
                continue
            if not inner.partition("/")[0].endswith(".dist-info") and vault.without(text) != text:
                message = f"{inner} in {name} holds a secret"
                return [Finding("RPS121", "error", message, "take it out of the package, and install it again")]
    return []
