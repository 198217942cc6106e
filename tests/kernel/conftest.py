"""A real IPython shell with the extension loaded, in a folder of its own."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

Cell = Callable[[str], Any]


@pytest.fixture
def cell(tmp_path, monkeypatch) -> Iterator[Cell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shell = InteractiveShell.instance()
    run = lambda text: shell.run_cell(text, store_history=True)  # noqa: E731
    run("%load_ext rp_notebook")
    yield run
    shell.run_line_magic("unload_ext", "rp_notebook")
    atexit.unregister(shell.atexit_operations)  # by then its folder is gone
    shell.atexit_operations()
    InteractiveShell.clear_instance()
