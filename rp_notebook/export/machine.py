"""The machine that a worker asks for: which pools of GPUs, which CUDA, how much disk; measured where jobs tell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rp_notebook.export.base_images import cuda_image
from rp_notebook.export.cuda import cuda_versions, runs_on
from rp_notebook.export.weights import IMAGE_LIMIT_GB
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.pools import GB, Pool, demand_of, shipped
from rp_notebook.jobs.record import JobRecord

POOLS_NAMED = 3  # an endpoint takes that many priorities (facts/runpod-contract.md 9.3)
DISK_STEP_GB = 5
SPARE_GB = 5  # for what jobs write, and for caches that a library fills as it starts
# Weights in memory, with room for activations, where no job told (our estimate).
MEMORY_FACTOR = 1.5
CPU_FLAVOR = "cpu3g"  # of cpu3c, cpu3g, cpu5c, cpu5g (facts/runpod-contract.md 7.5) the one with most memory a core


@dataclass(frozen=True)
class Machine:
    """What an endpoint of the worker is made of; `pools` is empty for a CPU worker, the cheapest pool first.

    `measured` says whether a job told the memory, `needed` is how many bytes of one card; `image_gb` is an estimate of
    the image's size, in GB of 10^9 bytes.
    """

    pools: tuple[Pool, ...]
    cuda_versions: tuple[str, ...]
    disk_gb: int
    image_gb: float
    measured: bool = False
    needed: int = 0

    @property
    def gpu(self) -> bool:
        """Whether it is a GPU worker."""
        return bool(self.pools)


def machine_of(
    records: Iterable[JobRecord], build: str | None, *, image_bytes: int, weight_bytes: int, later_bytes: int = 0
) -> Machine:
    """The machine for a torch `build` ("cu124", None without torch), by what jobs took of this one's GPU.

    `image_bytes` is the size of the image with what is baked into it, `weight_bytes` that of all weights,
    `later_bytes` what a worker downloads as it starts.
    """
    demand = demand_of(records)
    image_gb = image_bytes / GB
    disk = math.ceil((image_bytes + later_bytes) / GB + SPARE_GB)
    disk_gb = max(2, math.ceil(disk / DISK_STEP_GB)) * DISK_STEP_GB
    if demand is None and cuda_image(build) is None:
        return Machine((), (), disk_gb, image_gb)
    needed = demand.needed if demand else math.ceil(weight_bytes * MEMORY_FACTOR)
    # Those that only Flash names are unknown to the Hub and to REST.
    pools = [pool for pool in shipped().pools if not pool.note]
    fitting = _fitting(pools, needed, build)
    return Machine(fitting, cuda_versions(build), disk_gb, image_gb, demand is not None, needed)


def machine_findings(machine: Machine, build: str | None, weight_bytes: int) -> Iterator[Finding]:
    """Where no pool does: too little memory on one card, or cards that the build of torch has no code for."""
    if machine.gpu and not machine.pools[0].holds(machine.needed):
        needed = f"a job needs about {machine.needed / GB:.0f} GB of GPU memory"
        unable = [pool.id for pool in shipped().pools if pool.holds(machine.needed) and not runs_on(pool.id, build)]
        if unable:
            message = f"{needed}, and the torch of this machine ({build}) has no code for {', '.join(unable)}"
            yield Finding("RPX268", "warning", message, "install a newer torch here, and run the job again")
        else:
            yield Finding(
                "RPX268", "warning", f"{needed}: no pool that the Hub knows has a card of that size", "use several GPUs"
            )
    if machine.image_gb > IMAGE_LIMIT_GB and not weight_bytes:
        message = f"the image would have about {machine.image_gb:.0f} GB; RunPod builds up to {IMAGE_LIMIT_GB:.0f}"
        yield Finding("RPX253", "error", message, "keep large files on a network volume")


def _fitting(pools: Sequence[Pool], needed: int, build: str | None) -> tuple[Pool, ...]:
    able = [pool for pool in pools if runs_on(pool.id, build)] or list(pools)
    holding = sorted((pool for pool in able if pool.holds(needed)), key=lambda pool: pool.usd_per_s or math.inf)
    # None holds it: the largest, and a finding elsewhere says so.
    return tuple(holding[:POOLS_NAMED]) or (max(able, key=lambda pool: pool.memory_gb),)
