"""A project's own words for the tables: what changes its objects, what only looks, what always goes along."""

from __future__ import annotations

import pytest

from rp_notebook.errors import BadInput, ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.exporting import export_cells
from rp_notebook.export.project import NO_PROJECT, Project, project_of
from rp_notebook.jobs.declaration import Declaration

HANDLER = "def handler(job):\n    return model.run(job)"


def module(folder, *cells: str) -> str:
    runs = [CellRun(number, text) for number, text in enumerate((*cells, HANDLER), start=1)]
    return export_cells(runs, Declaration("handler", "handler"), folder=folder).module


def said(folder, text: str) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.rp-notebook]\n{text}\n")


@pytest.mark.parametrize(
    ("table", "line", "is_kept"),
    [
        ("", "x = model.absorb(1)", False),
        ('mutators = ["mylib.Model.absorb"]', "x = model.absorb(1)", True),
        ('mutators = ["absorb"]', "x = model.absorb(1)", True),
        ('mutators = ["otherlib.Model.absorb"]', "x = model.absorb(1)", False),
        ("", "model.warm_it_up()", True),
        ('pure = ["mylib.Model.warm_it_up"]', "model.warm_it_up()", False),
        ('pure = ["otherlib.Model.warm_it_up"]', "model.warm_it_up()", True),
        ("", "mylib.paint(model)", True),
        ('pure = ["mylib.paint"]', "mylib.paint(model)", False),
        ('pure = ["mylib.other.paint"]', "mylib.paint(model)", True),
        ("", "x = mylib.tune(model)", False),
        ('mutators = ["mylib.tune"]', "x = mylib.tune(model)", True),
        ('mutators = ["mylib.tune"]', "from mylib import tune as t\nx = t(model)", True),
        ('keep = ["x"]', "x = model.absorb(1)", True),
        ('drop = ["model"]\npure = ["warm_it_up"]', "model.warm_it_up()", None),
    ],
)
def test_the_tables_take_the_projects_words(tmp_path, table: str, line: str, is_kept: bool | None) -> None:
    said(tmp_path, table)
    cells = ("import mylib\nmodel = mylib.Model.from_file('m')", line)
    if is_kept is None:
        with pytest.raises(ExportRefused, match=r"tool\.rp-notebook\.drop in pyproject\.toml"):
            module(tmp_path, *cells)
    else:
        assert (line.split("\n")[-1] in module(tmp_path, *cells)) is is_kept


def test_a_word_holds_inside_functions_too(tmp_path) -> None:
    said(tmp_path, 'mutators = ["mylib.tune"]')
    cells = ("import mylib\nmodel = mylib.Model()", "def prepare(m):\n    return mylib.tune(m)", "y = prepare(model)")
    assert "y = prepare(model)" in module(tmp_path, *cells)


def test_the_nearest_table_counts_and_files_without_one_do_not(tmp_path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert project_of(inner) == NO_PROJECT
    said(tmp_path, 'pure = ["look"]')
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.other]\nthis is no TOML, and nobody has to read it\n")
    assert project_of(inner) == Project(pure=frozenset({"look"}))
    said(tmp_path / "a", 'mutators = ["turn"]')
    assert project_of(inner) == Project(mutators=frozenset({"turn"}))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mutates = []", "tool.rp-notebook.mutates is unknown; known: mutators, pure, keep, drop"),
        ('pure = "show"', "tool.rp-notebook.pure is a list of names"),
        ("pure = [1]", "tool.rp-notebook.pure is a list of names"),
        ('mutators = ["a b"]', "tool.rp-notebook.mutators: 'a b' is no dotted name"),
        ('keep = ["7"]', "tool.rp-notebook.keep: '7' is no variable's name"),
        ('drop = ["a-b"]', "tool.rp-notebook.drop: 'a-b' is no variable's name"),
        ("pure = [", "is not TOML"),
    ],
)
def test_a_table_that_cannot_be_read_is_named_by_its_key(tmp_path, text: str, told: str) -> None:
    said(tmp_path, text)
    with pytest.raises(BadInput) as mistake:
        project_of(tmp_path)
    assert told in str(mistake.value)


def test_a_value_of_another_shape_is_no_table(tmp_path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool]\nrp-notebook = 3\n")
    with pytest.raises(BadInput, match="is a table"):
        project_of(tmp_path)
