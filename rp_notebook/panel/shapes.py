"""What a decoded answer is to look at: a table, numbers, a picture made of numbers; or plain JSON."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from rp_notebook.jobs.media import Media, media_of

MANY = 16  # numbers that nobody reads one by one
LOOKED_AT = 200  # rows that tell whether all are alike
COLUMNS = 20
CELL = 200  # characters: with longer texts in it, a list of objects is no table
SIDE = 256  # pixels, at most, of a picture made of numbers
FIRST = 4
READ = 24  # digits of a whole number
NUMBERS = {int, float}


@dataclass(frozen=True)
class Table:
    """Rows of the same columns; `rows` holds the values as they are."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Numbers:
    """Numbers of one kind, as a vector or rows of vectors, said in a line."""

    said: str


Shape = Table | Numbers | Media


def shape_of(value: Any) -> Shape | None:
    """How to show a value that is not plain JSON to the eye; None where it is."""
    match value:
        case str():
            return media_of(value)
        case dict():
            return _columns(value) or _split(value)
        case [dict(), dict(), *_]:
            return _records(value)
        case [[[_, *_], *_], *_]:
            return _picture(value)
        case [[_, *_], *_]:
            return _matrix(value)
        case list():
            return _vector(value)
    return None


def _vector(values: list[Any]) -> Numbers | None:
    if len(values) < MANY or not set(map(type, values)) <= NUMBERS:
        return None
    return Numbers(f"{len(values):,} {_kind(values)}, {_spread([values])}: {_first(values)}")


def _matrix(rows: list[list[Any]]) -> Shape | None:
    width = len(rows[0])
    if width < MANY or any(type(row) is not list or len(row) != width for row in rows):
        return None
    if not all(set(map(type, row)) <= NUMBERS for row in rows[:LOOKED_AT]):
        return None
    if len(rows) >= MANY and _are_bytes(rows):
        return _png(rows, 1)
    return Numbers(f"{len(rows):,} × {width:,} {_kind(rows[0])}, {_spread(rows)}: {_first(rows[0])}")


def _picture(rows: list[Any]) -> Media | None:
    width, depth = len(rows[0]), len(rows[0][0])
    if len(rows) < MANY or width < MANY or depth not in (1, 3, 4):
        return None
    every = [pixel for row in rows if type(row) is list and len(row) == width for pixel in row]
    if len(every) != len(rows) * width or any(type(pixel) is not list or len(pixel) != depth for pixel in every):
        return None
    return _png(rows, depth) if _are_bytes(every) else None


def _are_bytes(rows: list[list[Any]]) -> bool:
    return all(set(map(type, row)) <= {int} and min(row) >= 0 and max(row) <= 255 for row in rows)


def _png(rows: list[Any], depth: int) -> Media:
    """Every so many pixels of rows of bytes, as a PNG that needs no library."""
    step = -(-max(len(rows), len(rows[0])) // SIDE)
    chosen = [row[::step] for row in rows[::step]]
    lines = b"".join(
        b"\0" + bytes(row if depth == 1 and type(row[0]) is int else chain.from_iterable(row)) for row in chosen
    )
    header = struct.pack(">IIBBBBB", len(chosen[0]), len(chosen), 8, {1: 0, 3: 2, 4: 6}[depth], 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return Media("image", "png", b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def _records(values: list[Any]) -> Table | None:
    looked_at = values[:LOOKED_AT]
    if not all(isinstance(value, dict) for value in values):
        return None
    columns = tuple(dict.fromkeys(key for value in looked_at for key in value))
    cells = [value[key] for value in looked_at for key in value]
    if not 1 <= len(columns) <= COLUMNS or len(cells) * 2 < len(columns) * len(looked_at) or not _short(cells):
        return None
    return Table(columns, [[value.get(key, "") for key in columns] for value in values])


def _columns(value: dict[str, Any]) -> Table | None:
    """A dict of columns, as of `DataFrame.to_dict("list")`."""
    columns = list(value.values())
    if not 2 <= len(columns) <= COLUMNS or not all(isinstance(column, list) for column in columns):
        return None
    if len(columns[0]) < 2 or len({len(column) for column in columns}) > 1 or all(map(_vector, columns)):
        return None
    if not all(_short(column[:LOOKED_AT], nested=False) for column in columns):
        return None
    return Table(tuple(value), list(zip(*columns, strict=True)))


def _split(value: dict[str, Any]) -> Table | None:
    """`DataFrame.to_dict("split")`."""
    columns, rows = value.get("columns"), value.get("data")
    if not isinstance(columns, list) or not isinstance(rows, list) or not 1 <= len(columns) <= COLUMNS or not rows:
        return None
    if set(value) - {"index", "columns", "data"} or any(type(r) is not list or len(r) != len(columns) for r in rows):
        return None
    return Table(tuple(map(str, columns)), rows) if _short([c for r in rows[:LOOKED_AT] for c in r]) else None


def _short(cells: list[Any], *, nested: bool = True) -> bool:
    """Whether the values fit into cells: mostly plain, no long text, no object inside."""
    inside = [cell for cell in cells if isinstance(cell, list | dict)]
    if inside and (not nested or len(inside) * 2 > len(cells)):
        return False
    small = all(isinstance(cell, list) and len(cell) <= 8 and _short(cell, nested=False) for cell in inside)
    return small and all(len(cell) <= CELL for cell in cells if isinstance(cell, str))


def _kind(values: list[Any]) -> str:
    return "integers" if set(map(type, values)) == {int} else "numbers"


def _spread(rows: list[list[Any]]) -> str:
    """The norm of a vector, or the least and the largest; of integers, which have none that matters, their range."""
    try:
        if _kind(rows[0]) == "integers":
            return f"{whole_number(min(map(min, rows)))} to {whole_number(max(map(max, rows)))}"
        norms = [math.sqrt(math.fsum(value * value for value in row)) for row in rows]
    except (OverflowError, ValueError, TypeError):  # beyond a float; rows that were not looked at
        return "of no norm"
    low, high = min(norms), max(norms)
    return f"norm {low:.4g}" if f"{low:.4g}" == f"{high:.4g}" else f"norms {low:.4g} to {high:.4g}"


def _first(values: list[Any]) -> str:
    said = (f"{value:.4g}" if isinstance(value, float) else whole_number(value) for value in values[:FIRST])
    return f"{', '.join(said)}, …"


def whole_number(value: int) -> str:
    """Its digits, as far as somebody reads them."""
    text = str(value)
    return text if len(text) <= READ else f"{text[:READ]}… ({len(text):,} digits)"
