"""A value small enough to look at: long text, base64 and long lists are cut, and say what they were."""

from __future__ import annotations

import json
import string
from typing import Any

from rp_notebook.jobs.payload import MB

TEXT = 300  # characters of one string
ITEMS = 12  # members of one list or dict
DEPTH = 6
LINES = 60
BASE64 = frozenset(string.ascii_letters + string.digits + "+/=-_")


def preview(value: Any) -> str:
    """`value` as indented JSON of at most `LINES` lines."""
    lines = json.dumps(_cut(value, DEPTH), indent=2, ensure_ascii=False).splitlines()
    if len(lines) > LINES:
        lines = [*lines[:LINES], f"… {len(lines) - LINES} more lines"]
    return "\n".join(lines)


def size(count: int) -> str:
    """Bytes for a reader: `532 B`, `4.2 kB`, `12.3 MB`, `1.50 GB` (decimal, as the platform's limits are)."""
    if count < 1000:
        return f"{count} B"
    if count < MB:
        return f"{count / 1000:.1f} kB"
    return f"{count / MB:.1f} MB" if count < 1000 * MB else f"{count / MB / 1000:.2f} GB"


def duration(milliseconds: float) -> str:
    """`0.2 ms`, `812 ms`, `3.4 s`."""
    if milliseconds < 10:
        return f"{milliseconds:.1f} ms"
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _cut(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _cut_text(value)
    if isinstance(value, dict):
        if depth == 0 and value:
            return f"{{… {len(value)} keys}}"
        kept = {key: _cut(item, depth - 1) for key, item in list(value.items())[:ITEMS]}
        return kept | ({"…": f"{len(value) - ITEMS} more keys"} if len(value) > ITEMS else {})
    if isinstance(value, list):
        if depth == 0 and value:
            return f"[… {len(value)} items]"
        return _cut_list(value, depth)
    return value


def _cut_list(value: list[Any], depth: int) -> Any:
    if len(value) > ITEMS and all(isinstance(item, int | float) for item in value[:ITEMS]):
        shown = ", ".join(f"{item:.4g}" for item in value[:4])
        return f"[{shown}, … {len(value)} numbers]"
    kept = [_cut(item, depth - 1) for item in value[:ITEMS]]
    return kept + ([f"… {len(value) - ITEMS} more items"] if len(value) > ITEMS else [])


def _cut_text(text: str) -> str:
    if len(text) <= TEXT:
        return text
    start = text.partition(",")[2] if text.startswith("data:") else text
    if BASE64.issuperset(start[:2000]):
        return f"{text[:40]}… (base64, {size(len(start) * 3 // 4)})"
    return f"{text[: TEXT - 20]}… ({len(text):,} characters)"
