"""The differential comparison as a fixture, and how much of it there was as a line of pytest's summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import pytest

from tests.jobs.real_worker import Batch, Worked, differing, recorded, worked

OLDEST = "1.10.1"  # the oldest that pyproject.toml allows
OLDEST_FOLDER = Path(__file__).parents[2] / ".venv" / f"sdk-{OLDEST}"
LATEST = metadata.version("runpod")

CASES, DIFFERING = pytest.StashKey[Counter[str]](), pytest.StashKey[Counter[str]]()

StartWorkers = Callable[..., dict[str, Future[list[Worked]]]]
Differ = Callable[..., dict[str, dict[str, str]]]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[CASES], config.stash[DIFFERING] = Counter(), Counter()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    cases, found = config.stash[CASES], config.stash[DIFFERING]
    if cases:
        latest = f"{cases[LATEST]:,} cases against runpod {LATEST}, {found[LATEST]} differ"
        listed = " as listed" if found[OLDEST] else ""
        terminalreporter.write_line(
            f"differential: {latest}; {cases[OLDEST]:,} against {OLDEST}, {found[OLDEST]} differ{listed}"
        )


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
            pytestconfig.stash[CASES][sdk] += sum(len(batch.inputs) for batch in batches)
            pytestconfig.stash[DIFFERING][sdk] += len(differences)
        return found

    return compare
