"""An estimate of an image's size, in bytes: its base, the packages as they lie here, its files, its weights."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping

from packaging.utils import canonicalize_name

from rp_notebook.export.base_images import base_bytes
from rp_notebook.export.closure import closure, size_of
from rp_notebook.export.installed import Find, installed
from rp_notebook.export.pin import Pin


def package_bytes(pins: Iterable[Pin], find: Find = importlib.metadata.distributions) -> int:
    """What the pinned distributions, and all that they require, take on this machine's disk."""
    by_key = {one.key: one for one in installed(find)}
    there = closure((str(canonicalize_name(pin.name)) for pin in pins), by_key)
    return sum(size_of(by_key[key]) for key in there)


def image_bytes(image: str, packages: int, files: Mapping[str, bytes], weights: int) -> int:
    """The image that is built on `image` from so many bytes of packages and weights, and these files."""
    return base_bytes(image) + packages + sum(map(len, files.values())) + weights
