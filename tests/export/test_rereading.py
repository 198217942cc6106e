"""Cells that run again are read once, and each run has its statements."""

from __future__ import annotations

from rp_notebook.export.cells import CellRun
from rp_notebook.export.rereading import history_of


def test_runs_of_one_text_share_the_node_and_nothing_else() -> None:
    texts = ["import a, b", "import a, b", "x = 1\ny = 2", "# again\nx = 1", "x = 1"]
    found = history_of([CellRun(number, text) for number, text in enumerate(texts, start=1)]).statements
    assert [(each.cell.number, each.text) for each in found] == [
        *((1, "import a, b"), (1, "import a, b"), (2, "import a, b"), (2, "import a, b")),
        *((3, "x = 1"), (3, "y = 2"), (4, "# again\nx = 1"), (5, "x = 1")),
    ]
    assert [each.position for each in found] == list(range(8))
    assert [each.unit for each in found] == [0, 0, 2, 2, 4, 5, 6, 7]
    assert [each.alias.name for each in found if each.alias] == ["a", "b", "a", "b"]
    assert found[4].node is found[7].node


def test_two_imports_of_one_cell_are_two_though_they_read_alike() -> None:
    found = history_of([CellRun(1, "import a, b\nimport a, b")]).statements
    assert [each.unit for each in found] == [0, 0, 2, 2]


def test_a_run_that_failed_half_way_has_the_statements_before() -> None:
    cells = [CellRun(1, "x = 1\ny = 2\nz = 3"), CellRun(2, "x = 1\ny = 2\nz = 3", ok=False, failed_line=2)]
    assert [each.text for each in history_of(cells).statements] == ["x = 1", "y = 2", "z = 3", "x = 1"]
