"""tests/test_handler.py of a worker: its recorded jobs through its handler, with pytest and the SDK alone."""

from __future__ import annotations

import ast
from importlib.resources import files

from rp_notebook.export.draft import Draft
from rp_notebook.export.trees import walk

HANDLER_TESTS = "tests/test_handler.py"


def handler_tests(draft: Draft) -> str:
    """The text of tests/test_handler.py. Where the handler names a GPU for certain, it is skipped without one."""
    text = (files("rp_notebook.export") / "templates" / "test_handler.py.txt").read_text("utf-8")
    return text.replace("NEEDS_GPU = False", f"NEEDS_GPU = {needs_gpu(draft)}")


def needs_gpu(draft: Draft) -> bool:
    """Whether the module puts something on a GPU without asking whether there is one."""
    if not draft.machine.gpu or "is_available" in draft.module:
        return False
    nodes = walk(ast.parse(draft.module))
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return any(text == "cuda" or text.startswith("cuda:") for text in texts) or ".cuda(" in draft.module
