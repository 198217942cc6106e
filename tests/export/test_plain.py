"""A cell that is taken for plain Python is what IPython would run, byte for byte."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from rp_notebook.export import names, slicing
from rp_notebook.export.plain import is_plain


def transformed(text: str) -> str:
    lines = text.splitlines(keepends=True)
    manager = TransformerManager()
    for transform in manager.cleanup_transforms:
        lines = transform(lines)
    return "".join(manager.do_token_transforms(lines))


@pytest.mark.parametrize(
    "text",
    [
        "x = 1\n",
        "def f():\n    return 1\n\nf()\n",
        "x = (7\n% 2)\n",
        "'''\n%cd a\n!ls\nwhat?\n'''\n",
        "x = 5; y = 6;\n",
        "",
    ],
    ids=repr,
)
def test_what_is_plain_stays_as_it_is(text: str) -> None:
    assert is_plain(text)
    assert transformed(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "%cd a\n",
            "!ls\n",
            "x = %time 1\n",
            "x = !ls\n",
            "len?\n",
            "%%time\nx = 1\n",
            "pip install x\n",
            "\nx = 1\n",
        ),
        *(
            "  # in\nx = 1\n",
            "def f():\n    \n    return 1\n",
            "'''\n  \n'''\n",
            ">>> x = 1\n",
            "x\n... \n",
            "x = '''\n>>> y\n'''\n",
        ),
        *("In [1]: x\n", "x = 1\r", "def f(:\n", "\0"),
    ],
    ids=repr,
)
def test_what_ipython_may_change_is_not_plain(text: str) -> None:
    assert not is_plain(text)


def test_the_statements_of_our_own_modules_are_what_ipython_runs() -> None:
    for module in (names, slicing):
        source = Path(module.__file__).read_text(encoding="utf-8")
        for node in ast.parse(source).body:
            text = f"{ast.get_source_segment(source, node)}\n"
            assert is_plain(text)
            assert transformed(text) == text
