"""What is said of a notebook that fails while it runs without anybody looking."""

from __future__ import annotations

import pytest
from nbclient.exceptions import CellExecutionError

from rp_notebook.headless import reason

FLAT = "%%runpod_handler say -i prompt -i steps=20\nprompt.upper() * steps"


@pytest.mark.parametrize(
    ("source", "ename", "evalue", "helps"),
    [
        (FLAT, "NameError", "name 'prompt' is not defined", True),
        (FLAT, "NameError", "name 'other' is not defined", False),
        (FLAT, "ValueError", "name 'prompt' is not defined", False),
        ("prompt", "NameError", "name 'prompt' is not defined", False),
        ("%%runpod_handler say -i (\nx", "NameError", "name 'prompt' is not defined", False),
    ],
    ids=["an input", "another name", "another error", "no handler cell", "a bad declaration"],
)
def test_an_input_without_a_value_is_named_with_what_to_type(source, ename, evalue, helps):
    said = reason(source, CellExecutionError("", ename, evalue))
    assert said.startswith(f"{ename}: {evalue}")
    assert ("write prompt = ..." in said) == helps


PASTED = "from runpod.serverless import start\nstart({'handler': print})"


@pytest.mark.parametrize(
    ("source", "ename", "helps"),
    [
        (PASTED, "RuntimeError", True),
        (PASTED, "ValueError", False),
        (f"%%runpod_handler\n{PASTED}", "RuntimeError", False),
        ("start({})", "RuntimeError", False),
    ],
    ids=["pasted", "another error", "a handler cell", "another start"],
)
def test_a_worker_that_was_pasted_as_it_is_is_told_of_the_magic(source, ename, helps):
    assert ("begin the cell with %%runpod_handler" in reason(source, CellExecutionError("", ename, "asyncio"))) == helps
