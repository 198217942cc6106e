"""What all test modules share: the count of cases that were compared with real workers, and a light collector."""

from __future__ import annotations

import gc
import os
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

OLDEST = "1.10.1"  # the oldest SDK that pyproject.toml allows
LATEST = metadata.version("runpod")

LONG = ("image", "browser", "kernel")  # marks, the longest first

COMPARED = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[COMPARED] = Counter()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: many tests wait for a kernel, a worker, or an index of packages."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take long come first, so that none is left for the end."""
    places: dict[Path, int] = {}
    for item in items:
        found = (at for at, mark in enumerate(LONG) if item.get_closest_marker(mark))
        places[item.path] = min(places.get(item.path, len(LONG)), *found, len(LONG))
    items.sort(key=lambda item: places[item.path])


def pytest_sessionfinish(session: pytest.Session) -> None:
    if (sent := getattr(session.config, "workeroutput", None)) is not None:
        sent["compared"] = dict(session.config.stash[COMPARED])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[COMPARED].update(getattr(node, "workeroutput", {}).get("compared", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    compared = config.stash[COMPARED]
    if compared:
        listed = " as listed" if compared[f"{OLDEST} differ"] else ""
        terminalreporter.write_line(
            f"differential: {compared[LATEST]:,} cases against runpod {LATEST}, {compared[f'{LATEST} differ']} differ; "
            f"{compared[OLDEST]:,} against {OLDEST}, {compared[f'{OLDEST} differ']} differ{listed}"
        )


@pytest.fixture(autouse=True, scope="module")
def _earlier_modules_are_no_work_for_the_collector() -> None:
    """What earlier modules imported and cached stays until the end: without this, each full collection walks it all."""
    gc.collect()
    gc.freeze()
