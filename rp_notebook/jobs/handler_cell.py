"""Finds the magic that makes a cell a handler cell, and takes the cell apart there."""

from __future__ import annotations

from typing import NamedTuple

HANDLER_MAGIC = "%%runpod_handler"
# Cell magics that run their body as an ordinary cell, so that a handler may be declared inside them.
TRANSPARENT_MAGICS = ("%%time", "%%capture", "%%prun", "%%memit")


class HandlerCell(NamedTuple):
    """A cell taken apart: what follows the magic on its line, the rest of the cell, and the magic's line, from 1.

    The body keeps its line numbers: the magic's own lines are empty in it.
    """

    flags: str
    body: str
    line: int


def handler_cell(text: str) -> HandlerCell | None:
    """The cell that declares a handler, also under `%%time` and the like; None for any other."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        words = line.split(maxsplit=1)
        if not words or words[0] in TRANSPARENT_MAGICS:
            continue
        if words[0] != HANDLER_MAGIC:
            return None
        body = "\n".join([""] * (number + 1) + lines[number + 1 :])
        return HandlerCell(words[1] if len(words) > 1 else "", body, number + 1)
    return None
