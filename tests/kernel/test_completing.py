"""Tab, `?`, `--help` and "did you mean" on everything that can be typed."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell

from rp_notebook.kernel.command_table import flags_by_command
from tests.kernel.conftest import Cell

HANDLERS = "%%runpod_handler\ndef double(job):\n    return job['input']['x'] * 2"


TYPED = (
    ("%runpod ", {"job", "jobs", "export", "panel", "unload"}),
    ("%runpod ex", {"export"}),
    ("%%runpod ", {"job"}),
    ("%runpod export --", {"--force", "--dry-run", "--weights", "--help"}),
    ("%runpod export --we", {"--weights"}),
    ("%runpod export out --weights ", {"bake", "volume", "cached", "runtime"}),
    ("%runpod export out --python 3.1", {"3.10", "3.11", "3.12", "3.13"}),
    ("%runpod prove wor", {"worker/"}),
    ("%runpod prove worker/h", {"worker/handler.py"}),
    ("%runpod prove worker --level i", {"image"}),
    ("%runpod job -n d", {"double"}),
    ("%runpod job --mode run", {"run", "runsync"}),
    ("%runpod job giv", {"given"}),
    ("%runpod job @worker/", {"worker/handler.py"}),
    ("%runpod check ", {"double"}),
    ("%runpod why do", {"double"}),
    ("%runpod gpus AMPERE", {"AMPERE_16", "AMPERE_24"}),
    ("%runpod jobs --status LO", {"LOST"}),
    ("%runpod jobs --sort m", {"ms"}),
    ("%runpod env HOM", {"HOME"}),
    ("%runpod unload giv", {"given"}),
    ("%runpod keep giv", {"given"}),
    ("%%runpod_handler --sc", {"--schema"}),
    ("%%runpod_handler --schema giv", {"given"}),
)


def test_tab_offers_what_may_follow(cell: Cell, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "worker").mkdir()
    (tmp_path / "worker" / "handler.py").touch()
    cell(HANDLERS)
    cell("given = {'x': 2}")
    for line, some in TYPED:
        _, offered = InteractiveShell.instance().complete(None, line, len(line))
        typed = line.split(" ")[-1].lstrip("@")
        assert some <= set(offered), line
        assert all(each.startswith(typed) for each in offered), line
    assert InteractiveShell.instance().complete(None, "%runpod job", 0)


def test_tab_offers_jobs_the_golden_ones_first(cell: Cell) -> None:
    cell(HANDLERS)
    for number in range(3):
        cell(f'%runpod job {{"id": "job{number}", "input": {{"x": {number}}}}}')
    cell("%runpod golden job0")
    for command in ("golden", "replay", "jobs"):
        line = f"%runpod {command} job"
        assert InteractiveShell.instance().complete(None, line, len(line))[1] == ["job0", "job2", "job1"]


def test_every_command_tells_its_flags(cell: Cell, capsys) -> None:
    for command, flags in flags_by_command().items():
        for asked in (f"%runpod {command} --help", f"%runpod {command}?", f"%runpod {command} -h"):
            cell(asked)
            said = capsys.readouterr().out
            assert f"%runpod {command}" in said
            assert all(flag in said for flag in flags().spelled if flag != "--help"), asked
            assert max(map(len, said.splitlines())) <= 80, asked


@pytest.mark.parametrize(
    "asked", ["%%runpod_handler --help", "%runpod_handler --help", "%%runpod_handler --help\nx = 1"]
)
def test_the_handler_magic_tells_its_flags(cell: Cell, capsys, asked: str) -> None:
    cell(asked)
    assert "--aggregate" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# my handler\n%%runpod_handler\ndef f(job): ...", "must be the first line of its cell"),
        ("import os\n%%runpod_handler\ndef f(job): ...", "must be the first line of its cell"),
        ("%runpod_handler\ndef f(job): ...", "with two percent signs"),
        ("%runpod export out --foce", "did you mean --force?"),
        ("%runpod export out --wieghts bake", "did you mean --weights?"),
        ("%runpod exprt out", "did you mean %runpod export?"),
        ("%runpod job -n dubble {}", "did you mean double?"),
        ("%runpod gpus ampere16", "did you mean AMPERE_16?"),
    ],
)
def test_a_slip_is_met_with_what_was_meant(cell: Cell, capsys, text: str, told: str) -> None:
    cell(HANDLERS)
    capsys.readouterr()
    cell(text)
    said = capsys.readouterr()
    assert told in said.out + said.err
    assert "Traceback" not in said.out + said.err


def test_after_unloading_nothing_is_completed(cell: Cell) -> None:
    shell = InteractiveShell.instance()
    shell.run_line_magic("unload_ext", "rp_notebook")
    assert "export" not in shell.complete(None, "%runpod ex", 10)[1]
    assert "%runpod_handler" not in shell.magics_manager.magics["line"]
    shell.run_line_magic("load_ext", "rp_notebook")
