"""Writes the present value of a variable as a literal or as a file beside the handler, never as a pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from rp_notebook.export import frozen_arrays
from rp_notebook.export.plain_data import is_plain, spelled
from rp_notebook.export.sameness import same
from rp_notebook.export.secret_texts import secrets_of
from rp_notebook.jobs.masking import TELLING, secrets_in, tells

INLINE_CHARS = 4_000  # a longer literal hides the code around it
TEXT_BYTES = 1_000_000
FILE_BYTES = 100_000_000
ASSETS = "assets"


class CannotFreeze(Exception):
    """A value that cannot be written exactly, or must not be; `too_large` when its size alone forbids it."""

    def __init__(self, why: str, *, too_large: bool = False) -> None:
        super().__init__(why)
        self.too_large = too_large


@dataclass(frozen=True)
class Frozen:
    """A value as text.

    `text` is a template: `$json` stands for what the import under `json` in `imports` binds. `files` go beside the
    handler. `kind`, `size` in bytes and `sha256` tell what was written. `is_state` ones are what a torch module loads.
    """

    text: str
    kind: str
    size: int
    sha256: str
    imports: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    files: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    is_state: bool = False

    def spelled(self, names: Mapping[str, str]) -> str:
        """The expression, with the name under which each import is known."""
        return Template(self.text).substitute(names) if self.imports else self.text

    def bound(self, name: str, names: Mapping[str, str]) -> str:
        """The statement that gives the variable `name` its value, or a module its weights."""
        return f"{name}.load_state_dict({self.spelled(names)})" if self.is_state else f"{name} = {self.spelled(names)}"

    @property
    def told(self) -> str:
        """What was written, in a few words."""
        where = f" in {', '.join(self.files)}" if self.files else ""
        return f"{self.kind}, {self.size:,} bytes{where}, sha256 {self.sha256[:12]}"


def frozen(name: str, value: Any, secrets: Collection[str] = ()) -> Frozen:
    """The value of the variable `name`, written and read back. Raises `CannotFreeze`.

    Plain data up to 4 kB stands in the code, up to 1 MB in a JSON file (a text file where JSON cannot tell a tuple or
    a key that is no text); arrays become `.npz`, tensors `.safetensors`, frames parquet or JSON. What comes back must
    be equal in type, order and every bit. `secrets` are texts that may not be in it, beside what looks like one.
    """
    try:
        if tells_secret(name, value, secrets):
            raise CannotFreeze("it holds a secret")
    except RecursionError:
        raise CannotFreeze("it holds itself, or is nested too deep") from None
    forms: tuple[Callable[[str, Any], Frozen | None], ...] = (_literal, _json, _text, _array)
    why = f"a {_kind(value)} can be written neither as JSON nor as arrays"
    for form in forms:
        found = form(name, value)
        if found is None:
            continue
        if _read_back(found, value):
            return found
        why = f"a {_kind(value)} does not come back as it was"
    if is_plain(value):
        raise CannotFreeze(f"it is larger than {TEXT_BYTES / 1e6:.0f} MB as text", too_large=True)
    raise CannotFreeze(why)


def snapshot(name: str, module: Any) -> Frozen:
    """The weights and buffers of a torch module, for `load_state_dict`. Raises `CannotFreeze`."""
    try:
        state = {key: value.detach().cpu().clone() for key, value in module.state_dict().items()}
    except AttributeError:
        raise CannotFreeze("its state holds more than tensors") from None
    if not state:
        raise CannotFreeze("it has no weights")
    form = _filed(frozen_arrays.state(state, f"{ASSETS}/{name}"), module)
    if not _read_back(form, state, lambda found: dict(sorted(found.items()))):
        raise CannotFreeze("its weights do not come back as they are")
    return replace(form, kind=f"weights of {_kind(module)}", is_state=True)


def tells_secret(name: str, value: Any, secrets: Collection[str] = ()) -> bool:
    """Whether a value holds a text that looks like a secret, has the name of one, or is one of `secrets`."""
    plain = _listed(frozen_arrays.listed(value))
    if any(True for _ in secrets_in({name: plain})):
        return True
    if any(secrets_of(text, key, {}) for key, text in _named(name, plain)):
        return True
    long = [secret for secret in secrets if len(secret) >= TELLING]
    return any(tells(text, iter(())) or any(secret in text for secret in long) for text in _texts(plain))


def _literal(_name: str, value: Any) -> Frozen | None:
    if not is_plain(value):
        return None
    text = spelled(value)
    return _made(text, value, text.encode()) if len(text) <= INLINE_CHARS else None


def _json(name: str, value: Any) -> Frozen | None:
    if type(value) not in (dict, list, str) or not is_plain(value):
        return None
    try:
        body = (json.dumps(value, ensure_ascii=True, indent=None) + "\n").encode()
    except (TypeError, ValueError):
        return None
    file = f"{ASSETS}/{name}.json"
    text = f'$json.loads(($Path(__file__).parent / "{file}").read_text(encoding="utf-8"))'
    imports = {"json": "import json", "Path": "from pathlib import Path"}
    return _made(text, value, body, imports, file) if len(body) <= TEXT_BYTES else None


def _text(name: str, value: Any) -> Frozen | None:
    if not is_plain(value):
        return None
    body = (spelled(value) + "\n").encode("utf-8", "backslashreplace")
    file = f"{ASSETS}/{name}.txt"
    text = f'$ast.literal_eval(($Path(__file__).parent / "{file}").read_text(encoding="utf-8"))'
    imports = {"ast": "import ast", "Path": "from pathlib import Path"}
    return _made(text, value, body, imports, file) if len(body) <= TEXT_BYTES else None


def _array(name: str, value: Any) -> Frozen | None:
    form = frozen_arrays.written(value, f"{ASSETS}/{name}")
    return None if form is None else _filed(form, value)


def _filed(form: frozen_arrays.Form, value: Any) -> Frozen:
    if form.bytes_needed > FILE_BYTES:
        raise CannotFreeze(
            f"it takes {form.bytes_needed / 1e6:,.0f} MB, over {FILE_BYTES / 1e6:.0f} MB", too_large=True
        )
    try:
        body = form.body()
    except frozen_arrays.FORMAT_ERRORS as error:
        raise CannotFreeze(f"{_kind(value)}: {error}") from None
    imports = {"Path": "from pathlib import Path", **form.imports}
    return _made(form.text, value, body, imports, form.file)


def _made(
    text: str,
    value: Any,
    body: bytes,
    imports: Mapping[str, str] = MappingProxyType({}),
    file: str | None = None,
) -> Frozen:
    files = {file: body} if file is not None else {}
    return Frozen(text, _kind(value), len(body), hashlib.sha256(body).hexdigest(), imports, files)


def _as_it_is(value: Any) -> Any:
    return value


def _read_back(form: Frozen, value: Any, seen: Callable[[Any], Any] = _as_it_is) -> bool:
    """Whether the very text and files give the value again, as far as it is `seen`."""
    space: dict[str, Any] = {}
    for line in form.imports.values():
        exec(line, space)
    with TemporaryDirectory(prefix="rp-notebook-frozen-") as folder:
        for file, body in form.files.items():
            path = Path(folder) / file
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(body)
        space["__file__"] = str(Path(folder) / "handler.py")
        try:
            found = eval(form.spelled({name: name for name in form.imports}), space)
            return same(seen(found), seen(value))
        except (*frozen_arrays.FORMAT_ERRORS, NameError, SyntaxError, MemoryError, RecursionError):
            return False


def _listed(value: Any) -> Any:
    """A value with lists for all that holds others, as far as it is plain."""
    match value:
        case dict():
            return {str(key): _listed(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_listed(item) for item in value]
        case bytes():
            return value.decode("latin-1")
    return value


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, item in value.items():
                yield key
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)


def _named(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """The texts in a value, each with the name or the key that it is given to."""
    match value:
        case str():
            yield name, value
        case dict():
            for key, item in value.items():
                yield from _named(key, item)
        case list():
            for item in value:
                yield from _named(name, item)


def _kind(value: Any) -> str:
    kind = type(value)
    name = (
        kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__.split('.')[0]}.{kind.__qualname__}"
    )
    shape = getattr(value, "shape", None)
    dtype = getattr(value, "dtype", None)
    shown = f" {tuple(shape)}" if isinstance(shape, tuple) else ""
    return name + shown + (f" {dtype}" if dtype is not None else "")
