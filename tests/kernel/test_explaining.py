"""Asking for reasons, having one's own word, and what the status card says, in a real shell beside a saved notebook."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell

from tests.kernel.conftest import Cell

HANDLER = "%%runpod_handler\ndef triple(job):\n    return SCALE * job['input']['x']"


@pytest.fixture
def notebook(cell: Cell, tmp_path, monkeypatch) -> Iterator[Callable[..., Path]]:
    """Saves a notebook of cells by id, as a front end does; it is newer than all that ran so far."""
    path = tmp_path / "night.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))

    def save(tags: dict[str, list[str]] | None = None, **cells: str) -> Path:
        made = [
            nbformat.v4.new_code_cell(text, id=name, metadata={"tags": (tags or {}).get(name, [])})
            for name, text in cells.items()
        ]
        nbformat.write(nbformat.v4.new_notebook(cells=made), path)
        os.utime(path, (time.time() + 1, time.time() + 1))
        return path

    return save


@pytest.fixture
def triple(cell: Cell) -> Cell:
    run("load", "%load_ext rp_notebook")
    run("scale", "SCALE = 3\nUNUSED = 4")
    run("plot", "print('look')")
    run("handler", HANDLER)
    return cell


def run(name: str, text: str):
    return InteractiveShell.instance().run_cell(text, store_history=True, cell_id=name)


def codes(report) -> list[str]:
    return [finding.code for finding in report.findings]


def test_why_tells_the_way_to_a_line_and_the_reason_of_what_was_dropped(triple: Cell) -> None:
    told = repr(triple("%runpod why SCALE").result)
    assert "def triple(job):  (defines `triple`, which the worker uses)" in told
    assert "SCALE = 3  (defines `SCALE`, which triple() uses)" in told
    assert "nothing needed uses `UNUSED`" in repr(triple("%runpod why UNUSED").result)
    every = triple("%runpod why").result
    assert all(word in repr(every) for word in ("SCALE = 3", "UNUSED = 4", "print('look')"))
    assert "&#x27;look&#x27;" in every._repr_html_()


def test_why_says_of_a_cell_that_failed_that_it_did(triple: Cell, capsys) -> None:
    triple("SCALE = 3\n1 / 0\nSCALE = 4")
    triple("%runpod why In[6]")
    assert "In[6]" in capsys.readouterr().out
    triple("1 / 0")
    triple("%runpod why In[8]")
    assert "In[8] failed in line 1: what failed is no part of a worker" in capsys.readouterr().err


def test_a_dry_run_shows_the_tree_the_module_and_what_changes(triple: Cell, tmp_path) -> None:
    first = repr(triple("%runpod export worker --dry-run").result)
    assert "no earlier export is there" in first
    assert "\nSCALE = 3\n" in first
    assert "requirements.txt" in first
    assert not (tmp_path / "worker").exists()
    triple("%runpod export worker")
    assert "nothing changes in worker" in repr(triple("%runpod export worker --dry-run").result)
    triple("SCALE = 5")
    again = repr(triple("%runpod export worker --dry-run").result)
    assert "\n-SCALE = 3\n" in again
    assert "\n+SCALE = 5\n" in again
    assert "SCALE = 3" in (tmp_path / "worker" / "handler.py").read_text()


def test_what_is_kept_goes_along_until_it_is_taken_back(triple: Cell) -> None:
    triple("%runpod keep UNUSED")
    assert "\nUNUSED = 4\n" in repr(triple("%runpod export worker --dry-run").result)
    assert "keep UNUSED" in repr(triple("%runpod keep --list").result)
    triple("%runpod drop UNUSED")
    assert "keep UNUSED" not in repr(triple("%runpod keep --list").result)
    assert "left out by %runpod drop UNUSED" in repr(triple("%runpod why UNUSED").result)
    triple("%runpod drop --clear")
    assert "UNUSED = 4\n" not in repr(triple("%runpod export worker --dry-run").result)


def test_leaving_out_what_is_needed_is_refused_at_export(triple: Cell, tmp_path) -> None:
    triple("%runpod drop In[3]")
    report = triple("%runpod export worker").result
    assert (report.badge, codes(report)) == ("REFUSED", ["RPS151"])
    assert not (tmp_path / "worker").exists()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("%runpod keep 99", "no cell ran as In[99]"),
        ("%runpod drop nosuch", "there is no variable nosuch"),
        ("%runpod keep", "say what to keep"),
        ("%runpod drop --clear SCALE", "was not said"),
        ("%runpod keep a.b", "is no cell"),
        ("%runpod why nosuch", "no statement is of nosuch"),
        ("%runpod why 999", "handler.py would have"),
    ],
)
def test_a_mistake_is_one_line(triple: Cell, capsys, line: str, told: str) -> None:
    capsys.readouterr()
    triple(line)
    said = "".join(capsys.readouterr())
    assert told in said
    assert "Traceback" not in said


def test_tags_of_the_saved_notebook_count(triple: Cell, notebook) -> None:
    notebook(tags={"plot": ["rp-keep"]}, scale="SCALE = 3\nUNUSED = 4", plot="print('look')", handler=HANDLER)
    assert "\nprint('look')\n" in repr(triple("%runpod export worker --dry-run").result)
    notebook(tags={"scale": ["rp-drop"]}, scale="SCALE = 3\nUNUSED = 4", handler=HANDLER)
    assert codes(triple("%runpod export worker").result) == ["RPS151"]


def test_an_edited_and_a_deleted_cell_are_told_and_strict_refuses_them(triple: Cell, notebook, tmp_path) -> None:
    notebook(scale="SCALE = 4", handler=HANDLER)
    assert {"RPS101", "RPS103"} <= set(codes(triple("%runpod export worker").result))
    notebook(handler=HANDLER)
    report = triple("%runpod export worker").result
    assert "RPS102" in codes(report)
    assert "SCALE = 3" in (tmp_path / "worker" / "handler.py").read_text()
    strict = triple("%runpod export elsewhere --strict").result
    assert strict.badge == "REFUSED"
    assert "RPS102" in codes(strict)
    assert not (tmp_path / "elsewhere").exists()


def test_a_notebook_as_it_was_saved_hides_nothing(triple: Cell, notebook) -> None:
    notebook(load="%load_ext rp_notebook", scale="SCALE = 3\nUNUSED = 4", plot="print('look')", handler=HANDLER)
    report = triple("%runpod export worker --strict").result
    assert (report.badge, codes(report)) == ("CREATED", ["RPP111"])


def test_the_card_counts_the_cells_that_changed_since_the_export(triple: Cell, notebook, tmp_path) -> None:
    notebook(scale="SCALE = 3\nUNUSED = 4", handler=HANDLER)
    triple("%runpod export worker")
    assert "changed since" not in repr(triple("%runpod").result)
    run("scale", "SCALE = 30")
    assert "1 cell changed since the export to worker" in repr(triple("%runpod").result)
    notebook(scale="SCALE = 30", handler=HANDLER + "  # edited")
    card = triple("%runpod").result
    assert "2 cells changed since the export to worker" in repr(card)
    assert "2 cells changed since the export to worker" in card._repr_html_()


def test_the_card_counts_what_ran_since_the_export_and_would_go_along_now(triple: Cell, notebook) -> None:
    notebook(scale="SCALE = 3\nUNUSED = 4", handler=HANDLER)
    triple("%runpod export worker")
    run("other", "NOISE = 1")
    assert "changed since" not in repr(triple("%runpod").result)
    run("more", "SCALE += 1")
    assert "1 cell changed since the export to worker" in repr(triple("%runpod").result)
    notebook(scale="SCALE = 3\nUNUSED = 4", handler=HANDLER, more="SCALE += 1")
    triple("%runpod export worker")
    assert "changed since" not in repr(triple("%runpod").result)


def test_a_later_session_knows_the_export_beside_its_notebook(triple: Cell, notebook) -> None:
    notebook(scale="SCALE = 3\nUNUSED = 4", handler=HANDLER)
    triple("%runpod export worker")
    InteractiveShell.instance().meta.pop("rp_notebook")
    triple("%reload_ext rp_notebook")
    assert "changed since" not in repr(triple("%runpod").result)
    notebook(scale="SCALE = 9", handler=HANDLER)
    assert "1 cell changed since the export to worker" in repr(triple("%runpod").result)
