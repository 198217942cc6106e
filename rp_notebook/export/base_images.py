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
