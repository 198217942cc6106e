"""`%runpod env` and `%runpod apt` in a real shell."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Cell
from tests.kernel.test_extension import DOUBLE


def test_what_is_declared_goes_into_the_worker(cell: Cell, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("STEPS", "is taken away, also behind this test")
    monkeypatch.delenv("STEPS")
    cell(DOUBLE)
    assert "1 declared" in repr(cell("%runpod env STEPS=20").result)
    assert cell("import os; os.environ['STEPS']").result == "20"
    assert "STEPS=20" in repr(cell("%runpod env BUCKET_KEY").result)
    cell("%runpod apt ffmpeg libgl1")
    cell(f"%runpod export {tmp_path / 'worker'}")
    assert "STEPS=20" in (tmp_path / "worker" / ".env.example").read_text()
    assert "BUCKET_KEY=\n" in (tmp_path / "worker" / ".env.example").read_text()
    dockerfile = (tmp_path / "worker" / "Dockerfile").read_text()
    assert "ffmpeg libgl1" in dockerfile
    assert "STEPS=20" in dockerfile


def test_what_ran_without_a_variable_is_named(cell: Cell, monkeypatch) -> None:
    monkeypatch.setenv("RP_STEPS", "is taken away, also behind this test")
    monkeypatch.delenv("RP_STEPS")
    number = cell("import os; steps = os.environ.get('RP_STEPS')").execution_count
    assert f"before it was set: In[{number}]" in repr(cell("%runpod env RP_STEPS=20").result)
    assert "before" not in repr(cell("%runpod env RP_STEPS=20").result)
    assert f"In[{number}]" in repr(cell("%runpod env RP_STEPS=30").result)
    assert cell("os.environ['RP_STEPS']").result == "30"
    cell("os.environ['RP_STEPS'] = '7'")
    assert "another value in this kernel" in repr(cell("%runpod env RP_STEPS=40").result)
    assert cell("os.environ['RP_STEPS']").result == "7"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%runpod env 1x", "is not the name of an environment variable"),
        ("%runpod env API_KEY=abc", "looks like a secret"),
        ("%runpod apt 'a;b'", "is not the name of a system package"),
    ],
)
def test_a_mistake_is_one_line(cell: Cell, line: str, said: str, capsys) -> None:
    cell(line)
    assert said in capsys.readouterr().err


def test_a_secret_of_the_environment_is_in_no_job_of_the_history(cell: Cell, monkeypatch) -> None:
    monkeypatch.setenv("MY_SECRET", "plain-Words-1")
    cell(DOUBLE)
    cell('%runpod job {"x": 1, "say": "plain-Words-1"}')
    shell = cell("get_ipython()").result
    (record,) = shell.magics_manager.registry["RunpodMagics"].session.history.records()
    assert record.job.input == {"x": 1, "say": "***"}
