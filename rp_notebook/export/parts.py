"""The parts of a worker: its module, the files that go along, its packages, and what it needs around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rp_notebook.export.around import Around
from rp_notebook.export.carried import without_secrets
from rp_notebook.export.contract import contract
from rp_notebook.export.local_code import local_code
from rp_notebook.export.module import Module, module_of
from rp_notebook.export.needs import Caught, Needs, needs_of, without_folders
from rp_notebook.export.packages import packages_of
from rp_notebook.export.pin import Pin
from rp_notebook.export.plan import NEEDED, Plan
from rp_notebook.export.portability import portability
from rp_notebook.export.reads import Declared
from rp_notebook.export.slicing import Slice
from rp_notebook.export.system_packages import system_packages
from rp_notebook.export.vault import Vault
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.finding import Finding


@dataclass(frozen=True)
class Parts:
    """What a repository is made of; `slice_` has the statements as they are written, paths included."""

    module: Module
    slice_: Slice
    files: Mapping[str, bytes]
    pins: tuple[Pin, ...]
    needs: Needs
    findings: tuple[Finding, ...]
    implied: frozenset[str] = frozenset()


def parts_of(
    surroundings: Around,
    declaration: Declaration,
    declared: Declared,
    vault: Vault,
    caught: Caught,
    plan: Plan = NEEDED,
    *,
    trust_disk: bool,
) -> Parts:
    """The parts for a slice in its surroundings; `declared` was said by hand, `caught` is known of this machine;
    `plan` has packages to pin that nothing imports.

    Raises `ExportRefused` for a file that cannot go along.
    """
    assets, carrier = surroundings.assets()
    module = module_of(assets.slice_, declaration)
    local = local_code(module.imports, locate=surroundings.locate, gone=surroundings.provenance.gone)
    local = without_secrets(local, vault)
    assets = surroundings.modules(local, assets, carrier, trust_disk=trust_disk)
    needs = needs_of(module.text, local.files, assets.slice_.surroundings, declared, caught)
    needs = without_folders(needs, [*surroundings.places.all, str(surroundings.places.base)])
    packages = packages_of(local.imports, (*needs.packages, *plan.packages), surroundings, vault, spared=plan.spared)
    texts = [module.text, *(body.decode() for name, body in local.files.items() if name.endswith(".py"))]
    apt = (*needs.apt, *surroundings.apt, *system_packages(texts, packages.pins), *surroundings.mapped)
    needs = replace(needs, apt=tuple(dict.fromkeys(apt)))
    findings = (*assets.findings, *local.findings, *packages.findings)
    findings = (*findings, *portability(module, declaration, packages.pins, findings), *contract(module, declaration))
    files = {**assets.files, **local.files, **surroundings.slice_.files, **packages.files}
    return Parts(module, assets.slice_, files, packages.pins, needs, findings, packages.implied)
