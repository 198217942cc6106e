"""Flat handler cells in a real IPython shell: the cell runs as written, jobs run it as a function."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell

from tests.kernel.conftest import Cell

CAPTION = (
    "%%runpod_handler caption -i prompt -i steps=20\nprompt = 'a cat'\n\nwords = prompt.split()\n{'n': words * steps}"
)


def test_the_cell_runs_as_written_and_jobs_leave_its_variables_alone(cell: Cell) -> None:
    cell("steps = 2")
    assert cell(CAPTION).result == {"n": ["a", "cat"] * 2}
    assert cell("%runpod job {'prompt': 'b', 'steps': 1}").result.output == {"n": ["b"]}
    assert cell("%runpod job {'prompt': 'b'}").result.output == {"n": ["b"] * 20}
    assert cell("prompt, steps, words").result == ("a cat", 2, ["a", "cat"])
    assert "caption" not in InteractiveShell.instance().user_ns


def test_a_default_is_the_value_that_the_cell_is_tried_with(cell: Cell) -> None:
    assert cell("%%runpod_handler -i n=20 -i m=[1]\nm.append(n)\nm").result == [1, 20]
    assert cell("'n' in globals() or 'm' in globals()").result is False
    assert cell("n = 3").success
    assert cell("%%runpod_handler -i n=20\nn + 1").result == 4
    assert cell("n").result == 3
    assert cell("%runpod job {}").result.output == 21


def test_a_semicolon_hides_the_value_and_not_the_answer(cell: Cell) -> None:
    cell("steps = 2")
    assert cell(CAPTION + ";").result is None
    assert cell("%runpod job {'prompt': 'b', 'steps': 1}").result.output == {"n": ["b"]}


def test_names_of_the_notebook_are_looked_up_when_a_job_runs(cell: Cell) -> None:
    cell("factor = 2\ndef scale(n):\n    return n * factor")
    cell("%%runpod_handler -i n\nn = 1\nscale(n)")
    cell("factor = 10")
    assert cell("%runpod job {'n': 3}").result.output == 30


def test_what_the_cell_counts_is_the_notebooks(cell: Cell) -> None:
    cell("count = 0")
    cell("%%runpod_handler -i n\nn = 1\ncount += n\ncount")
    assert cell("%runpod job {'n': 3}").result.output == 4
    assert cell("count").result == 4


@pytest.mark.parametrize("above", ["", "\n\n", "%%time\n", "%%capture\n\n"], ids=["plain", "empty", "time", "capture"])
def test_commands_and_await_work_in_it_and_errors_point_at_its_lines(cell: Cell, above: str) -> None:
    awaited = "" if "%%" in above else "\nimport asyncio\nawait asyncio.sleep(0)"
    body = f"%%runpod_handler -i n\nn = 2{awaited}\nsaid = !echo {{n}}\n%time half = 6 / n\n[said[0], half]"
    cell(above + body)
    assert cell("%runpod job {'n': 3}").result.output == ["3", 2.0]
    line = (above.lstrip("\n") + body).split("\n").index("%time half = 6 / n") + 1
    assert f", line {line}, in handler" in cell("%runpod job {'n': 0}").result.error


def test_a_job_without_a_needed_input_fails_by_name(cell: Cell) -> None:
    cell("steps = 2")
    cell(CAPTION)
    record = cell("%runpod job {'steps': 1}").result
    assert record.status == "FAILED"
    assert "missing input: prompt" in record.error


def test_the_cell_can_be_run_again(cell: Cell, capsys) -> None:
    cell("steps = 2")
    cell(CAPTION)
    cell(CAPTION.replace("words * steps", "len(words)"))
    assert "caption v2" in capsys.readouterr().out
    assert cell("%runpod job {'prompt': 'a b c'}").result.output == {"n": 3}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("%%runpod_handler -i n\nn + 1", "`n` is an input; to try the cell it needs a value too"),
        ("%%runpod_handler -i n\nreturn n", "`return` outside a function: end the cell with the expression"),
        ("%%runpod_handler -i n\nn = 1\nm = n", "end the cell with the expression that is the answer"),
        ("%%runpod_handler -i n=fast\nn = 1\nn", 'there is no variable fast; write text as -i n="..."'),
        ("%%runpod_handler -i n=\nn = 1\nn", "nothing is no Python value"),
        ("%%runpod_handler\n1 + 1", "or name its inputs with -i"),
    ],
    ids=["no value to try", "return", "no answer", "no variable", "no default", "no input"],
)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_registered(cell: Cell, capsys, text: str, told: str) -> None:
    cell(text)
    said = capsys.readouterr()
    assert sum(told in line for line in (said.out + said.err).splitlines()) == 1
    cell("%runpod job {}")
    assert "none is registered" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("function", "body", "told"),
    [
        ("def shout():\n    return prompt.upper()", "shout()", ["prompt"]),
        ("def deep():\n    return size\ndef shout():\n    return deep()", "size = len(prompt)\nshout()", ["size"]),
        ("def shout():\n    return [prompt for _ in 'a']", "shout()", ["prompt"]),
        ("def shout(prompt):\n    return prompt.prompt", "shout(prompt)", []),
        ("def shout():\n    return count", "count += prompt\nshout()", []),
    ],
    ids=["input", "through another", "comprehension", "argument", "shared"],
)
def test_a_function_that_would_not_see_the_jobs_value_is_named(
    cell: Cell, capsys, function: str, body: str, told: list[str]
) -> None:
    class Text(str):
        prompt = 1

    InteractiveShell.instance().user_ns.update(prompt=Text("a"), count=Text(), size=0)
    cell(function)
    cell(f"%%runpod_handler -i prompt\n{body}")
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Each job has its own")]
    assert [line.split("`")[1] for line in said] == told
