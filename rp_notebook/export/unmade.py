"""Files of cells that did not run: written by what the worker has no part of, and looked for by what it has."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable
from fnmatch import fnmatch

from rp_notebook.export.bindings import bound_in
from rp_notebook.export.cutting import parsed_text
from rp_notebook.export.opened import LOOKS, Opened, Use, origins_of
from rp_notebook.export.path_texts import HOLE
from rp_notebook.export.paths import Scope
from rp_notebook.export.slicing import Dropped, Slice


def written_by_others(slice_: Slice, own: frozenset[str]) -> frozenset[str]:
    """The paths that left out statements write, as they say them; none where the worker's `own` ones go, too."""
    nodes = [node for node in map(_node, slice_.dropped) if node is not None]
    kept = [parsed_text(each.text, each.indent if each.guarded else None) for each in slice_.kept]
    opened = Opened(Scope(bound_in([*kept, *nodes], outermost=True), {}), origins_of([*kept, *nodes]))
    for node in nodes:
        opened.visit(node)
    written = {os.path.normpath(text.text) for use in opened.uses if use.kind == "write" for text in use.texts}
    filled = {folder for path in own if (folder := os.path.dirname(path))}  # noqa: PTH120 (texts with holes)
    return frozenset(path for path in written - own if os.path.dirname(path) not in filled)  # noqa: PTH120 (as above)


def _node(statement: Dropped) -> ast.stmt | None:
    try:
        return parsed_text(statement.text, None)
    except (SyntaxError, IndexError):  # it stood in a block
        return None


def unmade(use: Use, written: Iterable[str]) -> str | None:
    """The path of one of the `written` that a use, which found nothing, would have found."""
    wanted = [os.path.normpath(text.text) for text in use.texts if text.whole]
    for path in sorted(written):
        name = path.replace(HOLE, "0")
        if use.kind == "folder":
            found = any(fnmatch(name, each) or name.startswith(f"{each}/") for each in wanted)
        else:
            found = name in wanted and (use.kind == "read" or use.call in LOOKS)
        if found:
            return name
    return None
