"""What looks like a secret in a job's JSON, and the JSON without it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any

MASK = "***"
TELLING = 6  # characters: a shorter secret is not looked for inside other text, where it may stand by chance
LONG_ENOUGH = 8  # characters of an environment variable's value from which it is looked for in other text

_SECRET_KEY = re.compile(
    r"passw|passphrase|secret|credential|api_?key|private_?key|access_?key|access_?id|authorization"
    r"|(?<![a-z])pwd(?![a-z])|(?:account|auth|encryption|service|signing|ssh|subscription)_?key$"
    r"|(?<!eos_)(?<!bos_)(?<!pad_)(?<!unk_)(?<!sep_)(?<!cls_)(?<!stop_)(?<!mask_)(?<!special_)token$",
    re.IGNORECASE,
)
# What every such key holds, in lower case and with or without its underscores: a text without them has no such key.
_KEY_WORDS = ("passw", "passphrase", "secret", "credential", "key", "access", "authorization", "token", "pwd")
# Wider, for names that are written in capitals: those of environment variables.
_SECRET_VARIABLE = re.compile("TOKEN|SECRET|PASSW|KEY|CREDENTIAL|AUTH|PRIVATE|_(?:PWD?|PASS|PAT)$", re.IGNORECASE)
_SECRET_VALUE = re.compile(
    r"\bhf_[A-Za-z0-9]{20,}|\bsk-(?=[\w-]*\d)[\w-]{20,}|\brpa_[A-Za-z0-9]{20,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{20,}|\bxox[abeprs]-[\w-]{10,}"
    r"|\b(?:sk|rk)_(?:live|test)_\w{16,}|\b(?:gsk|npm|r8|whsec)_\w{20,}|\b(?:dop|tgp)_v1_[\w-]{20,}"
    r"|\b(?:lsv2_(?:pt|sk)|dckr_pat)_[\w-]{20,}|\b(?:nvapi|pplx|tvly|xai|pypi)-[\w-]{20,}|\bAIza[\w-]{35}"
    r"|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}|\b[Bb]earer (?=[\w.~+/-]*\d)[\w.~+/-]{16,}=*"
    r"|\bSG\.[\w-]{16,}\.[\w-]{16,}|\bAccountKey=[\w+/=]{40,}"
    # The user and the password of a URL, or a token in their place, unless a name stands in for them; the URL of a hook
    # is its own password.
    r"|(?<=://)[^\s:/@?#{}<>$*\"'\\]*:(?![{<$*%])[^\s/@\"'\\]+(?=@)|(?<=://)(?=[\w.~-]*\d)[\w.~-]{16,}(?=@)|(?<=://)hooks\.slack\.com/services/[\w/]{20,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:\\[nr]|[\s\w+/=:,-])*"
)
# What stands before a `_` or `-` of the shapes above, what the others hold, and how far before it they may begin.
# Looking for these first is a hundred times as fast in megabytes of base64, which has neither `_` nor `-`.
_BEFORE = {
    "_": (
        *("hf", "rpa", "ghp", "gho", "ghu", "ghs", "ghr", "pat", "live", "test", "gsk", "npm", "r8", "whsec", "v1"),
        *("lsv2_pt", "lsv2_sk"),
    ),
    "-": ("sk", "xoxa", "xoxb", "xoxe", "xoxp", "xoxr", "xoxs", "glpat", "nvapi", "pplx", "tvly", "xai", "pypi"),
}
_WITHIN = (("AKIA", 0), ("ASIA", 0), ("AIza", 0), ("earer ", 1), ("SG.", 0), ("AccountKey=", 0))
_WITHIN_ANY = (("-----BEGIN ", 0), (".eyJ", 1000), *_WITHIN)
_IN_URLS = ("@", "hooks.slack.com")
_HOLDS = (str, dict, list)
_AROUND = 4000  # characters behind it in which a shape shows
PART = 100_000  # characters, which are searched in well under a millisecond
PARTS = 4  # that are searched in one go
_WORD = max(map(len, _KEY_WORDS)) - 1


def masked(request: dict[str, Any], known: Collection[str] = ()) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A request with its secrets written as `***`, and the paths where they were; `known` are secrets, too."""
    found = tuple(secrets_in(request, known=known))
    texts = {text for _, text in found}
    return (_without(request, texts) if texts else request), tuple(path for path, _ in found)


def may_hold_secrets(text: str, known: Collection[str] = ()) -> bool:
    """Whether a JSON text is worth a closer look: quick, and never wrong when it says no."""
    quote = -1  # where the next quotation mark stands
    for start, stop in _parts(text):
        if quote < start:
            quote = text.find('"', start) % (len(text) + 1)
        if quote >= stop and text[quote - 1] != "\\" and text[quote + 1 : quote + 2] in ",]}":
            continue  # amidst a long text, which is no key
        lowered = text[start : stop + _WORD].lower()
        for word in _KEY_WORDS:  # a loop, which costs a third of any(): this is asked at every job
            if word in lowered:
                return True
    return has_shape(text) or _holds(text, known)


def scrubbed(text: str, secrets: Collection[str] = ()) -> str:
    """A text, plain or JSON, with `***` in place of `secrets` and of whatever has a secret's shape."""
    for secret in sorted(secrets, key=len, reverse=True):  # one may be a part of another
        if len(secret) >= TELLING:
            for written in {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}:
                text = text.replace(written, MASK)
    return _SECRET_VALUE.sub(MASK, text) if has_shape(text) else text


def secret_values(environment: Mapping[str, str]) -> dict[str, str]:
    """The secrets among environment variables: each value with the name of its variable."""
    return {
        value: name
        for name, value in environment.items()
        if _SECRET_VARIABLE.search(name) and len(value) >= LONG_ENOUGH and not _says_nothing(value)
    }


def is_secret_name(name: str) -> bool:
    """Whether what has this name is likely to be a secret."""
    return _SECRET_KEY.search(_snake(name)) is not None


def is_secret_variable(name: str) -> bool:
    """Whether an environment variable of this name is likely to be a secret."""
    return _SECRET_VARIABLE.search(name) is not None


def shapes_in(text: str) -> list[str]:
    """The parts of a text that have a secret's shape."""
    return _SECRET_VALUE.findall(text) if has_shape(text) else []


def _says_nothing(value: str) -> bool:
    # A path, a word or a number, which may stand anywhere by chance.
    return value.startswith(("/", "~", "./")) or value.isdigit() or (value.isalpha() and value.islower())


def _without(value: Any, texts: set[str]) -> Any:
    whole = [value]
    left: list[tuple[Any, Any]] = [(whole, 0)]
    while left:  # and no recursion: requests may be nested as deep as they can be read
        into, at = left.pop()
        item = into[at]
        if isinstance(item, str):
            into[at] = MASK if item in texts else item
        elif isinstance(item, dict):
            into[at] = item = dict(item)
            left += [(item, key) for key, below in item.items() if isinstance(below, _HOLDS)]
        elif isinstance(item, list):
            into[at] = item = list(item)
            left += [(item, index) for index, below in enumerate(item) if isinstance(below, _HOLDS)]
    return whole[0]


def secrets_in(value: Any, path: str = "", known: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """Path and text of each string of a JSON value that is a secret by its key, its shape, or as one of `known`."""
    left = [iter([(path, False, value)])]
    while left:
        for here, named, item in left[-1]:
            if not isinstance(item, str):
                left.append(_below(here, item, named=named))
                break
            if (item and item != MASK) if named else (has_shape(item) or _holds(item, known)):
                yield here, item
        else:
            left.pop()


def _below(path: str, value: dict[Any, Any] | list[Any], *, named: bool) -> Iterator[tuple[str, bool, Any]]:
    """The strings and what may hold some in a value, each with its path, and whether it has a secret's name."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, _HOLDS):
                yield f"{path}.{key}" if path else str(key), named or is_secret_name(str(key)), item
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, _HOLDS):
                yield f"{path}[{index}]", named, item


def _snake(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).replace("-", "_")


def tells(text: str, secrets: Iterator[tuple[str, str]]) -> bool:
    """Whether a text holds something of a secret's shape, or one of `secrets`."""
    return has_shape(text) or any(secret in text for _, secret in secrets)


def has_shape(text: str) -> bool:
    """Whether a text holds something of a secret's shape."""
    return any(_begins_in(text, start, stop) for start, stop in _parts(text))


def _begins_in(text: str, start: int, stop: int) -> bool:
    """Whether the sign of a secret's shape begins in that part of a text, and the shape is there."""
    for separator, words in _BEFORE.items():
        at = text.find(separator, start, stop)
        while at != -1:
            if text.endswith(words, 0, at) and _SECRET_VALUE.search(text, max(0, at - 12), at + _AROUND):
                return True
            at = text.find(separator, at + 1, stop)
    plain = text.find(".", start, stop) == -1 == text.find("-", start, stop)
    if any(_shows(text, mark, back, start, stop) for mark, back in (_WITHIN if plain else _WITHIN_ANY)):
        return True
    if text.find(":", start, stop) == -1:
        return False
    in_url = any(text.find(sign, start, stop + _AROUND) != -1 for sign in _IN_URLS)
    return in_url and _shows(text, "://", -3, start, stop)


def _shows(text: str, mark: str, back: int, start: int, stop: int) -> bool:
    look = _SECRET_VALUE.search if back > 1 else _SECRET_VALUE.match
    end = stop + len(mark) - 1
    if text.find(mark[-1], start, end) == -1:  # a single character is found tens of times as fast
        return False
    at = text.find(mark, start, end)
    while at != -1:
        if look(text, max(0, at - back), at + _AROUND):
            return True
        at = text.find(mark, at + 1, end)
    return False


def _holds(text: str, known: Collection[str]) -> bool:
    return any(text.find(secret, start, stop + len(secret)) != -1 for secret in known for start, stop in _parts(text))


def _parts(text: str) -> Iterator[tuple[int, int]]:
    """Where the parts of a text begin and end; between some, other threads may have the interpreter."""
    yield 0, PART
    for number, start in enumerate(range(PART, len(text), PART), 1):
        if number % PARTS == 0:
            time.sleep(0)
        yield start, start + PART
