"""Commands anywhere in a cell: each shows what came of it, as in a cell of its own."""

from __future__ import annotations

import pytest

from tests.kernel.conftest import Cell

DOUBLE = "%%runpod_handler\ndef double(job):\n    return job['input'] * 2"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("%runpod job 1\n%runpod why -n double\n%runpod job 2", ["COMPLETED", "WHY", "COMPLETED"]),
        ("for n in (1, 2):\n    %runpod job n", ["COMPLETED", "COMPLETED"]),
        ("if True:\n    %runpod why -n double\nelse:\n    %runpod job 1\n1", ["WHY"]),
        ("ran = %runpod job 1\n'ä'", []),
        ("x = 'ä'\n%runpod job x", ["COMPLETED"]),
    ],
    ids=["three", "a loop", "a branch", "kept by a name", "the last"],
)
def test_every_command_of_a_cell_shows_its_result(cell: Cell, capsys, text: str, shown: list[str]) -> None:
    cell(DOUBLE)
    capsys.readouterr()
    cell(text)
    words = [line.partition(" ")[0] for line in capsys.readouterr().out.splitlines()]
    assert [word for word in words if word in ("COMPLETED", "WHY")] == shown


def test_a_handler_cell_is_whole_only_behind_a_blank_line(cell: Cell) -> None:
    shell = cell("get_ipython()").result
    assert shell.check_complete("%%runpod_handler\n")[0] == "incomplete"
    assert shell.check_complete(f"{DOUBLE}\n\n")[0] == "complete"
