"""The differential comparison as a fixture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import COMPARED, LATEST, OLDEST
from tests.jobs.real_worker import Batch, Worked, differing, recorded, worked

OLDEST_FOLDER = Path(__file__).parents[2] / ".venv" / f"sdk-{OLDEST}"

StartWorkers = Callable[..., dict[str, Future[list[Worked]]]]
Differ = Callable[..., dict[str, dict[str, str]]]


@pytest.fixture(scope="session")
def sdks() -> dict[str, Path | None]:
    """The supported SDKs at both ends: the installed one, and the oldest in a folder of its own."""
    assert OLDEST_FOLDER.is_dir(), f"{OLDEST_FOLDER} is missing: run `make setup`"
    return {LATEST: None, OLDEST: OLDEST_FOLDER}


@pytest.fixture
def start_workers(sdks: Mapping[str, Path | None], tmp_path: Path) -> Iterator[StartWorkers]:
    """Begins to run batches in workers of each SDK, all at the same time."""
    with ThreadPoolExecutor() as threads:
        yield lambda source, batches, **environ: {
            sdk: threads.submit(worked, source, batches, tmp_path / sdk, folder, environ)
            for sdk, folder in sdks.items()
        }


@pytest.fixture
def differ(pytestconfig: pytest.Config, start_workers: StartWorkers, tmp_path: Path) -> Differ:
    """Runs batches in workers of each SDK and by `run_job`, and gives what differs: by SDK, then by case."""

    def compare(source: str, batches: Sequence[Batch], **environ: str) -> dict[str, dict[str, str]]:
        started = start_workers(source, batches, **environ)
        ours = recorded(source, batches, tmp_path)
        found = {sdk: differing(batches, ours, theirs.result()) for sdk, theirs in started.items()}
        for sdk, differences in found.items():
            pytestconfig.stash[COMPARED][sdk] += sum(len(batch.inputs) for batch in batches)
            pytestconfig.stash[COMPARED][f"{sdk} differ"] += len(differences)
        return found

    return compare
