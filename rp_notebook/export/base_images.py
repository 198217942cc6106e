"""The addresses an exported worker is built from: base images and wheel indexes. Kept here, dated, and nowhere else.

As of 2026-11. The families are those of facts/runpod-contract.md 7.2; a tag that cannot be pulled makes the build
fail at its first line, and `--base IMAGE` overrides it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# PyTorch publishes each build of its wheels under the build's own name (2026-11).
_TORCH_INDEX = "https://download.pytorch.org/whl/{build}"
_TORCH_NIGHTLY_INDEX = "https://download.pytorch.org/whl/nightly/{build}"
_TORCH_BUILD = re.compile(r"cpu|xpu|cu\d{2,3}|rocm\d+(\.\d+)*")

# Debian's release is part of the tag: without it the same tag moves to the next release one day.
_PYTHON_IMAGE = "python:{python}-slim-bookworm"


@dataclass(frozen=True)
class CudaImage:
    """An image with CUDA and cuDNN but without a usable Python; `distro_python` is what its own archive offers."""

    build: str
    image: str
    distro_python: str


# Oldest first (2026-11). Runtime images: nothing is compiled in the worker, and the devel ones are 5 GB larger.
CUDA_IMAGES = (
    CudaImage("cu118", "nvidia/cuda:11.8.0-cudnn8-runtime-ubuntu22.04", "3.10"),
    CudaImage("cu121", "nvidia/cuda:12.1.1-cudnn8-runtime-ubuntu22.04", "3.10"),
    CudaImage("cu124", "nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04", "3.10"),
    CudaImage("cu126", "nvidia/cuda:12.6.3-cudnn-runtime-ubuntu22.04", "3.10"),
    CudaImage("cu128", "nvidia/cuda:12.8.1-cudnn-runtime-ubuntu22.04", "3.10"),
    CudaImage("cu129", "nvidia/cuda:12.9.1-cudnn-runtime-ubuntu22.04", "3.10"),
    CudaImage("cu130", "nvidia/cuda:13.0.2-cudnn-runtime-ubuntu24.04", "3.12"),
    CudaImage("cu132", "nvidia/cuda:13.2.1-cudnn-runtime-ubuntu24.04", "3.12"),
)


@dataclass(frozen=True)
class TorchImage:
    """An image of RunPod's with torch in its Python; machines of theirs often have it already."""

    image: str
    torch: str
    build: str
    python: str


# Those that RunPod's documentation names (2026-11): nobody can list a registry from a notebook. The Python is that of
# Ubuntu 24.04 where the tag does not tell it.
TORCH_IMAGES = (
    TorchImage("runpod/pytorch:2.1.0-py3.10-cuda11.8.0-devel-ubuntu22.04", "2.1.0", "cu118", "3.10"),
    TorchImage("runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04", "2.4.0", "cu124", "3.11"),
    TorchImage("runpod/pytorch:2.8.0-py3.11-cuda12.8.1-cudnn-devel-ubuntu22.04", "2.8.0", "cu128", "3.11"),
    TorchImage("runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404", "2.8.0", "cu128", "3.12"),
    TorchImage("runpod/pytorch:1.0.3-cu1281-torch291-ubuntu2404", "2.9.1", "cu128", "3.12"),
)


def torch_image(torch: str | None, build: str | None, python: str) -> TorchImage | None:
    """The image that holds this very torch for this Python; None where there is none."""
    known = (one for one in TORCH_IMAGES if (one.torch, one.build, one.python) == (torch, build, python))
    return next(known, None)


def held_by(image: str) -> dict[str, str]:
    """The distributions and versions that an image brings along."""
    return next(({"torch": one.torch} for one in TORCH_IMAGES if one.image == image), {})


def torch_index(build: str, *, nightly: bool = False) -> str | None:
    """The wheel index of a PyTorch build (`cu121`, `cpu`); None for a local version tag that is no such build."""
    if not _TORCH_BUILD.fullmatch(build):
        return None
    return (_TORCH_NIGHTLY_INDEX if nightly else _TORCH_INDEX).format(build=build)


def python_image(python: str) -> str:
    """The image for a worker without CUDA; `python` is like "3.11"."""
    return _PYTHON_IMAGE.format(python=python)


def cuda_image(build: str | None) -> CudaImage | None:
    """The image for a CUDA build of torch; None for another build.

    For a build that is not in the table, the newest image that is not newer than the build: torch's wheels bring
    their own CUDA libraries, and an older image runs on more drivers.
    """
    number = _cuda_number(build or "")
    if number is None:
        return None
    fitting = [image for image in CUDA_IMAGES if (_cuda_number(image.build) or 0) <= number]
    return fitting[-1] if fitting else CUDA_IMAGES[0]


def _cuda_number(build: str) -> int | None:
    found = re.fullmatch(r"cu(\d{2,3})", build)
    return int(found[1]) if found else None


# Unpacked, in GB of 10^9 bytes (2026-11, rounded up); the first whose beginning fits.
_SIZES_GB = (
    ("python:", 0.2),
    ("nvidia/cuda:", 4.5),
    ("runpod/pytorch:", 18.0),
    ("runpod/base:", 12.0),
    ("pytorch/pytorch:", 9.0),
)
_SIZE_UNKNOWN_GB = 5.0


def base_bytes(image: str) -> int:
    """About how many bytes an image has, by its family."""
    gb = next((gb for family, gb in _SIZES_GB if image.startswith(family)), _SIZE_UNKNOWN_GB)
    return round(gb * 1_000_000_000)
