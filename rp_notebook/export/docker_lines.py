"""What a Dockerfile that somebody wrote says of a worker: its image, settings, system packages and command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from rp_notebook.jobs.masking import is_secret_variable

# What our own Dockerfile sets anyway, and what is of the image alone.
_OURS = frozenset({"PATH", "PYTHONUNBUFFERED", "RUNPOD_LOG_LEVEL", "HF_HOME", "VIRTUAL_ENV", "SHELL", "PYTHONPATH"})
_BUILDING = (
    "DEBIAN_",
    "PIP_",
    "UV_",
    "LANG",
    "LC_",
    "CUDA_HOME",
    "LD_",
    "PYTHONDONT",
    "NVIDIA_",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
)
_NOT_PACKAGES = frozenset({"&&", "||", ";", "|"})
# With each of our images, or part of how a package is built.
_WITH_THE_IMAGE = frozenset({"python3", "python3-pip", "python3-venv", "python3-dev", "ca-certificates"})


@dataclass(frozen=True)
class Said:
    """A Dockerfile's words on the worker itself."""

    image: str = ""
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    apt: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """The image, as a sentence."""
        return (
            f" Its image was built on `{self.image}`; `%runpod export DIR --base IMAGE` keeps it." if self.image else ""
        )


def said_in(text: str) -> Said:
    """Reads a Dockerfile; an instruction that is not understood is passed over."""
    image, command = "", tuple[str, ...]()
    settings, arguments = dict[str, str](), dict[str, str]()
    apt = dict[str, None]()
    for name, rest in _instructions(text):
        match name:
            case "ARG" if "=" in rest:
                key, _, value = rest.partition("=")
                arguments[key.strip()] = value.strip().strip("\"'")
            case "FROM":
                words = [word for word in rest.split() if not word.startswith("--")]
                image = _filled(words[0], arguments) if words else ""
            case "ENV":
                settings |= dict(_assigned(rest))
            case "RUN":
                apt |= dict.fromkeys(_packages(rest))
            case "CMD" | "ENTRYPOINT":
                command = (*command, *_words(rest))
    kept = {
        key: value
        for key, value in settings.items()
        if key not in _OURS and not key.startswith(_BUILDING) and "$" not in value and not is_secret_variable(key)
    }
    return Said(image if "$" not in image else "", kept, tuple(apt), command)


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    joined = ""
    for line in text.splitlines():
        if line.lstrip().startswith("#"):  # also between the lines of one instruction
            continue
        joined += line.rstrip()
        if joined.endswith("\\"):
            joined = joined[:-1] + " "
            continue
        name, _, rest = joined.strip().partition(" ")
        joined = ""
        if name:
            yield name.upper(), rest.strip()


def _filled(word: str, arguments: Mapping[str, str]) -> str:
    for name, value in arguments.items():
        word = word.replace(f"${{{name}}}", value).replace(f"${name}", value)
    return word


def _assigned(rest: str) -> Iterator[tuple[str, str]]:
    words = _words(rest)
    if words and "=" not in words[0]:  # the old form: ENV NAME all that follows
        yield words[0], " ".join(words[1:])
        return
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name.isidentifier():
            yield name, value


def _packages(rest: str) -> Iterator[str]:
    words = shlex.split(rest.replace(";", " ; ").replace("&&", " && ")) if rest.count("'") % 2 == 0 else rest.split()
    for at, word in enumerate(words):
        if word == "install" and {"apt-get", "apt"} & set(words[max(0, at - 4) : at]):
            for package in words[at + 1 :]:
                if package in _NOT_PACKAGES:
                    break
                if package[0].isalnum() and not set(package) & set("$/=*<>") and package not in _WITH_THE_IMAGE:
                    yield package


def _words(rest: str) -> tuple[str, ...]:
    if rest.startswith("["):
        try:
            return tuple(map(str, json.loads(rest)))
        except ValueError:
            return ()
    try:
        return tuple(shlex.split(rest))
    except ValueError:
        return tuple(rest.split())
