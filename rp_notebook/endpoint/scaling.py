"""The settings by which the platform starts and stops workers, and its rules for that as they were on a day."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rp_notebook.errors import BadInput

SHIPPED = Path(__file__).with_name("scaling_rules.json")

ScaleBy = Literal["delay", "requests"]


@dataclass(frozen=True)
class Scaling:
    """How an endpoint scales. `idle_timeout_s` counts only where it does so by delay.

    By `delay`, workers are added while a job has waited `threshold` seconds; by `requests`, there is one worker for
    each `threshold` jobs that wait or run. Raises `BadInput` for what no endpoint can have.
    """

    workers_min: int
    workers_max: int
    scale_by: ScaleBy
    threshold: float
    idle_timeout_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.workers_min <= self.workers_max or self.workers_max < 1:
            told = f"{self.workers_min} to {self.workers_max} workers"
            raise BadInput(f"{told}: --workers-max is at least 1, and --workers-min at most --workers-max")
        if not 0 < self.threshold < math.inf or not 0 <= self.idle_timeout_s < math.inf:
            raise BadInput("--scale-threshold is a number above 0, and --idle-timeout a number of seconds")

    def __str__(self) -> str:
        rule = f"delay over {self.threshold:g} s" if self.scale_by == "delay" else f"{self.threshold:g} jobs a worker"
        return f"{self.workers_min}-{self.workers_max} workers, {rule}"


@dataclass(frozen=True)
class Rules:
    """The platform's rules of `date`, as `source` has them.

    `usual` and `thresholds` are its default settings. A worker is billed in steps of `billed_by_s`; one that has all
    the jobs it can have looks for more after `look_again_s` (SDK: `rp_scale.py`). `assumed_cold_start_s` is nobody's
    figure: what is reckoned with until a cold start was measured.
    """

    date: str
    source: str
    usual: Scaling
    thresholds: dict[ScaleBy, float]
    billed_by_s: float
    look_again_s: float
    assumed_cold_start_s: float


def shipped_rules() -> Rules:
    """The rules that come with this package."""
    told = json.loads(SHIPPED.read_text("utf-8"))
    thresholds, scale_by = told["thresholds"], told["scale_by"]
    usual = Scaling(told["workers_min"], told["workers_max"], scale_by, thresholds[scale_by], told["idle_timeout_s"])
    paces = (told["billed_by_s"], told["look_again_s"], told["assumed_cold_start_s"])
    return Rules(told["date"], told["source"], usual, thresholds, *paces)
