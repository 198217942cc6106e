"""What looks like a secret in a job's JSON, and the JSON without it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

MASK = "***"
TELLING = 6  # characters: a shorter secret is not looked for inside other text, where it may stand by chance

_SECRET_KEY = re.compile(
    r"passw|passphrase|secret|credential|api_?key|private_?key|access_?key|access_?id|authorization"
    r"|(?<!eos_)(?<!bos_)(?<!pad_)(?<!unk_)(?<!sep_)(?<!cls_)(?<!stop_)(?<!mask_)(?<!special_)token$",
    re.IGNORECASE,
)
# What every such key holds, in lower case and with or without its underscores: a text without them has no such key.
_KEY_WORDS = ("passw", "passphrase", "secret", "credential", "key", "access", "authorization", "token")
_SECRET_VALUE = re.compile(
    r"\bhf_[A-Za-z0-9]{20,}|\bsk-[A-Za-z0-9_-]{20,}|\brpa_[A-Za-z0-9]{20,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bxox[abprs]-[\w-]{10,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:\\[nr]|[\s\w+/=:,-])*"
)
# How the shapes above begin, by a character that each of them holds. Looking for these first is a hundred times as
# fast in megabytes of base64.
_STARTS = {
    "_": ("hf_", "rpa_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    "-": ("sk-", "xox", "-----B"),
    "A": ("AKIA", "ASIA"),
}


def masked(request: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A request with its secrets written as `***`, and the paths where they were."""
    found = tuple(secrets_in(request))
    texts = {text for _, text in found}
    return (_without(request, texts) if texts else request), tuple(path for path, _ in found)


def may_hold_secrets(text: str) -> bool:
    """Whether a JSON text is worth a closer look: quick, and never wrong when it says no."""
    lowered = text.lower()
    for word in _KEY_WORDS:  # a loop, which costs a third of any(): this is asked at every job
        if word in lowered:
            return True
    return _has_shape(text)


def scrubbed(text: str, secrets: Collection[str] = ()) -> str:
    """A text, plain or JSON, with `***` in place of `secrets` and of whatever has a secret's shape."""
    for secret in secrets:
        if len(secret) >= TELLING:
            for written in {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}:
                text = text.replace(written, MASK)
    return _SECRET_VALUE.sub(MASK, text) if _has_shape(text) else text


def _without(value: Any, texts: set[str]) -> Any:
    match value:
        case str():
            return MASK if value in texts else value
        case dict():
            return {key: _without(item, texts) for key, item in value.items()}
        case list():
            return [_without(item, texts) for item in value]
    return value


def secrets_in(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Path and text of each string in a JSON value that looks like a secret, by its key or by its shape."""
    if isinstance(value, str):
        if _has_shape(value):
            yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            here = f"{path}.{key}" if path else str(key)
            if _SECRET_KEY.search(_snake(str(key))):
                yield from _strings(item, here)
            else:
                yield from secrets_in(item, here)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from secrets_in(item, f"{path}[{index}]")


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    match value:
        case str() if value and value != MASK:
            yield path, value
        case dict():
            for key, item in value.items():
                yield from _strings(item, f"{path}.{key}")
        case list():
            for index, item in enumerate(value):
                yield from _strings(item, f"{path}[{index}]")


def _snake(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).replace("-", "_")


def tells(text: str, secrets: Iterator[tuple[str, str]]) -> bool:
    """Whether a text holds something of a secret's shape, or one of `secrets`."""
    return _has_shape(text) or any(secret in text for _, secret in secrets)


def _has_shape(text: str) -> bool:
    for character, starts in _STARTS.items():
        if character in text and any(_begins(text, start) for start in starts):
            return True
    return False


def _begins(text: str, start: str) -> bool:
    at = text.find(start)
    while at != -1:
        if _SECRET_VALUE.match(text, at):
            return True
        at = text.find(start, at + 1)
    return False
