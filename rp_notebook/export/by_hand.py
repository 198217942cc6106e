"""What `%runpod env` and `%runpod apt` say a worker needs around it, and the lines of a notebook that say it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from rp_notebook.errors import BadInput
from rp_notebook.export.cells import CellRun
from rp_notebook.export.reads import Declared, Variable
from rp_notebook.jobs.masking import has_shape, is_secret_variable

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(?::[a-z0-9-]+)?(?:=[\w.+:~-]+)?", re.ASCII)


def variable_said(word: str) -> Variable:
    """The variable of `NAME` or `NAME=DEFAULT`. Raises `BadInput` for a name that is none, and a secret's value."""
    name, equals, default = word.partition("=")
    if not _NAME.fullmatch(name):
        raise BadInput(f"{name!r} is not the name of an environment variable: write NAME or NAME=DEFAULT")
    secret = is_secret_variable(name)
    if equals and default and (secret or has_shape(default)):
        raise BadInput(f"{name} looks like a secret, whose value is written nowhere: %runpod env {name}")
    return Variable(name, default if equals else None, secret=secret)


def package_said(word: str) -> str:
    """The system package of a word. Raises `BadInput` for what is no package's name."""
    if not _PACKAGE.fullmatch(word):
        raise BadInput(f"{word!r} is not the name of a system package: write it as for apt-get install")
    return word


def declared_in(cells: Sequence[CellRun]) -> Declared:
    """What a notebook's own lines declare. Raises `BadInput` as the commands themselves do."""
    variables = {one.name: one for word in _words(cells, "env") for one in [variable_said(word)]}
    return Declared(tuple(variables.values()), tuple(dict.fromkeys(map(package_said, _words(cells, "apt")))))


def _words(cells: Sequence[CellRun], command: str) -> Iterator[str]:
    for cell in cells:
        for line in cell.text.splitlines():
            if line.startswith("%runpod ") and line.split()[1:2] == [command]:
                try:
                    yield from shlex.split(line)[2:]
                except ValueError:
                    raise BadInput(f"{line}: an open quote") from None
