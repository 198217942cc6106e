"""RunPod's GPU pools: which of them hold a job, by what it took of this machine's GPU, and at what price."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from rp_notebook.errors import BadInput, meant
from rp_notebook.jobs.gauge import GpuGauge
from rp_notebook.jobs.job import Status
from rp_notebook.jobs.payload import MB
from rp_notebook.jobs.record import JobRecord

SHIPPED = Path(__file__).with_name("gpu_pools.json")
GB = 1000 * MB
# What a program finds of the gigabytes that a card is sold with. The driver and error correction keep the rest: of
# 24 GB, torch finds 22.03 GiB on an L4 (98.6 %); of 48 GB, 44.40 GiB on an L40 (99.3 %); others leave more.
CARD_SHARE = 0.98
# For larger inputs, fragmentation, and the workspaces and the context that another card needs; vLLM too leaves a tenth.
HEADROOM = 0.10
SECONDS_AN_HOUR = 3600


@dataclass(frozen=True)
class Pool:
    """A pool as an endpoint's settings name it, and its cards by GPU type id (facts/runpod-contract.md 8.5 and 8.6).

    `memory_gb` is that of its smallest card; `usd_per_s` is None where no price is known.
    """

    id: str
    memory_gb: float
    gpus: tuple[str, ...]
    usd_per_s: float | None
    note: str = ""

    def holds(self, needed: int) -> bool:
        """Whether so many bytes fit on any card of the pool."""
        return needed <= self.memory_gb * GB * CARD_SHARE

    @property
    def usd_per_hour(self) -> float | None:
        """Dollars an hour of one worker."""
        return None if self.usd_per_s is None else self.usd_per_s * SECONDS_AN_HOUR

    def usd_per_1000(self, time_ms: float) -> float | None:
        """Dollars for 1000 jobs of `time_ms` on a worker that runs already: what is billed is its seconds."""
        return None if self.usd_per_s is None else self.usd_per_s * time_ms  # 1000 jobs, 1000 ms a second


@dataclass(frozen=True)
class PriceTable:
    """Pools with the prices of `date`, as `source` has them."""

    date: str
    source: str
    pools: tuple[Pool, ...]

    def only(self, ids: Sequence[str]) -> PriceTable:
        """The table of these pools; of all where none is named. Raises `BadInput` for one that is not there."""
        known = {pool.id: pool for pool in self.pools}
        for name in ids:
            if name not in known:
                hint = meant(name.upper(), known) or f"there are: {', '.join(known)}"
                raise BadInput(f"there is no GPU pool {name!r}; {hint}")
        return replace(self, pools=tuple(known[name] for name in ids)) if ids else self

    def fitting(self, needed: int) -> tuple[Pool, ...]:
        """The pools that hold so many bytes on one card, the cheapest first and those without a price last."""
        return _by_price(pool for pool in self.pools if pool.holds(needed))

    def failing(self, needed: int) -> tuple[Pool, ...]:
        """The other pools, in the same order."""
        return _by_price(pool for pool in self.pools if not pool.holds(needed))


@dataclass(frozen=True)
class Demand:
    """What completed jobs ask of a card: the gauge of the one that took most, and a job's time in ms.

    Without `jobs` it is what somebody said that they will.
    """

    gpu: GpuGauge
    time_ms: float
    jobs: int

    @property
    def needed(self) -> int:
        """Bytes of one card, with head-room. Where several devices were in use it is all that was on them."""
        return _needed(self.gpu)


def demand_of(records: Iterable[JobRecord]) -> Demand | None:
    """The demand of those records that tell it; the time is the median of all but the first. None if none does.

    A job counts that completed and had torch hold memory on a GPU: one that failed, perhaps for want of memory, stops
    below its peak.
    """
    from rp_notebook.jobs.series import Series  # statistics takes longer to load than all of this room

    told = {record: gpu for record in records if (gpu := _gpu_of(record)) is not None}
    if not told:
        return None
    return Demand(max(told.values(), key=_needed), Series(tuple(told)).median_ms, len(told))


def said_demand(memory_gb: float, seconds: float) -> Demand:
    """The demand of a job that will take so many gigabytes of a card, and so long, by who should know."""
    memory = round(memory_gb * GB)
    return Demand(GpuGauge(memory, memory, 0, 0, 0, 1, 0), seconds * 1000, 0)


def shipped() -> PriceTable:
    """The pools and prices that come with this package."""
    return table_of(json.loads(SHIPPED.read_text("utf-8")), SHIPPED.name)


def table_of(value: Any, where: str) -> PriceTable:
    """The table that decoded JSON stands for, of the shape of `gpu_pools.json`. Raises `BadInput` beginning `where`."""
    _check_keys(value, where, {"date", "source", "pools"})
    _check(_is_date(value["date"]), where, f'"date" must be text as "2026-08-20", not {value["date"]!r}')
    _check(_is_text(value["source"]), where, f'"source" must say whose prices these are, not {value["source"]!r}')
    _check(isinstance(value["pools"], list) and value["pools"], where, '"pools" must be a list of at least one pool')
    pools = tuple(_pool(pool, f"{where}: pools[{at}]") for at, pool in enumerate(value["pools"]))
    ids = [pool.id for pool in pools]
    twice = next((name for name in ids if ids.count(name) > 1), None)
    _check(twice is None, where, f"the pool {twice!r} is there twice")
    return PriceTable(value["date"], value["source"], pools)


def _pool(value: Any, where: str) -> Pool:
    _check_keys(value, where, {"id", "memory_gb", "gpus", "usd_per_s"}, {"note"})
    name, memory, gpus, price, note = (value.get(key) for key in ("id", "memory_gb", "gpus", "usd_per_s", "note"))
    _check(_is_text(name), where, f'"id" must be the pool\'s id, not {name!r}')
    _check(_is_amount(memory), where, f'"memory_gb" must be a number above 0, not {memory!r}')
    _check(isinstance(gpus, list) and all(map(_is_text, gpus)), where, f'"gpus" must be a list of ids, not {gpus!r}')
    known = price is None or _is_amount(price)
    _check(known, where, f'"usd_per_s" must be a number above 0, or null where no price is known, not {price!r}')
    _check(note is None or _is_text(note), where, f'"note" must be text, not {note!r}')
    return Pool(name, memory, tuple(gpus), price, note or "")


def _check_keys(value: Any, where: str, needed: Set[str], allowed: Set[str] = frozenset()) -> None:
    _check(isinstance(value, dict), where, f"must be an object with {_listed(needed)}")
    missing, unknown = needed - value.keys(), value.keys() - needed - allowed
    _check(not missing, where, f"lacks {_listed(missing)}")
    _check(not unknown, where, f"{_listed(unknown)} means nothing here; there are {_listed(needed | allowed)}")


def _check(holds: object, where: str, otherwise: str) -> None:
    if not holds:
        raise BadInput(f"{where}: {otherwise}")


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(f'"{key}"' for key in sorted(keys))


def _is_date(value: Any) -> bool:
    try:
        date.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _by_price(pools: Iterable[Pool]) -> tuple[Pool, ...]:
    return tuple(sorted(pools, key=lambda pool: (pool.usd_per_s or math.inf, pool.memory_gb)))


def _gpu_of(record: JobRecord) -> GpuGauge | None:
    gpu = record.gauge.gpu if record.gauge is not None else None
    return gpu if gpu is not None and gpu.devices and record.status is Status.COMPLETED else None


def _needed(gpu: GpuGauge) -> int:
    # Reserved, for the allocator needs its blocks whole; with what else was on the device, for a card must hold both.
    return math.ceil((gpu.peak_reserved + gpu.beside) * (1 + HEADROOM))
