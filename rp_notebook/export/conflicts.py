"""Pins that cannot be installed together, as far as the metadata on this machine tells: before anything is built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rp_notebook.export.closure import closure, required
from rp_notebook.export.installed import Installed
from rp_notebook.export.pin import Pin, version_of
from rp_notebook.jobs.finding import Finding

# What the SDK requires at least, where it is not installed here to be asked: of runpod 1.12.0 (2026-11).
SDK_FLOORS = (
    *("aiohttp>=3.14.3", "aiohttp-retry>=2.9.1", "backoff>=2.2.1", "boto3>=1.43.66", "click>=8.4.2"),
    *("colorama<0.4.7,>=0.4.6", "cryptography>=50.0.0", "fastapi>=0.141.1", "paramiko>=5.0.0", "prettytable>=3.18.0"),
    *("psutil>=7.2.2", "py-cpuinfo>=9.0.0", "requests>=2.34.2", "tomli>=2.4.1", "tomlkit>=0.15.1", "urllib3>=2.7.0"),
    *("tqdm-loggable>=0.4.1", "watchdog>=6.0.0"),
)


def conflicts(pins: Iterable[Pin], known: Mapping[str, Installed]) -> tuple[Finding, ...]:
    """The requirements of pinned distributions that another pin, or what must come with one, cannot meet.

    A pin against a pin is an error. What would be installed anew might still be found in another version, which only
    a real resolve can say: that is a warning.
    """
    by_key = {str(canonicalize_name(pin.name)): pin for pin in pins}
    needs = [(pin.name, need) for key, pin in by_key.items() for need in _needs(key, pin, known)]
    needs += [("runpod", Requirement(line)) for line in SDK_FLOORS if "runpod" in by_key and "runpod" not in known]
    there = frozenset(closure(by_key, known))
    found = []
    for name, need in needs:
        key = str(canonicalize_name(need.name))
        pin = by_key.get(key)
        if pin is not None and pin.version is not None and not _meets(pin.version, need):
            fix = f"install versions that go together here ({name} and {pin.name}), and run the job again"
            open_sdk = name == "runpod" and by_key["runpod"].version is None
            message = f"{name} needs {need}, and {pin.name}=={pin.version} is pinned: they cannot be installed together"
            found.append(Finding("RPX217", "warning" if open_sdk else "error", message, fix))
        elif pin is None and key in there and not _meets(known[key].version, need):
            message = f"{name} needs {need}, and {need.name} {known[key].version} is what runs here"
            fix = f"%pip install '{need}' and run the job again"
            found.append(Finding("RPX217", "warning", message, fix))
    return tuple(sorted(set(found), key=lambda finding: finding.message))


def _needs(key: str, pin: Pin, known: Mapping[str, Installed]) -> tuple[Requirement, ...]:
    """What a pin requires, where it is the version whose metadata lies here."""
    one = known.get(key)
    return required(one) if one is not None and pin.version is not None else ()


def _meets(version: str, need: Requirement) -> bool:
    parsed = version_of(version)
    return parsed is None or need.specifier.contains(parsed, prereleases=True)
