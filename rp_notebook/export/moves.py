"""Changes of the working directory, which are kept where files are opened from there."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

from rp_notebook.export.demand import Demand
from rp_notebook.export.timeline import Fact, changed_roots
from rp_notebook.export.trees import walk


def take_moves(demand: Demand, kept: Sequence[Fact]) -> None:
    """Takes each `os.chdir(...)` behind which something kept opens a file, with those before and the way back."""
    timeline = demand.timeline
    moves = [fact for fact in timeline.stateful if changed_roots(fact, "cwd:") and not fact.plumbing]
    start = timeline.facts[0].statement.cell.cwd if moves else ""
    for number, move in enumerate(moves):
        until = moves[number + 1].position if number + 1 < len(moves) else timeline.end
        moved = move.statement.cell.cwd != start or any(each.position in demand.kept for each in moves[:number])
        is_last = moved and until == timeline.end
        there = [o for o in kept if move.position < o.position < until and not o.is_code]
        if _opens(move, [*there, *(o for o in kept if o.is_code and is_last)]):
            for each in moves[: number + 1]:
                demand.take(each.position, "a file is opened relative to it")
            for each in moves[number + 1 :]:
                if each.statement.cell is move.statement.cell:
                    demand.take(each.position, "it goes on from where a file is opened")


def _opens(move: Fact, others: Sequence[Fact]) -> bool:
    """Whether one of these names a file as it is seen from where a statement has gone."""
    if not move.statement.cell.cwd:
        return False
    cwd = Path(move.statement.cell.cwd)  # at the end of the cell
    folders = [cwd, *(cwd / text for text in _texts(move))]
    return any(_is_file(folder / text) for each in others for text in _texts(each) for folder in folders)


def _texts(fact: Fact) -> list[str]:
    """The texts in a statement that may be relative paths."""
    nodes = walk(fact.statement.node)
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [text for text in texts if 0 < len(text) < 255 and "\0" not in text and not text.startswith("/")]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a text that is no file name
        return False
