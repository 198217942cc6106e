"""Puts pieces of text together as a good engineer would space them, and knows where each line came from."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from rp_notebook.export.trees import children, tree_of, walk
from rp_notebook.jobs.flat import indented

DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
Line = tuple[str, tuple[int, int] | None]


@dataclass(frozen=True)
class Block:
    """A piece of the module's text; `numbers` are the lines of cell `cell` it came from, none where it is ours."""

    text: str
    cell: int = 0
    numbers: tuple[int, ...] = ()
    guarded: bool = False
    indent: str = ""

    @property
    def node(self) -> ast.stmt:
        """The statement that it is."""
        return tree_of(f"if 1:\n{self.indent}{self.text}" if self.guarded else self.text).body[0]

    @property
    def awaits(self) -> bool:
        """Whether it awaits at the top level."""
        return any(_awaiting(self.node))

    @property
    def defines(self) -> bool:
        """Whether it is a function or a class."""
        return isinstance(self.node, DEFINITION)

    def lines(self) -> list[Line]:
        """Its lines, each with where it came from."""
        texts = self.text.split("\n")
        places = [(self.cell, number) if self.cell else None for number in self.numbers]
        return list(zip(texts, [*places, *([None] * len(texts))], strict=False))


def wrapped(blocks: Sequence[Block]) -> list[Block]:
    """The blocks, those that await at the top level inside an async function that is run once where it stands."""
    found: list[Block] = []
    group: list[Block] = []
    before: Block | None = None
    for block in [*blocks, Block("")]:
        if block.text and not block.guarded and block.awaits:
            group.append(block)
            before = block
            continue
        if group:
            found += _run_once(group)
            group = []
        if block.text and block.guarded:
            known = before is not None and before.guarded and (before.cell, before.indent) == (block.cell, block.indent)
            found.append(_guarded(block, found.pop() if known else None))
        elif block.text:
            found.append(block)
        before = block
    return found


def _guarded(block: Block, before: Block | None) -> Block:
    """The block under the guard of the worker's start, which one of the same cell before it may have already."""
    text = f"{block.indent}{block.text}"
    if before is not None:
        return Block(f"{before.text}\n{text}", block.cell, (*before.numbers, *block.numbers))
    return Block(f'if __name__ == "__main__":\n{text}', block.cell, (block.numbers[0], *block.numbers))


def _run_once(group: Sequence[Block]) -> list[Block]:
    name = f"_cell_{group[0].cell}_line_{group[0].numbers[0] if group[0].numbers else 0}"
    bound = sorted(
        {n.id for b in group for n in walk(b.node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    )
    head = [f"async def {name}() -> None:", *([f"    global {', '.join(bound)}"] if bound else [])]
    body = [line for block in group for line in indented(block.text)]
    numbers = tuple(n for block in group for n in block.numbers)
    first = numbers[0] if numbers else 0
    text = "\n".join([*head, *body])
    return [Block(text, group[0].cell, (*([first] * len(head)), *numbers)), Block(f"asyncio.run({name}())")]


def _awaiting(node: ast.AST) -> list[bool]:
    if isinstance(node, (*DEFINITION[:2], ast.Lambda)):
        return []
    own = isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith) or bool(getattr(node, "is_async", 0))
    return [own] * own + [found for child in children(node) for found in _awaiting(child)]


def laid_out(
    head: Block, future: Sequence[Block], imports: Sequence[Block], body: Sequence[Block], last: Sequence[Block]
) -> tuple[str, tuple[tuple[int, int] | None, ...]]:
    """The whole text and, for each line of it, the cell and the line in it or None."""
    lines: list[Line] = [*head.lines(), ("", None)]
    for section in (future, imports):
        for block in section:
            lines += block.lines()
        if section:
            lines.append(("", None))
    before: Block | None = None
    for block in body:
        for _ in range(_gap(before, block) if before is not None else int(block.defines)):
            lines.append(("", None))
        lines += block.lines()
        before = block
    if body:
        lines += [("", None)] * (2 if before is not None and before.defines else 1)
    for block in last:
        lines += block.lines()
    return "\n".join(text for text, _ in lines) + "\n", tuple(place for _, place in lines)


def _gap(before: Block, block: Block) -> int:
    """How many empty lines stand between two blocks."""
    if before.defines or block.defines:
        return 2
    if before.cell != block.cell or not before.numbers or not block.numbers:
        return 1 if before.numbers or block.numbers else 0
    return 1 if block.numbers[0] - before.numbers[-1] > 1 else 0
