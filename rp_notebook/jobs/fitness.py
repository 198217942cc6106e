"""Runs the fitness checks that a worker would run before its first job, as far as the SDK is loaded."""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncIterator
from typing import Any

from rp_notebook.jobs.finding import Finding

SDK_MODULE = "runpod.serverless.modules.rp_fitness"


async def fitness_findings() -> AsyncIterator[Finding]:
    """A finding for each check that `runpod.serverless.register_fitness_check` was given and that fails.

    The SDK's own checks of memory, disk, network and GPU are not run: they are about the machine of the worker.
    """
    module: Any = sys.modules.get(SDK_MODULE)
    checks = list(module._fitness_checks) if module is not None else []  # noqa: SLF001 (the SDK shows them nowhere)
    for check in checks:
        name = getattr(check, "__name__", str(check))
        try:
            outcome = check()
            if inspect.isawaitable(outcome):
                outcome = await outcome
        except Exception as error:  # noqa: BLE001 (the user's code: how it fails is the answer)
            message = f"the fitness check {name} fails: {type(error).__name__}: {error}"
            yield Finding("RPJ150", "error", message, "the worker would end before its first job, again and again")
            continue
        if outcome is False:
            message = f"the fitness check {name} returns False, which passes: only an exception fails a check"
            yield Finding("RPJ151", "warning", message, "raise when the worker is not fit")
