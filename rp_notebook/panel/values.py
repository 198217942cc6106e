"""A decoded answer as HTML that needs no script: media, tables, text, and JSON as a tree that folds.

Everything in an answer is somebody else's text: it is escaped, wherever it stands.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable
from html import escape
from typing import Any

from rp_notebook.jobs.media import Media
from rp_notebook.panel.preview import DIGITS, LONG, cell_text, cut_text, described, size
from rp_notebook.panel.shapes import Numbers, Table, shape_of, whole_number

SAVED = 300_000  # bytes of media that one output may put into the notebook's file
PICTURE = 512  # pixels, of what stands for a larger picture
ROWS = 50
ITEMS = 50
NODES = 500  # of a whole tree
DEPTH = 12
OPEN = 8  # members that a node inside the tree may have and still be shown open
SHORT = 120


class Allowance:
    """What one output may still show: bytes of media, and nodes of its tree."""

    def __init__(self, media: int = SAVED, nodes: int = NODES) -> None:
        self.media, self.nodes = media, nodes

    def takes(self, count: int) -> bool:
        """Whether so many bytes still fit; then they are taken."""
        fits = count <= self.media
        self.media -= count * fits
        return fits


def value_html(value: Any, allowance: Allowance) -> str:
    """A whole answer."""
    match shape_of(value):
        case None if isinstance(value, str):
            return _text(value)
        case None if isinstance(value, dict | list):
            return f'<div class="rpn-tree">{_members(value, allowance, DEPTH)}</div>'
        case None:
            return f'<div class="rpn-tree">{_leaf(value)}</div>'
        case shape:
            return _shape(shape, allowance)


def media_html(media: Media, allowance: Allowance) -> str:
    """A picture, a player, or what it would be where it is too large."""
    said = described(media)
    shown, note = _fitting(media, allowance)
    if shown is None:
        how = f"not shown: over {size(SAVED)} would be saved in the notebook (%runpod panel shows it)"
        return f'<div class="rpn-dim">{escape(said)} ({how})</div>'
    source = f"data:{shown.mime};base64,{base64.b64encode(shown.content).decode()}"
    name = escape(said, quote=True)
    player = {
        "image": f'<img class="rpn-media" alt="{name}" src="{source}">',
        "audio": f'<audio class="rpn-media" controls aria-label="{name}" src="{source}"></audio>',
        "video": f'<video class="rpn-media" controls aria-label="{name}" src="{source}"></video>',
    }[shown.kind]
    return f'<figure>{player}<figcaption class="rpn-dim">{escape(said + note)}</figcaption></figure>'


def _shape(shape: Table | Numbers | Media, allowance: Allowance) -> str:
    match shape:
        case Table():
            return _table(shape)
        case Numbers():
            return f'<div class="rpn-numbers">{escape(shape.said)}</div>'
        case Media():
            return media_html(shape, allowance)


def _fitting(media: Media, allowance: Allowance) -> tuple[Media | None, str]:
    """The media where it fits, else a smaller likeness of it; and what is to be said of that."""
    if media.format != "tiff" and allowance.takes(len(media.content)):
        return media, ""
    smaller = _smaller_image(media) if media.kind == "image" else _shorter_sound(media, allowance.media)
    if smaller is None or not allowance.takes(len(smaller.content)):
        return None, ""
    return smaller, ", shown smaller" if media.kind == "image" else ", its beginning"


def _smaller_image(media: Media) -> Media | None:
    try:
        from PIL import Image

        with Image.open(io.BytesIO(media.content)) as opened:
            image = opened.convert("RGB")
        image.thumbnail((PICTURE, PICTURE))
        drawn = io.BytesIO()
        image.save(drawn, "JPEG", quality=80)
    except (ImportError, OSError, ValueError, SyntaxError, RuntimeError, EOFError):  # no Pillow; what decoders raise
        return None
    return Media("image", "jpeg", drawn.getvalue())


def _shorter_sound(media: Media, room: int) -> Media | None:
    if media.format != "wav":
        return None
    import wave  # long sounds are rare

    try:
        with wave.open(io.BytesIO(media.content)) as sound:
            of_frame = sound.getsampwidth() * sound.getnchannels()
            frames = sound.readframes(max(room - 100, 0) // of_frame)
            written = io.BytesIO()
            with wave.open(written, "wb") as cut:
                cut.setparams(sound.getparams())
                cut.writeframes(frames)
    except (wave.Error, EOFError, ValueError, ZeroDivisionError):  # no PCM
        return None
    return Media("audio", "wav", written.getvalue()) if frames else None


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(cell_text(name))}</th>' for name in table.columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows[:ROWS])
    more = len(table.rows) - ROWS
    rest = f'<div class="rpn-dim">… {more:,} more rows</div>' if more > 0 else ""
    return f'<div class="rpn-scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{rest}'


def _cell(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    said = escape(cell_text(value, SHORT))
    return f'<td class="rpn-num">{said}</td>' if number else f"<td>{said}</td>"


def _text(text: str) -> str:
    more = f'<div class="rpn-dim">… {len(text):,} characters in all</div>' if len(text) > LONG else ""
    return f'<pre class="rpn-text">{escape(text[:LONG])}</pre>{more}'


def _members(value: Any, allowance: Allowance, depth: int) -> str:
    if not value:
        return '<span class="rpn-dim">{}</span>' if isinstance(value, dict) else '<span class="rpn-dim">[]</span>'
    pairs: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
    shown = []
    for at, (key, item) in enumerate(pairs):
        if at == ITEMS or allowance.nodes <= 0:
            shown.append(f'<li class="rpn-dim">… {len(value) - at:,} more</li>')
            break
        allowance.nodes -= 1
        shown.append(f"<li>{_member(str(key), item, allowance, depth - 1)}</li>")
    return f"<ul>{''.join(shown)}</ul>"


def _member(key: str, value: Any, allowance: Allowance, depth: int) -> str:
    name = f'<span class="rpn-key">{escape(cell_text(key, SHORT))}</span>'
    match shape_of(value):
        case Numbers(said=said):
            return f'{name} <span class="rpn-numbers">{escape(said)}</span>'
        case Media() | Table() as shape:
            said = f"{len(shape.rows):,} rows" if isinstance(shape, Table) else ""
            return _folding(name, said, _shape(shape, allowance), is_open=True)
    if isinstance(value, str) and len(value) > SHORT:
        return _folding(name, f"{len(value):,} characters", _text(cut_text(value, LONG)), is_open=len(value) <= 1000)
    if isinstance(value, dict | list) and value:
        said = f"{len(value):,} {'key' if isinstance(value, dict) else 'item'}{'s' * (len(value) != 1)}"
        inner = _members(value, allowance, depth) if depth else f'<div class="rpn-dim">… {said}</div>'
        return _folding(name, said, inner, is_open=len(value) <= OPEN)
    return f"{name} {_leaf(value)}"


def _folding(name: str, said: str, inner: str, *, is_open: bool) -> str:
    shown = " open" if is_open else ""
    return f'<details{shown}><summary>{name} <span class="rpn-dim">{escape(said)}</span></summary>{inner}</details>'


def _leaf(value: Any) -> str:
    if type(value) is int and abs(value) >= 10**DIGITS:
        return f'<span class="rpn-number">{whole_number(value)}</span>'
    kind = "text" if isinstance(value, str) else "dim" if value is None or value in ({}, []) else "number"
    return f'<span class="rpn-{kind}">{escape(json.dumps(value, ensure_ascii=False))}</span>'
