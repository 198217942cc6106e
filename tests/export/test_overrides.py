"""Statements that the user keeps or leaves out: they go in with what they need, and never silently missing."""

from __future__ import annotations

import pytest

from rp_notebook.errors import BadInput, ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.module import module_of
from rp_notebook.export.overrides import Overrides, override
from rp_notebook.export.slicing import Slice, slice_cells
from rp_notebook.jobs.declaration import Declaration

CELLS = (
    "import thirdparty\nbase = 2",
    "warm = [base]",
    "warm.append(3)",
    "lut = {'a': 1}",
    "lut['b'] = 2",
    "thirdparty.refresh(lut)",
    "def handler(job):\n    return lut",
)


def sliced(*, keep: str = "", drop: str = "", tags: dict[int, str] | None = None) -> Slice:
    runs = [CellRun(n, text, tags=frozenset([(tags or {}).get(n, "other")])) for n, text in enumerate(CELLS, start=1)]
    said = Overrides(
        tuple(override(word, f"%runpod keep {word}") for word in keep.split()),
        tuple(override(word, f"%runpod drop {word}") for word in drop.split()),
    )
    return slice_cells(runs, Declaration("handler", "handler"), overrides=said)


def cells_kept(found: Slice) -> list[int]:
    return sorted({kept.cell for kept in found.kept})


def test_without_a_word_only_what_is_needed_is_kept() -> None:
    assert cells_kept(sliced()) == [1, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("keep", "cells"),
    [
        ("2", [1, 2, 4, 5, 6, 7]),
        ("In[2]", [1, 2, 4, 5, 6, 7]),
        ("2-3", [1, 2, 3, 4, 5, 6, 7]),
        ("warm", [1, 2, 3, 4, 5, 6, 7]),
        ("wa*", [1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_what_is_kept_brings_what_it_needs(keep: str, cells: list[int]) -> None:
    found = sliced(keep=keep)
    assert cells_kept(found) == cells
    assert "base = 2" in module_of(found, Declaration("handler", "handler")).text


def test_a_tag_keeps_a_cell_as_the_command_does() -> None:
    found = sliced(tags={2: "rp-keep"})
    assert cells_kept(found) == [1, 2, 4, 5, 6, 7]
    assert "kept by `the tag rp-keep`" in {kept.reason for kept in found.kept}


@pytest.mark.parametrize("drop", ["4", "5", "7", "lut", "1"], ids=["definition", "change", "handler", "name", "import"])
def test_leaving_out_what_is_needed_is_refused_by_name(drop: str) -> None:
    with pytest.raises(ExportRefused) as refusal:
        sliced(drop=drop)
    first = refusal.value.findings[0]
    assert first.code == "RPS151"
    assert f"%runpod drop {drop}" in first.message
    assert first.cell is not None


def test_leaving_out_what_only_might_matter_is_a_warning() -> None:
    found = sliced(drop="6")
    assert cells_kept(found) == [4, 5, 7]
    assert [(f.code, f.severity, f.cell) for f in found.findings] == [("RPS152", "warning", 6)]
    assert "left out by %runpod drop 6" in {dropped.reason for dropped in found.dropped}


def test_a_tag_leaves_a_cell_out_as_the_command_does() -> None:
    assert cells_kept(sliced(tags={6: "rp-drop"})) == [4, 5, 7]
    with pytest.raises(ExportRefused, match="the tag rp-drop"):
        sliced(tags={4: "rp-drop"})


def test_keeping_and_leaving_out_the_same_is_refused() -> None:
    with pytest.raises(ExportRefused, match="kept by `%runpod keep 2`"):
        sliced(keep="2", drop="2")


def test_leaving_out_what_nothing_needs_changes_nothing() -> None:
    assert sliced(drop="2-3").kept == sliced().kept


def test_a_word_that_meets_nothing_is_told() -> None:
    assert [f.code for f in sliced(keep="nowhere", drop="99").findings] == ["RPS153", "RPS153"]


@pytest.mark.parametrize("word", ["", "a b", "7-", "9-7", "a.b", "Out[3]", "-"])
def test_a_word_that_is_neither_cells_nor_a_name_is_a_mistake(word: str) -> None:
    with pytest.raises(BadInput):
        override(word, "%runpod keep")
