"""The inputs of a flat handler cell, as its magic's line names them: `-i prompt -i steps=20`."""

from __future__ import annotations

import ast
import io
import keyword
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from rp_notebook.errors import BadDeclaration

FLAGS = ("-i", "--input")
QUOTES = ("'", '"')


@dataclass(frozen=True)
class Input:
    """A variable of the cell that each job gives; `default` is a Python expression's text, None where it must."""

    name: str
    default: str | None = None


def words_of(line: str) -> list[str]:
    """The words of a magic's line as a shell splits it; what follows `-i` stays the Python that it is.

    A default ends at the first blank where it is a whole expression: `-i size=(1, 2)`, `-i style="oil paint"`.
    Raises `ValueError` for an open quote.
    """
    stream = io.StringIO(line)
    lexer = shlex.shlex(stream, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    while (word := lexer.get_token()) is not None:
        words.append(word)
        start = stream.tell()
        rest = line[start:]
        text = rest.lstrip()
        if word in FLAGS and text and not text.startswith(QUOTES):
            given = _given(text)
            words.append(given)
            stream.seek(start + len(rest) - len(text) + len(given))
    return words


def is_flat(line: str) -> bool:
    """Whether a magic's line names inputs, so that its cell is meant as a flat one."""
    try:
        return any(word.startswith(FLAGS) for word in words_of(line))
    except ValueError:
        return False


def inputs_of(texts: Sequence[str]) -> tuple[Input, ...]:
    """The inputs that the words behind `-i` name. Raises `BadDeclaration` for what is none."""
    found: dict[str, Input] = {}
    for text in texts:
        name, equals, default = (part.strip() for part in text.partition("="))
        if not name.isidentifier() or keyword.iskeyword(name) or name == "__debug__":
            raise BadDeclaration(f"-i {text}: {name!r} is no variable; write -i prompt, or -i steps=20, once for each")
        if name in found:
            raise BadDeclaration(f"-i {name} is there twice")
        if equals and not is_expression(default):
            raise BadDeclaration(f'-i {text}: {default or "nothing"} is no Python value; write text as -i {name}="..."')
        found[name] = Input(name, _unquoted(default) if equals else None)
    return tuple(found.values())


def lacks_value(name: str) -> str:
    """What to do where a flat cell fails because an input has no value in the notebook."""
    return f"`{name}` is an input; to try the cell it needs a value too: write {name} = ... at its top (jobs skip it)"


def is_expression(text: str) -> bool:
    """Whether a text is one Python expression on one line."""
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError):
        return False
    return True


def _given(text: str) -> str:
    name = text.split(maxsplit=1)[0]
    at = text.find("=")
    if at == -1 or at > len(name):
        return name
    ends = [*(place for place, char in enumerate(text) if char.isspace() and place > at), len(text)]
    return next((text[:end] for end in ends if is_expression(text[at + 1 : end].strip())), name)


def _unquoted(default: str) -> str:
    # '{"a": 1}' is how a shell is given a dict: its quotes are no part of the value. Text in quotes is text.
    try:
        inner = ast.literal_eval(default)
        value = ast.literal_eval(inner) if isinstance(inner, str) else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return default
    return inner if isinstance(value, dict | list | tuple | set) and "\n" not in inner else default
