"""What a notebook installed: requirements with their extras and indexes for pip, and packages of the system."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote, urlsplit, urlunsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from rp_notebook.export.shell_lines import Command
from rp_notebook.jobs.masking import MASK, secrets_in

# Options of `pip install` that are followed by a value.
_VALUED = frozenset(
    {"-r", "--requirement", "-c", "--constraint", "-i", "--index-url", "--extra-index-url", "-f", "--find-links", "-t"}
    | {"--target", "--prefix", "--root", "-e", "--editable", "--progress-bar", "--src", "--upgrade-strategy", "--proxy"}
    | {"--no-binary", "--only-binary", "--timeout", "--retries", "--trusted-host", "--cache-dir", "--python", "-p"}
    | {"--platform", "--python-version", "--implementation", "--abi", "--config-settings", "-C", "--report", "--log"}
    | {"--index", "--default-index", "--torch-backend", "--channel", "-n", "--name", "--resolution"}
)
_INDEXES = frozenset({"-i", "--index-url", "--extra-index-url", "--index", "--default-index"})
_LINKS = frozenset({"-f", "--find-links"})
_APT_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+(?::[a-z0-9]+)?(?:=[\w.+:~-]+)?", re.ASCII)
_CONDA_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True)
class Asked:
    """A distribution that an install line named: its canonical name, extras, the requirement as pip takes it, and the
    lines for indexes that requirements.txt needs to find it.
    """

    key: str
    extras: frozenset[str] = frozenset()
    requirement: str = ""
    links: tuple[str, ...] = ()


def asked_of(commands: Iterable[Command], read: Callable[[Command, str], str | None]) -> tuple[Asked, ...]:
    """What the install commands named; `read(command, name)` gives the text of a file of requirements."""
    found: list[Asked] = []
    for command in commands:
        words = _install_words(command)
        if words is None:
            continue
        if command.name in ("conda", "mamba", "micromamba"):
            names = [w for w in _split(words)[0] if _CONDA_NAME.match(w) and "/" not in w]
            found += [a for w in names for a in _requirement(re.split("[=<>]", w)[0])]
        else:
            found += _of_pip(words, partial(read, command))
    return tuple(dict.fromkeys(found))


def apt_of(commands: Iterable[Command]) -> tuple[str, ...]:
    """The system packages that were installed, sorted, each once."""
    found = set()
    for command in commands:
        if command.name in ("apt", "apt-get", "aptitude") and "install" in command.words:
            after = command.words[command.words.index("install") + 1 :]
            found |= {w for w in after if _APT_NAME.fullmatch(w) and not w.endswith(".deb")}
    return tuple(sorted(found))


def _install_words(command: Command) -> tuple[str, ...] | None:
    """The words behind `install`, of whichever installer."""
    words = command.words
    name = command.name
    if name.startswith("python") or name in ("{sys.executable}", "sys.executable") or "python" in name:
        if words[1:3] != ("-m", "pip"):
            return None
        words, name = words[2:], "pip"
    if name == "uv" and words[1:2] == ("pip",):
        words = words[1:]
    elif name == "uv" and words[1:2] == ("add",):
        return words[2:]
    elif name not in ("pip", "pip3", "conda", "mamba", "micromamba") and not re.fullmatch(r"pip3?\.\d+", name):
        return None
    return words[words.index("install") + 1 :] if "install" in words[:3] else None


def _split(words: Iterable[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """What stands alone, and the options that have a value."""
    alone: list[str] = []
    valued: list[tuple[str, str]] = []
    option = ""
    for word in words:
        if option:
            valued.append((option, word))
            option = ""
        elif word in _VALUED:
            option = word
        elif word.startswith("--") and "=" in word:
            valued.append((word.partition("=")[0], word.partition("=")[2]))
        elif not word.startswith("-"):
            alone.append(word)
    return alone, valued


def _of_pip(words: tuple[str, ...], read: Callable[[str], str | None]) -> Iterator[Asked]:
    alone, valued = _split(words)
    links = _links(valued)
    for option, value in valued:
        if option in ("-r", "--requirement"):
            for line in (read(value) or "").splitlines():
                text = line.partition(" #")[0].strip()
                if text.startswith("-"):
                    links = (*links, *_links(_split(text.split())[1]))
                elif text and not text.startswith("#"):
                    alone.append(text)
        elif option in ("-e", "--editable"):
            alone.append(value)
    for word in alone:
        yield from _requirement(word, tuple(dict.fromkeys(links)))


def _links(valued: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    found = []
    for option, value in valued:
        name = "--extra-index-url" if option in _INDEXES else "--find-links" if option in _LINKS else ""
        url = public(value)
        if name and url is not None:
            found.append(f"{name} {url}")
    return tuple(found)


def public(url: str) -> str | None:
    """A web address without the user and token in it; None for what is no such address, or may hold a key elsewhere."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.query or not url.isprintable():
        return None
    if MASK in parts.path or any(secrets_in(url)):
        return None
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _requirement(word: str, links: tuple[str, ...] = ()) -> Iterator[Asked]:
    address = word
    if "://" in word and " @ " not in word and not re.match(r"[\w.-]+(\[[^]]*\])?@", word):
        name = _named_by(word)
        if name is None:
            return
        word = name
    try:
        requirement = Requirement(word)
    except InvalidRequirement:  # a folder, a file, or a word of the shell
        return
    clone = (requirement.url or address).partition("#")[0]
    source = public(clone.removeprefix("git+")) if clone.startswith("git+") else None
    if source is not None:
        text = f"{word.partition('@')[0].strip()} @ git+{source}"
    else:
        text = word if requirement.url is None and requirement.specifier else ""
    key = str(canonicalize_name(requirement.name))
    yield Asked(key, frozenset(requirement.extras), text, links)


def _named_by(url: str) -> str | None:
    """The distribution, with extras, that an address says it holds."""
    parts = urlsplit(url)
    for item in parts.fragment.split("&"):
        if item.startswith("egg="):
            return unquote(item[len("egg=") :])
    if url.startswith("git+"):  # most are called as their repository
        name = parts.path.rstrip("/").rpartition("/")[2].partition("@")[0].removesuffix(".git")
        return name if re.fullmatch(r"[\w.-]+", name) else None
    try:
        return str(parse_wheel_filename(unquote(parts.path.rpartition("/")[2]))[0])
    except InvalidWheelFilename:
        return None
