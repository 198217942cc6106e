"""Which GPU pools hold the jobs so far, and what they cost: the whole table."""

from __future__ import annotations

from collections.abc import Iterable

from rp_notebook.jobs.pools import HEADROOM, Demand, Pool, PriceTable, demand_of
from rp_notebook.jobs.record import JobRecord
from rp_notebook.panel.fit import dollars, needs
from rp_notebook.panel.preview import aligned, duration, size
from rp_notebook.panel.report import Report

COLUMNS = ("pool", "memory", "fits", "USD/h", "USD per 1000 jobs", "GPU type ids")


def gpu_report(handler: str, records: Iterable[JobRecord], table: PriceTable, said: Demand | None = None) -> Report:
    """The pools of a table, those that fit first, for what the jobs of a handler took of this machine's GPU.

    What is `said` of them counts instead.
    """
    demand = said or demand_of(records)
    if demand is None:
        why = "no job has measured a GPU; one does that completes in a kernel whose torch holds memory on a GPU"
        steps = ["%runpod gpus --memory GB --seconds S  (by your own figures)"]
        return Report("NOT MEASURED", "dim", f"{handler}: {why}", steps=steps)
    fitting = table.fitting(demand.needed)
    rows = [_row(pool, "yes", demand) for pool in fitting]
    rows += [_row(pool, "no", demand) for pool in table.failing(demand.needed)]
    headline = f"{handler}: {needs(demand)}: {len(fitting)} of {len(rows)} GPU pools fit"
    listing = [*_measured(demand), "", *aligned([COLUMNS, *rows]), "", *_priced(table)]
    return Report("FITS" if fitting else "NO POOL FITS", "good" if fitting else "bad", headline, listing)


def _measured(demand: Demand) -> list[str]:
    gpu, many = demand.gpu, demand.jobs > 1
    if not demand.jobs:
        memory = f"memory  {size(gpu.peak_reserved)} + {HEADROOM:.0%} head-room, by your figures"
        return [memory, f"time    {duration(demand.time_ms)}, by your figures; on each GPU it will differ"]
    peak = f"{size(gpu.peak_reserved)} reserved by torch at the peak" + f" (the worst of {demand.jobs} jobs)" * many
    beside = f"{size(gpu.beside)} beside it (CUDA context, other libraries and processes)"
    median = f"the median of {demand.jobs} jobs without the first" if many else "1 job, its warm-up included"
    lines = [
        f"memory  {peak} + {beside} + {HEADROOM:.0%} head-room",
        f"time    {duration(demand.time_ms)} ({median}) on this machine's GPU; on another it will differ",
    ]
    if gpu.devices > 1:
        lines.append(f"GPUs    {gpu.devices} were in use: a pool fits if one of its cards holds the sum")
    return lines


def _row(pool: Pool, fits: str, demand: Demand) -> tuple[str, ...]:
    hour, jobs = pool.usd_per_hour, pool.usd_per_1000(demand.time_ms)
    return (
        pool.id,
        f"{pool.memory_gb:g} GB",
        fits,
        "-" if hour is None else dollars(hour),
        "-" if jobs is None or fits == "no" else dollars(jobs),
        ", ".join(pool.gpus) + (f" ({pool.note})" if pool.note else ""),
    )


def _priced(table: PriceTable) -> list[str]:
    return [
        f"prices  of {table.date}: {table.source}",
        "        a worker is billed by the second: loading the model and waiting idle come on top of the jobs",
    ]
