"""What one worker can do, as it was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """What a worker is, in seconds: `times_s` are those of jobs, and each job takes one of them at random.

    It has `concurrency` jobs at a time. When it has as many, it looks again after `look_again_s`, and as often as it
    then still has; if it `blocks`, as a sync handler does, that looking waits for the job's end. Of the jobs that it
    took last it thinks that it has twice as many (SDK: `rp_scale.py`). With `look_again_s` 0 there is nothing of this.
    """

    times_s: Sequence[float]
    cold_start_s: float
    concurrency: int = 1
    blocks: bool = True
    look_again_s: float = 0.0

    @property
    def slot_s(self) -> float:
        """How long a job keeps others from a worker that has all the jobs it can have."""
        return sum(map(self._slot_s, self.times_s)) / len(self.times_s)

    def _slot_s(self, time_s: float) -> float:
        pause = self.look_again_s
        if not pause:
            return time_s
        if self.blocks:
            return time_s + pause if time_s > pause else pause
        return max(math.ceil(time_s / pause), 1) * pause
