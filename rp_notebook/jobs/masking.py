"""What looks like a secret in a job's JSON, and the JSON without it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

MASK = "***"

_SECRET_KEY = re.compile(
    r"passw|passphrase|secret|credential|api_?key|private_?key|access_?key|access_?id|authorization"
    r"|(?<!eos_)(?<!bos_)(?<!pad_)(?<!unk_)(?<!sep_)(?<!cls_)(?<!stop_)(?<!mask_)(?<!special_)token$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"\bhf_[A-Za-z0-9]{20,}|\bsk-[A-Za-z0-9_-]{20,}|\brpa_[A-Za-z0-9]{20,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bxox[abprs]-[\w-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)


def masked(request: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A request with its secrets written as `***`, and the paths where they were."""
    found = tuple(secrets_in(request))
    texts = {text for _, text in found}
    return (_without(request, texts) if texts else request), tuple(path for path, _ in found)


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
        if _SECRET_VALUE.search(value):
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
    return bool(_SECRET_VALUE.search(text)) or any(secret in text for _, secret in secrets)
