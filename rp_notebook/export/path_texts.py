"""A path that code may name: its text, with holes where only running the code tells, and who says it."""

from __future__ import annotations

import ast
import os
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

HOLE = "\0"  # stands in a text for what is only known when the code runs; no path can hold it


@dataclass(frozen=True)
class Text:
    """A text that an expression may be, with a HOLE for each part that is not known.

    `said` is what the expression `anchor` says of it, mostly its beginning; both are empty where no text of the
    module says it.
    """

    text: str
    anchor: ast.expr | None = None
    said: str = ""

    @property
    def whole(self) -> bool:
        """Whether all of it is known."""
        return HOLE not in self.text


def added(one: Text, other: Text) -> Text:
    """One text behind the other."""
    return replace(one, text=one.text + other.text)


def below(one: Text, other: Text) -> Text:
    """One path below the other, as `/` of paths means it."""
    if other.text.startswith("/"):
        return other
    return replace(one, text=os.path.join(one.text, other.text))  # noqa: PTH118 (a text with holes)


def parent(text: Text) -> Text:
    """The folder of a path; of the working directory, the one above it."""
    if text.text == ".":
        return replace(text, text="..")
    return replace(text, text=os.path.dirname(text.text))  # noqa: PTH120 (a text with holes)


def expanded(text: Text) -> Text:
    """The path with `~` written out."""
    if not text.text.startswith("~/") and text.text != "~":
        return text
    home = str(Path.home())
    return Text(home + text.text[1:], text.anchor, home + text.said[1:])


def renamed(text: Text, how: str, other: Text) -> Text:
    """What `with_name` or `with_suffix` makes of a path."""
    if text.whole and other.whole and PurePath(text.text).name:
        path = PurePath(text.text)
        return replace(
            text, text=str(path.with_name(other.text) if how == "with_name" else path.with_suffix(other.text))
        )
    return below(parent(text), Text(HOLE))


def holed(form: Text, mark: str) -> Text:
    """A format's text with a hole for each field; its fields begin with `mark`, `{` or `%`."""
    parts = form.text.split(mark)
    behind = "}" if mark == "{" else ")"
    tails = [part.partition(behind)[2] if mark == "{" or part.startswith("(") else part for part in parts[1:]]
    if mark == "%":
        tails = [tail.lstrip("0123456789.-")[1:] for tail in tails]
    return Text(HOLE.join([parts[0], *tails]), form.anchor, form.said.split(mark)[0])


def of_value(value: Any) -> list[Text]:
    """The text of a live value."""
    return [Text(str(value))] if isinstance(value, PurePath) or type(value) is str else []
