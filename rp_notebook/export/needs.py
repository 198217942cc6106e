"""What an exported worker needs around it, put together: by its own text, by what was left out of it, and by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rp_notebook.export.models import Model, models_of, packages_behind
from rp_notebook.export.reads import Declared, Variable, joined, variables
from rp_notebook.export.surroundings import Surroundings

# Settings that switch on a package which nothing imports.
_SWITCHES = {"HF_HUB_ENABLE_HF_TRANSFER": "hf_transfer"}
_DRAWING = {"MPLBACKEND": "Agg"}  # a worker has no screen to draw on
# What the SDK's upload helper reads (facts/runpod-contract.md 7.9); without them it writes to the worker's disk.
_BUCKET = (
    Variable("BUCKET_ENDPOINT_URL", optional=True),
    Variable("BUCKET_ACCESS_KEY_ID", secret=True, optional=True),
    Variable("BUCKET_SECRET_ACCESS_KEY", secret=True, optional=True),
)


@dataclass(frozen=True)
class Caught:
    """What is known of this machine: the kernel's values, the cache of models, the variables of secrets in the code."""

    values: Mapping[str, Any]
    cache: Path | None
    secrets: frozenset[str]


@dataclass(frozen=True)
class Needs:
    """The environment variables of a worker, what its image sets, and what it loads by name.

    `packages` are those that nothing imports, `apt` those of the system.
    """

    variables: tuple[Variable, ...]
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    packages: tuple[str, ...] = ()
    models: tuple[Model, ...] = ()
    apt: tuple[str, ...] = ()


def needs_of(
    module: str,
    files: Mapping[str, bytes],
    found: Surroundings,
    declared: Declared,
    caught: Caught,
) -> Needs:
    """What a worker of this module and these files needs; a default that was declared by hand is set in the image."""
    texts = [module, *(body.decode() for name, body in files.items() if name.endswith(".py"))]
    read = [one for text in texts for one in variables(text)]
    secret = [Variable(name, secret=True) for name in found.secrets]
    named = [Variable(one.name, secret=True, optional=one.optional) for one in read if one.name in caught.secrets]
    settings = {**_DRAWING} if any("matplotlib" in text for text in texts) else {}
    settings |= {**found.settings, **{one.name: one.default for one in declared.variables if one.default is not None}}
    asked = {package for name, package in _SWITCHES.items() if _is_on(settings.get(name)) or f'"{name}"' in module}
    asked |= {package for name, package in _SWITCHES.items() if f"'{name}'" in module}
    uploads = _BUCKET if any("rp_upload" in text for text in texts) else ()
    return Needs(
        joined([*read, *uploads, *secret, *named, *declared.variables]),
        settings,
        tuple(sorted({*asked, *packages_behind(module)})),
        models_of(module, caught.values, caught.cache),
        declared.apt,
    )


def _is_on(value: str | None) -> bool:
    return value is not None and value.lower() in ("1", "on", "yes", "true")


def without_folders(needs: Needs, folders: Iterable[str]) -> Needs:
    """The needs without the models that are folders in one of these: there loaders look first, and ask no hub."""
    places = [Path(folder) for folder in folders]
    models = (model for model in needs.models if not any((place / model.id).is_dir() for place in places))
    return replace(needs, models=tuple(models))
