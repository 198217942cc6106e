"""A value small enough to look at in plain text: what is long is cut, and says what it was."""

from __future__ import annotations

import json
import string
from collections.abc import Sequence
from itertools import repeat
from types import MappingProxyType
from typing import Any

from rp_notebook.jobs.media import Media
from rp_notebook.jobs.payload import MB, encodable
from rp_notebook.panel.shapes import Numbers, Table, shape_of, whole_number

TEXT = 300  # characters of one string
ITEMS = 12  # members of one list or dict
DEPTH = 6
LINES = 60
WIDTH = 80  # characters of a line, where we choose
CELL = 28  # characters of a table's cell
LONG = 5000  # characters of a text that is all there is
KEY = 60  # characters of a name
DIGITS = 40  # of a whole number
LONG_S = 600  # from so many seconds on, minutes tell more
# Of what a terminal takes for commands only lines and tabs are left.
CONTROLS = MappingProxyType(
    {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"} | dict.fromkeys(range(127, 160), "�")
)
BASE64 = frozenset(string.ascii_letters + string.digits + "+/=-_")


def preview(value: Any) -> str:
    """Text as it is, a table as one, anything else as indented JSON; of at most `LINES` lines."""
    match shape_of(value):
        case Table() as table:
            return _table(table)
        case Numbers() | Media() as shape:
            return described(shape)
    if isinstance(value, str) and not _is_base64(value):
        return _few_lines(cut_text(value, LONG))
    return _few_lines(_laid_out(_cut(value, DEPTH), ""))


def visible(text: str) -> str:
    """The text as a terminal may have it: what would move its cursor or clear it stands there as a character."""
    return encodable(text).translate(CONTROLS)


def described(shape: Numbers | Media) -> str:
    """`PNG image, 512 × 512, 341.2 kB`; `768 numbers, norm 1: 0.0123, …`."""
    if isinstance(shape, Numbers):
        return shape.said
    name = "MP3" if shape.mime == "audio/mpeg" else shape.format.upper()
    pixels = "" if shape.pixels is None else "{} × {}, ".format(*shape.pixels)
    return f"{name} {shape.kind}, {pixels}{size(len(shape.content))}"


def size(count: int) -> str:
    """Bytes for a reader: `532 B`, `4.2 kB`, `12.3 MB`, `1.50 GB` (decimal, as the platform's limits are)."""
    if count < 1000:
        return f"{count} B"
    if count < MB:
        return f"{count / 1000:.1f} kB"
    return f"{count / MB:.1f} MB" if count < 1000 * MB else f"{count / MB / 1000:.2f} GB"


def duration(milliseconds: float) -> str:
    """`0.2 ms`, `812 ms`, `3.4 s`, `412 s`, `53 min`."""
    seconds = milliseconds / 1000
    if seconds < 1:
        return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"
    if seconds < LONG_S:
        return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of as many cells each as lines whose columns stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def cell_text(value: Any, limit: int = CELL) -> str:
    """A table's cell: one line, numbers short."""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = " ".join(text.split()) if len(text) <= 10 * limit else text[: 10 * limit]
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def cut_text(text: str, limit: int = TEXT) -> str:
    """A string of at most `limit` characters, which says what it was."""
    if len(text) <= limit:
        return text
    if _is_base64(text):
        start = text.partition(",")[2] if text.startswith("data:") else text
        return f"{text[:40]}… (base64, {size(len(start) * 3 // 4)})"
    return f"{text[: limit - 20]}… ({len(text):,} characters)"


def _table(table: Table) -> str:
    shown = [tuple(map(cell_text, row)) for row in (table.columns, *table.rows[:ITEMS])]
    lines = [line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…" for line in aligned(shown)]
    more = len(table.rows) - ITEMS
    return "\n".join([*lines, f"… {more:,} more rows"] if more > 0 else lines)


def _few_lines(text: str) -> str:
    lines = text.splitlines()
    more = len(lines) - LINES
    return "\n".join([*lines[:LINES], f"… {more:,} more lines"] if more > 0 else lines)


def _laid_out(value: Any, margin: str) -> str:
    """JSON, a member a line; a list of plain values that fits is one line."""
    line = json.dumps(value, ensure_ascii=False)
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    is_plain = not any(isinstance(member, dict | list) for member in members)
    if not members or (is_plain and isinstance(value, list) and len(margin) + len(line) < WIDTH):
        return line
    inner = f"{margin}  "
    names = (
        [f"{json.dumps(str(key), ensure_ascii=False)}: " for key in value] if isinstance(value, dict) else repeat("")
    )
    parts = (f"{inner}{name}{_laid_out(member, inner)}" for name, member in zip(names, members, strict=False))
    first, last = "{}" if isinstance(value, dict) else "[]"
    return "\n".join([first, ",\n".join(parts), margin + last])


def _is_base64(text: str) -> bool:
    start = text.partition(",")[2] if text.startswith("data:") else text
    return len(text) > TEXT and BASE64.issuperset(start[:2000])


def _cut(value: Any, depth: int) -> Any:
    match shape_of(value):
        case Numbers() | Media() as shape:
            return f"‹{described(shape)}›"
    if isinstance(value, str):
        return cut_text(value)
    if isinstance(value, dict):
        if depth == 0 and value:
            return f"{{… {len(value)} keys}}"
        kept = {cut_text(str(key), KEY): _cut(item, depth - 1) for key, item in list(value.items())[:ITEMS]}
        return kept | ({"…": f"{len(value) - ITEMS} more keys"} if len(value) > ITEMS else {})
    if isinstance(value, list):
        if depth == 0 and value:
            return f"[… {len(value)} items]"
        few = [_cut(item, depth - 1) for item in value[:ITEMS]]
        return few + ([f"… {len(value) - ITEMS} more items"] if len(value) > ITEMS else [])
    return whole_number(value) if type(value) is int and abs(value) >= 10**DIGITS else value
