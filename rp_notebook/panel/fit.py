"""Which GPU pools hold a job, in one line below it."""

from __future__ import annotations

from rp_notebook.jobs.pools import Demand, PriceTable, demand_of, shipped
from rp_notebook.jobs.record import JobRecord
from rp_notebook.panel.preview import size

CENTS_FROM = 0.1  # below it, dollars need more than two places to be told apart
LEAST = 0.0001  # smaller sums are not told: rounded, they would read as nothing


def fit_line(record: JobRecord, table: PriceTable | None = None) -> str:
    """The smallest pool that holds what a job took of a GPU, and the lowest price; empty where that was not measured.

    `table` is the one that ships where none is given.
    """
    demand = demand_of((record,))
    if demand is None:
        return ""
    table = table or shipped()
    fitting = table.fitting(demand.needed)
    if not fitting:
        return f"fits none of the GPU pools: {needs(demand)} (%runpod gpus)"
    smallest, cheapest = min(fitting, key=lambda pool: pool.memory_gb), fitting[0]
    usd = cheapest.usd_per_1000(demand.time_ms)
    price = "no price is known" if usd is None else f"from {dollars(usd)} USD per 1000 jobs on {cheapest.id}"
    speed = "" if usd is None else "at this GPU's speed, "
    fits = f"fits {smallest.id} ({smallest.memory_gb:g} GB) and larger"
    return f"{fits}, {price} ({needs(demand)}; {speed}prices of {table.date}, %runpod gpus)"


def dollars(amount: float) -> str:
    """`12.30`, `0.58`, and below ten cents `0.0031`."""
    if amount < LEAST:
        return f"under {LEAST}"
    return f"{amount:.2f}" if amount >= CENTS_FROM else f"{amount:.4f}"


def needs(demand: Demand) -> str:
    """`needs 13.1 GB of one card with head-room`: said of several devices, too."""
    over = f", the sum over {demand.gpu.devices} GPUs" if demand.gpu.devices > 1 else ""
    return f"needs {size(demand.needed)} of one card with head-room{over}"
