"""What a request may ask of the platform for one job, next to its input (facts/runpod-contract.md 5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from rp_notebook.errors import BadInput

DAY_MS = 24 * 60 * 60 * 1000
LIMITS_MS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"executionTimeout": (5_000, 7 * DAY_MS), "ttl": (10_000, 7 * DAY_MS)}
)


def timeout_of(policy: Any) -> float | None:
    """The `executionTimeout` of a policy, in seconds; None where it sets none.

    Raises `BadInput` with the limits for what the platform refuses. The worker is given the policy with the rest of
    the job, as the SDK hands over all it gets. `ttl`, which counts from submission, is only checked: nothing is queued.
    """
    if not isinstance(policy, dict):
        raise BadInput(f'policy is {policy!r}: it is an object, {{"executionTimeout": 600000}}')
    for name, (least, most) in LIMITS_MS.items():
        value = policy.get(name, least)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise BadInput(
                f"policy.{name} is {value!r}: the platform takes {least} to {most} milliseconds "
                f"({least // 1000} s to {most // DAY_MS} days)"
            )
    return policy["executionTimeout"] / 1000 if "executionTimeout" in policy else None
