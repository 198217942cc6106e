"""Which CUDA builds of torch run on which GPUs and drivers. Kept here, dated, and nowhere else (2026-11).

Compute capabilities are NVIDIA's; what a build is compiled for is PyTorch's release matrix. Code for one capability
runs on later ones of the same major number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

# Newest last: versions of CUDA that a machine's driver can offer, as the platform names them.
_CUDA_VERSIONS = (
    *("11.8", "12.0", "12.1", "12.2", "12.3", "12.4", "12.5", "12.6", "12.7", "12.8", "12.9", "13.0", "13.1", "13.2"),
)
# Pool to the capability of its cards; where cards differ, the lowest.
_CAPABILITY: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "AMPERE_16": (8, 6),
        "AMPERE_24": (8, 6),
        "ADA_24": (8, 9),
        "ADA_32_PRO": (12, 0),
        "AMPERE_48": (8, 6),
        "ADA_48_PRO": (8, 9),
        "AMPERE_80": (8, 0),
        "ADA_80_PRO": (9, 0),
        "BLACKWELL_96": (12, 0),
        "HOPPER_141": (9, 0),
        "BLACKWELL_180": (10, 0),
    }
)
# From this build on, to these majors: Hopper came with 11.8, Blackwell with 12.8.
_MAJORS_SINCE = ((118, (8, 9)), (128, (8, 9, 10, 12)))


def cuda_versions(build: str | None) -> tuple[str, ...]:
    """The driver versions that a build ("cu124") runs with, oldest first; () for none of CUDA's."""
    number = cuda_number(build)
    if number is None:
        return ()
    return tuple(version for version in _CUDA_VERSIONS if int(version.replace(".", "")) >= number)


def runs_on(pool: str, build: str | None) -> bool:
    """Whether a build of torch has code for the cards of a pool; True where either is not known."""
    number, capability = cuda_number(build), _CAPABILITY.get(pool)
    if number is None or capability is None:
        return True
    majors = [majors for since, majors in _MAJORS_SINCE if since <= number]
    return bool(majors) and capability[0] in majors[-1]


def cuda_number(build: str | None) -> int | None:
    """The number of a CUDA build: 124 of "cu124"; None for another build."""
    found = re.fullmatch(r"cu(\d{2,3})", build or "")
    return int(found[1]) if found else None
