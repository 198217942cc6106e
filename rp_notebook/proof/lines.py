"""What a parent and its clean process say to each other: values as JSON, each on a line of its own.

Both hold on to the encoder as it was before the notebook's code ran, which may replace `json.dumps` for its own ends.
"""

from __future__ import annotations

from json.decoder import JSONDecoder
from json.encoder import JSONEncoder
from typing import Any


def line_of(value: Any) -> str:
    """The value as one line, without its end."""
    return JSONEncoder().encode(value)


def value_of(line: str) -> Any:
    """The value that a line holds."""
    return JSONDecoder().decode(line.strip())
