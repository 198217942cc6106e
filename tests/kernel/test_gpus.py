"""GPU pools in a real shell: below a job, in `%runpod gpus`, and with the user's own prices."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from tests.jobs.test_gauge import TwoDevices
from tests.kernel.conftest import Cell
from tests.kernel.test_extension import DOUBLE

JOB = '%runpod job {"x": 1}'


@pytest.fixture
def on_gpus(monkeypatch) -> None:
    """Torch as the gauge sees it where two GPUs are in use: 46.1 GB on both, with head-room more than 48 GB."""
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=TwoDevices()))


def shown(record: Any) -> dict[str, str]:
    return InteractiveShell.instance().display_formatter.format(record)[0]


def prices_file(folder) -> str:
    pool = {"id": "MINE", "memory_gb": 100, "gpus": [], "usd_per_s": 1}
    (folder / "prices.json").write_text(json.dumps({"date": "2030-01-01", "source": "mine", "pools": [pool]}))
    return str(folder / "prices.json")


def test_a_job_on_a_gpu_says_which_pools_fit_and_the_table_agrees(cell: Cell, on_gpus: None) -> None:
    cell(DOUBLE)
    said = shown(cell(JOB).result)
    assert "fits AMPERE_80 (80 GB) and larger" in said["text/plain"]
    assert "fits AMPERE_80 (80 GB) and larger" in said["text/html"]
    table = " ".join(repr(cell("%runpod gpus").result).split())
    assert table.startswith("FITS double: needs 50.71 GB of one card with head-room, the sum over 2 GPUs: 5 of 11")


def test_without_a_gpu_the_pools_are_not_guessed(cell: Cell) -> None:
    cell(DOUBLE)
    cell(JOB)
    assert cell("%runpod gpus -n double").result.badge == "NOT MEASURED"


def test_jobs_of_an_earlier_version_do_not_count(cell: Cell, on_gpus: None) -> None:
    cell(DOUBLE)
    cell(JOB)
    cell(DOUBLE.replace("* 2", "* 3"))
    assert cell("%runpod gpus").result.badge == "NOT MEASURED"


@pytest.mark.parametrize("line", ["%runpod gpus --prices {}", JOB + " --prices {}"], ids=["gpus", "job"])
def test_prices_of_a_file_hold_from_then_on(cell: Cell, on_gpus: None, tmp_path, line: str) -> None:
    cell(DOUBLE)
    cell(line.replace("{}", prices_file(tmp_path)))
    assert "fits MINE (100 GB)" in shown(cell(JOB).result)["text/plain"]
    assert "prices  of 2030-01-01: mine" in repr(cell("%runpod gpus").result)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("%runpod gpus --prices nosuch.json", "cannot read nosuch.json"),
        (JOB + " --prices nosuch.json", "cannot read nosuch.json"),
        ("%runpod gpus --prices {folder}/list.json", "list.json: must be an object"),
        ("%runpod gpus --prices {folder}/text.json", "text.json is not JSON"),
        ("%runpod gpus -n nope", "known: double"),
        ("%runpod gpus --memory 20", "needs --seconds S"),
    ],
    ids=["gpus", "job", "shape", "text", "handler", "time"],
)
def test_a_users_mistake_is_one_line(cell: Cell, capsys, tmp_path, line: str, told: str) -> None:
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "text.json").write_text("pools: none")
    cell(DOUBLE)
    capsys.readouterr()
    cell(line.replace("{folder}", str(tmp_path)))
    said = "".join(capsys.readouterr())
    assert told in said
    assert "Traceback" not in said


def test_without_a_gpu_own_figures_give_pools_and_prices(cell: Cell) -> None:
    cell(DOUBLE)
    assert "--memory GB --seconds S" in repr(cell("%runpod gpus").result)
    said = repr(cell("%runpod gpus --memory 20 --seconds 1.5").result)
    assert said.startswith("FITS  double: needs 22.00 GB of one card")
    assert "by your figures" in said
    cell(JOB)
    assert "time" in repr(cell("%runpod gpus --memory 20").result)
