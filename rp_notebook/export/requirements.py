"""From what a module imports to the lines of requirements.txt, by the metadata of what is installed."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Iterator
from dataclasses import replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from rp_notebook.export.installed import Find, Installed, Locate, installed, is_standard, located, owners
from rp_notebook.export.installs import Asked
from rp_notebook.export.pin import Pin, pin_of, version_of
from rp_notebook.export.vendored import wheel_of
from rp_notebook.jobs.finding import Finding

__all__ = ["Pin", "pins", "requirements_txt", "torch_build"]

# Below it, all jobs can end up at one worker when a network volume is attached (facts/runpod-contract.md 7.3).
OLDEST_RUNPOD = "1.10.1"


def pins(
    imports: Iterable[str],
    *,
    find: Find = importlib.metadata.distributions,
    hints: Iterable[str] = (),
    asked: Iterable[Asked] = (),
    locate: Locate = located,
) -> tuple[tuple[Pin, ...], tuple[Finding, ...]]:
    """The pins for dotted module names, sorted by distribution, and what could not be pinned.

    `hints` are further requirements that nothing imports, as an install line names them: `accelerate`,
    `uvicorn[standard]`; they are pinned at the installed version. `asked` is what the
    notebook installed: it adds extras and indexes to what is pinned anyway, and a version where none is installed
    here. `runpod` is always among the pins.
    """
    known = installed(find)
    findings: list[Finding] = []
    by_asked = _by_key(asked)
    wanted, made, unread = _hinted(hints, known, by_asked)
    findings += unread
    modules = sorted({name for name in imports if not is_standard(name)})
    for module in modules:
        found, trouble = _owner(module, modules, wanted, known, locate)
        if found is None and (pin := _asked_for(module, by_asked)) is not None and locate(module) is None:
            made.append(pin)
            trouble = [_unpinned(module, pin)]
        findings += trouble
        if found is not None and found.key != "runpod":
            wanted.setdefault(found.key, frozenset())
    by_key = {one.key: one for one in known}
    wanted |= dict.fromkeys(_torch_below(wanted, by_key), frozenset())
    made.append(_runpod(by_key, findings))
    for key, extras in wanted.items():
        told = by_asked.get(key, Asked(key))
        pin, trouble = _pinned(by_key[key], extras | told.extras)
        findings += [*trouble, *_otherwise(by_key[key], told)]
        made += [replace(pin, links=told.links)] if pin else []
    said = sorted(set(findings), key=lambda finding: (finding.code, finding.message))
    return tuple(sorted(set(made), key=lambda pin: canonicalize_name(pin.name))), tuple(said)


def requirements_txt(pins: Iterable[Pin]) -> str:
    """The text of requirements.txt: extra indexes first, then a line for each pin."""
    lines = sorted(pins, key=lambda pin: canonicalize_name(pin.name))
    indexes = {f"--extra-index-url {pin.index}" for pin in lines if pin.index}
    indexes |= {line for pin in lines for line in pin.links}
    return "".join(f"{line}\n" for line in [*sorted(indexes), *(pin.specifier for pin in lines)])


def torch_build(pins: Iterable[Pin]) -> str | None:
    """The build of torch among the pins: `cu121`, `cpu`; None without torch, or where it is not known."""
    return next((pin.build for pin in pins if canonicalize_name(pin.name) == "torch"), None)


def _hinted(
    hints: Iterable[str], known: tuple[Installed, ...], by_asked: dict[str, Asked]
) -> tuple[dict[str, frozenset[str]], list[Pin], list[Finding]]:
    there = {one.key for one in known}
    wanted: dict[str, frozenset[str]] = {}
    made: list[Pin] = []
    findings = []
    for hint in sorted(set(hints)):
        try:
            requirement = Requirement(hint)
        except InvalidRequirement:
            message = f"{hint!r} names no distribution"
            findings.append(Finding("RPX205", "warning", message, "add it to requirements.txt by hand if it is needed"))
            continue
        key = str(canonicalize_name(requirement.name))
        if key not in there and (pin := _asked_for(requirement.name, by_asked)) is not None:
            made.append(pin)
            message = f"{requirement.name} is not installed here; requirements.txt says {pin.specifier}"
            findings.append(Finding("RPX213", "warning", message, "install it here, so that its version is known"))
        elif key not in there:
            message = f"{requirement.name} is not installed here, so its version is not known: it is left out"
            findings.append(Finding("RPX205", "warning", message, f"%pip install {requirement.name}"))
        elif key != "runpod":
            wanted[key] = wanted.get(key, frozenset()) | requirement.extras
    return wanted, made, findings


def _pinned(one: Installed, extras: frozenset[str]) -> tuple[Pin | None, list[Finding]]:
    """The pin of what is installed; what only this machine has goes along as a wheel, if one can be made of it."""
    pin, trouble = pin_of(one, extras)
    made = wheel_of(one) if pin is None and one.source_folder is None else None
    if made is None:
        return pin, trouble
    name, body = made
    message = f"{one.name} {one.version} comes from this machine alone: it goes along as {name}"
    return Pin(one.name, one.version, f"./{name}", wheel=body), [Finding("RPX215", "note", message, "mind its licence")]


def _otherwise(one: Installed, told: Asked) -> Iterator[Finding]:
    """That another version is here than the notebook installs: what ran is what counts."""
    said = Requirement(told.requirement) if told.requirement else None
    version = version_of(one.version)
    if said is not None and version is not None and not said.specifier.contains(version, prereleases=True):
        message = f"the notebook installs {told.requirement}, and {one.name} {one.version} is here: that is pinned"
        yield Finding("RPX218", "warning", message, "run the install again and restart, or correct its line")


def _by_key(asked: Iterable[Asked]) -> dict[str, Asked]:
    found: dict[str, Asked] = {}
    for one in asked:
        before = found.get(one.key, Asked(one.key))
        links = tuple(dict.fromkeys([*before.links, *one.links]))
        text = one.requirement or before.requirement
        found[one.key] = Asked(one.key, before.extras | one.extras, text, links)
    return found


def _asked_for(module: str, by_key: dict[str, Asked]) -> Pin | None:
    """The requirement that the notebook's own install line makes of a module that is not installed here."""
    one = by_key.get(str(canonicalize_name(module.split(".")[0])))
    return Pin(one.key, None, one.requirement or one.key, links=one.links) if one is not None else None


def _unpinned(module: str, pin: Pin) -> Finding:
    message = f"import {module}: it is not installed here; requirements.txt says {pin.specifier}, as the notebook does"
    return Finding("RPX213", "warning", message, "install it here, so that its version is known")


def _owner(
    module: str, modules: list[str], wanted: dict[str, frozenset[str]], known: tuple[Installed, ...], locate: Locate
) -> tuple[Installed | None, list[Finding]]:
    file = locate(module)
    found = owners(module, file, known)
    if len(found) == 1:
        return found[0], []
    if not found:
        return None, [_unowned(module, None if file is None else file.name)]
    names = ", ".join(one.name for one in found)
    if file is None:
        if any(other.startswith(f"{module}.") for other in modules):
            return None, []  # a namespace: the modules below it say which distribution is meant
        message = f"import {module}: {names} share that namespace"
        return None, [Finding("RPX206", "error", message, f"import the module below {module} that is used")]
    # Several distributions with the same files, such as the builds of OpenCV: what was asked for by name, then the
    # build that needs no display.
    chosen = min(found, key=lambda one: (one.key not in wanted, not one.key.endswith("-headless"), one.key))
    message = f"import {module}: {names} are installed over each other; {chosen.name} goes into requirements.txt"
    return chosen, [Finding("RPX207", "warning", message, "uninstall the others and run the job again")]


def _unowned(module: str, file: str | None) -> Finding:
    if file is None:
        fix = f"install it here, so that its version is known, or drop the import of {module}"
        return Finding("RPX201", "error", f"import {module}: no such module is installed", fix)
    message = f"import {module}: {file} is a file of this machine and belongs to no installed package"
    return Finding("RPX203", "error", message, "copy it into the worker, or install it as a package")


def _torch_below(wanted: Iterable[str], by_key: dict[str, Installed]) -> Iterator[str]:
    # Libraries built on torch seldom pin it, and its build decides the base image.
    reached: set[str] = set()
    waiting = [key for key in wanted if key in by_key]
    while waiting:
        key = waiting.pop()
        if key in reached:
            continue
        reached.add(key)
        needed = (Requirement(line) for line in by_key[key].requires)
        names = (canonicalize_name(need.name) for need in needed if need.marker is None or _applies(need))
        waiting += [name for name in names if name in by_key]
    if "torch" in reached:
        yield "torch"


def _applies(need: Requirement) -> bool:
    return need.marker is not None and need.marker.evaluate({"extra": ""})


def _runpod(by_key: dict[str, Installed], findings: list[Finding]) -> Pin:
    open_pin = Pin("runpod", None, f"runpod>={OLDEST_RUNPOD}")
    here = by_key.get("runpod")
    if here is None:
        return open_pin
    pin, _ = pin_of(here)
    version = version_of(here.version)
    if pin is not None and version is not None and version >= Version(OLDEST_RUNPOD):
        return pin
    message = f"runpod {here.version} is installed here; the worker gets runpod>={OLDEST_RUNPOD}"
    findings.append(Finding("RPX208", "note", message, f"%pip install 'runpod>={OLDEST_RUNPOD}' to test with the same"))
    return open_pin
