"""Cells that are Python as they stand: IPython's transformer, which takes long to load, would change nothing."""

from __future__ import annotations

import re

from rp_notebook.export.trees import tree_of

# Prompts, which IPython takes away, and lines of blanks alone, which it empties, also inside texts.
_ODD = re.compile(r"^[^\S\n]+$|^\s*(?:\.\.\.|>>>|(?:\[\w+\]\s*)?In ?\[)|[\r\f\v]", re.MULTILINE)


def is_plain(text: str) -> bool:
    """Whether a cell's text, from its first line that is not blank, is what IPython would run, byte for byte.

    No magic, shell line or question mark parses as Python.
    """
    if text[:1].isspace() or _ODD.search(text):
        return False
    try:
        tree_of(text)
    except (SyntaxError, ValueError):
        return False
    return True
