"""What a worker's surroundings have to give it: environment variables, and settings for its image."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from rp_notebook.export.givings import ENVIRONMENT, spelled_path
from rp_notebook.export.secret_texts import HUGGING_FACE
from rp_notebook.export.state import modules_of
from rp_notebook.export.timeline import Fact

# Settings of one machine, which another does not share.
_OF_THE_MACHINE = frozenset({"CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "HF_HOME", "HF_HUB_CACHE", "PYTHONPATH"})


@dataclass(frozen=True)
class Surroundings:
    """The secret variables that an endpoint has to set beside those that the module reads, and what the image sets."""

    secrets: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def surroundings(
    wanted: Mapping[int, tuple[str, ...]], settings: Mapping[str, str], kept: Sequence[Fact]
) -> Surroundings:
    """What a slice needs around it; `wanted` are the secret variables that statements set which are left out."""
    modules = modules_of([*kept])
    texts = "\n".join(fact.statement.text for fact in kept)
    keys = {key for names in wanted.values() for key in names if key in texts or _is_read_by(key, modules)}
    return Surroundings(tuple(sorted(keys)), dict(sorted(settings.items())))


def _is_read_by(key: str, modules: set[str]) -> bool:
    """Whether a library reads a variable by itself, by their names: `OPENAI_API_KEY` is for `langchain_openai`, too."""
    vendor = key.split("_")[0].lower()
    if vendor in ("hf", "huggingface", "huggingfacehub", "hugging"):
        return bool(modules & HUGGING_FACE)
    if vendor == "aws":
        return bool(modules & {"boto3", "botocore", "s3fs", "smart_open", "aioboto3"})
    return len(vendor) > 2 and any(vendor in module.lower() for module in modules)


def magic_setting(magic: tuple[str, str]) -> dict[str, str]:
    """The variable that `%env K=V` or `%set_env K V` sets."""
    if magic[0] not in ("env", "set_env"):
        return {}
    key, equals, value = magic[1].partition("=" if "=" in magic[1] else " ")
    return {key.strip(): value.strip()} if equals and key.strip() else {}


def is_of_the_machine(key: str) -> bool:
    """Whether a variable says something of the machine that it was set on, or where that one keeps its files."""
    return key in _OF_THE_MACHINE


def only_sets(
    node: ast.stmt, imports: Mapping[str, str], hidden: Collection[int], setters: Collection[str] = ()
) -> tuple[str, ...]:
    """The environment variables of a statement that does nothing but set them to values that must not be written.

    `hidden` are the ids of the nodes of such values, `setters` functions that ask a person for the variable that they
    are given. A condition around it (`if "K" not in os.environ:`) is part of it.
    """
    keys: list[str] = []
    for part in _simple(node):
        key = _key(part, imports, hidden, setters)
        if key is None:
            return ()
        keys += [key] if key else []
    return tuple(dict.fromkeys(keys))


def _simple(node: ast.stmt) -> Iterator[ast.stmt]:
    if isinstance(node, ast.If):
        for part in [*node.body, *node.orelse]:
            yield from _simple(part)
    elif isinstance(node, ast.Try) and not node.orelse:
        for part in node.body:
            yield from _simple(part)
    else:
        yield node


def _key(node: ast.stmt, imports: Mapping[str, str], hidden: Collection[int], setters: Collection[str]) -> str | None:
    """The variable that a simple statement sets, empty for one that does nothing, None for any other."""
    match node:
        case ast.Pass() | ast.Import() | ast.ImportFrom():
            return ""
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"))):
            return ""
        case ast.Expr(value=ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str() as key)])) if (
            name in setters
        ):
            return key
        case ast.Assign(targets=[ast.Subscript(value=owner, slice=ast.Constant(value=str() as key))], value=value):
            return key if spelled_path(owner, imports) == ENVIRONMENT and id(value) in hidden else None
        case ast.Expr(value=ast.Call(func=func, args=[ast.Constant(value=str() as key), value]) as call):
            setting = spelled_path(func, imports) in (f"{ENVIRONMENT}.setdefault", "os.putenv")
            return key if setting and {id(value), id(call)} & set(hidden) else None
    return None
