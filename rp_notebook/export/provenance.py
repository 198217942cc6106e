"""Where files on this machine came from: downloads, clones, `%%writefile` cells and shell commands of the notebook."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from rp_notebook.export.cells import CellRun
from rp_notebook.export.clones import Clone, at, clones_by
from rp_notebook.export.paths import Scope
from rp_notebook.export.places import Places
from rp_notebook.export.run_files import written_by
from rp_notebook.export.secret_files import holds_secret, why_secret
from rp_notebook.export.shell_lines import Command
from rp_notebook.export.slicing import Dropped, Kept
from rp_notebook.export.trees import walk
from rp_notebook.jobs.masking import secrets_in

_SIGNED = ("sig", "signature", "token", "key", "credential", "expires", "auth")  # of addresses that somebody was given
# Commands that make no file of what they are given.
_ONLY_LOOKS = frozenset(
    {
        "ls",
        "cat",
        "head",
        "tail",
        "wc",
        "du",
        "df",
        "file",
        "stat",
        "grep",
        "echo",
        "cd",
        "pwd",
        "find",
        "tree",
        "mkdir",
    }
    | {"pip", "pip3", "uv", "conda", "apt", "apt-get", "rm", "which", "export", "nvidia-smi", "printenv", "diff", "git"}
    | {"chmod", "kill", "pkill", "ps", "sleep", "md5sum", "sha256sum", "printf", "less", "more", "test", "source"}
)


@dataclass(frozen=True)
class Origin:
    """How a file came to be there: in which cell, from which address or command; `build` is a line for a Dockerfile
    that fetches it as `{path}`, where that needs no key. `whole` is the folder that was fetched, None for a file.
    """

    cell: int
    said: str
    build: str | None = None
    made: bool = False  # by a command that is no download
    whole: Path | None = None


@dataclass(frozen=True)
class Provenance:
    """What is known of files by their normalised path. `written` has the number of the cell and the text of files that
    `%%writefile` cells wrote.
    """

    origins: Mapping[Path, Origin]
    clones: tuple[Clone, ...]
    written: Mapping[Path, tuple[int, str]]

    def of(self, path: Path) -> Origin | None:
        """The origin of a file, or of the nearest folder above it that has one."""
        if path in self.origins:
            return self.origins[path]
        above = next((one for one in path.parents if one in self.origins), None)
        return replace(self.origins[above], whole=above) if above is not None else None

    @property
    def gone(self) -> dict[Path, bytes]:
        """The content of files that cells wrote and that are no longer there."""
        texts = {path: text.encode() for path, (_, text) in self.written.items() if not path.exists()}
        return {path: body for path, body in texts.items() if why_secret(path) is None and not holds_secret(path, body)}

    def clone_of(self, path: Path) -> Clone | None:
        """The clone that a file lies in."""
        return next((clone for clone in self.clones if path.is_relative_to(clone.folder)), None)


def provenance_of(
    cells: Sequence[CellRun],
    commands: Iterable[Command],
    statements: Iterable[Kept | Dropped],
    scope: Scope,
    places: Places,
) -> Provenance:
    """What the cells and commands of a notebook tell about files."""
    origins: dict[Path, Origin] = {}
    clones: list[Clone] = []
    for command in commands:
        for cwd in places.found_from(command.cell, later=False)[:2]:
            here = Path(cwd)
            if command.name == "git" and "clone" in command.words:
                clones += [clone for clone in clones_by(command, here) if clone.folder.is_dir()]
            for name, origin in _told_by(command):
                origins.setdefault(at(here, name), origin)
    for statement in statements:
        if "urlretrieve" in statement.text or "hf_hub_download" in statement.text:
            for name, origin in _retrieved(statement, scope):
                origins.setdefault(at(Path(places.found_from(statement.cell, later=False)[0]), name), origin)
    written = {}
    for cell in cells:
        if (found := written_by(cell)) is not None:
            cwd = places.found_from(cell.number, later=False)[0]
            written[at(Path(cwd), found[0])] = (cell.number, found[1])
    return Provenance(MappingProxyType(origins), tuple(dict.fromkeys(clones)), MappingProxyType(written))


def open_address(url: str) -> str | None:
    """An address that anyone can fetch, as it is written down; None for one with a user, a key or a signature in it."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query)
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or not url.isprintable():
        return None
    if any(word in name.lower() for name, _ in query for word in _SIGNED) or any(secrets_in(dict(query))):
        return None
    return urlunsplit(parts) if not any(secrets_in(url)) else None


def _told_by(command: Command) -> Iterator[tuple[str, Origin]]:
    """Names of files that a command made, with their origin."""
    words = command.words[1:]
    if command.name in ("wget", "curl", "aria2c", "axel"):
        yield from _downloaded(command)
    elif command.name == "gdown":
        rest = [word for word in words if not word.startswith("-")]
        name = _option(words, ("-O", "--output"))
        if name and rest:
            build = f"RUN pip install --no-cache-dir gdown && gdown {rest[0]} -O /{{path}}"
            yield name, Origin(command.cell, f"gdown {rest[0]}", build)
    elif command.name in ("huggingface-cli", "hf") and words[:1] == ("download",):
        rest = [word for word in words[1:] if not word.startswith("-")]
        folder = _option(words, ("--local-dir",))
        if folder and rest:
            build = f"RUN pip install --no-cache-dir huggingface_hub && hf download {rest[0]} --local-dir /{{path}}"
            yield folder, Origin(command.cell, f"the model hub: {rest[0]}", build)
    else:
        # Whatever else a command was given or sent to, it may have made.
        given = () if command.name in _ONLY_LOOKS else words
        for word in [*command.outputs, *given]:
            name = word.partition("=")[2] if word.startswith("-") else word
            if "://" not in name and len(name) > 1 and name not in ("..", "/"):
                yield name, Origin(command.cell, command.name, made=True)


def _downloaded(command: Command) -> Iterator[tuple[str, Origin]]:
    words = command.words[1:]
    urls = [word for word in words if "://" in word]
    folder = _option(words, ("-P", "--directory-prefix", "-d", "--dir")) or ""
    option = ("-O", "--output-document") if command.name == "wget" else ("-o", "--output", "--out")
    named = _option(words, option) or next(iter(command.outputs), None)
    for url in urls:
        name = named or unquote(urlsplit(url).path.rpartition("/")[2])
        address = open_address(url)
        if name and name not in ("-", "/dev/null"):
            said = address or f"{urlsplit(url).hostname}, by an address that holds a key"
            path = name if named else os.path.join(folder, name)  # noqa: PTH118 (a text, as the shell has it)
            yield path, Origin(command.cell, said, f"ADD {address} /{{path}}" if address else None)


def _option(words: Sequence[str], names: Sequence[str]) -> str | None:
    """The value of an option, written behind it, glued to it, or at the end of a bundle such as `-qO`."""
    for number, word in enumerate(words):
        following = words[number + 1] if number + 1 < len(words) else None
        for name in names:
            if word == name:
                return following
            if word.startswith(f"{name}=") and name.startswith("--"):
                return word.partition("=")[2]
            if not name.startswith("--") and word.startswith("-") and not word.startswith("--"):
                letters, _, glued = word[1:].partition(name[1])
                if word[1:] != letters and letters.isalpha() and letters.islower():
                    return glued or following
                if word.startswith(name) and len(word) > len(name):
                    return word[len(name) :]
    return None


def _retrieved(statement: Kept | Dropped, scope: Scope) -> Iterator[tuple[str, Origin]]:
    """Files that a statement fetched with the standard library."""
    try:
        tree = ast.parse(statement.text)
    except SyntaxError:  # it stood in a block
        return
    for call in walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("urlretrieve") and len(call.args) > 1:
            for url in scope.texts(call.args[0])[:1]:
                address = open_address(url.text) if url.whole else None
                said = address or "an address that is not told"
                origin = Origin(statement.cell, said, f"ADD {address} /{{path}}" if address else None)
                yield from ((text.text, origin) for text in scope.texts(call.args[1]) if text.whole)
