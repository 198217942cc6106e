"""The image of a worker before it is built: its base, what that holds, where the weights are, and what it runs on."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from rp_notebook.export.base_images import held_by, torch_image
from rp_notebook.export.dockerfile import image_for
from rp_notebook.export.image_size import image_bytes, package_bytes
from rp_notebook.export.machine import Machine, machine_findings, machine_of
from rp_notebook.export.needs import Needs
from rp_notebook.export.pin import Pin
from rp_notebook.export.portability import base_findings
from rp_notebook.export.requirements import torch_build
from rp_notebook.export.weights import Weights, weights_of
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.pools import GB
from rp_notebook.jobs.record import JobRecord

# The variables that give `huggingface_hub` a token, by its own documentation.
_TOKENS = frozenset({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN", "HF_API_TOKEN"})


@dataclass(frozen=True)
class Image:
    """What an image is built on and from; `base` is None for one of ours, `held` are the pins that it brings along."""

    name: str
    python: str
    base: str | None
    weights: Weights
    machine: Machine
    held: tuple[Pin, ...] = ()
    findings: tuple[Finding, ...] = ()


def image_of(
    pins: Sequence[Pin],
    needs: Needs,
    files: Mapping[str, bytes],
    records: Sequence[JobRecord],
    *,
    python: str | None = None,
    base: str | None = None,
    weights: str | None = None,
) -> Image:
    """The image for a worker of these parts; `python` is like "3.11" (the running one by default), `weights` asks for
    a way to have them.

    Raises `BadInput` for a way that there is not.
    """
    python = python or ".".join(platform.python_version_tuple()[:2])
    build = torch_build(pins)
    version = next((pin.version for pin in pins if canonicalize_name(pin.name) == "torch"), None)
    doubts = tuple(base_findings(base))
    known = torch_image(version, build, python) if base is None else None
    base = known.image if known else base
    name = image_for(python, build, base)
    inside = held_by(name)
    versions = [(pin, inside.get(str(canonicalize_name(pin.name)))) for pin in pins]
    held = tuple(pin for pin, version in versions if version is not None and version == pin.version)
    rest = [pin for pin in pins if pin not in held]
    bare = image_bytes(name, package_bytes(rest), files, 0)
    named = {one.default for one in needs.variables if one.default is not None}
    chosen, findings = weights_of(
        needs.models,
        weights,
        other_gb=bare / GB,
        # A second token of the notebook has a number.
        token=any(re.sub(r"_\d+$", "", one.name) in _TOKENS for one in needs.variables),
        fixed=not any(model.id in named for model in needs.models),
    )
    machine = machine_of(
        records,
        build,
        image_bytes=bare + chosen.baked_bytes,
        weight_bytes=round(chosen.gb * GB),
        later_bytes=chosen.later_bytes,
    )
    doubts = (*doubts, *machine_findings(machine, build, chosen.baked_bytes))
    return Image(name, python, base, chosen, machine, held, (*findings, *doubts))
