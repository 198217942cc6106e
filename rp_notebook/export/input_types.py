"""A key of a job's input, and what annotations, classes and schemas in the text say of it."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

# JSON's own kinds of values, by the Python types that stand for them.
KINDS: Mapping[str, str] = {
    **dict.fromkeys(("str", "constr", "StrictStr", "HttpUrl", "AnyUrl", "UUID"), "text"),
    **dict.fromkeys(("int", "conint", "StrictInt", "PositiveInt", "NonNegativeInt"), "integer"),
    **dict.fromkeys(("float", "confloat", "StrictFloat", "PositiveFloat"), "number"),
    **dict.fromkeys(("list", "List", "tuple", "Tuple", "Sequence", "conlist"), "list"),
    **dict.fromkeys(("dict", "Dict", "Mapping", "MutableMapping"), "object"),
    "bool": "true or false",
    "None": "null",
}
_LIMITS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "min_length": "length >=", "max_length": "length <="}


@dataclass(frozen=True)
class Field:
    """A key that a handler reads from `job["input"]`.

    `kinds` are the JSON kinds of its values ("text", "integer", "number", "true or false", "list", "object", "null"),
    none where nothing tells; `default` and `rule` are source text; `choices` are the only values that it takes.
    `certain` is false where the kinds are what it is converted to, or what was seen of it, and others may do.
    """

    name: str
    required: bool
    default: str | None = None
    kinds: tuple[str, ...] = ()
    choices: tuple[Any, ...] = ()
    rule: str | None = None
    about: str = ""
    certain: bool = field(default=True, compare=False)


def kind_of(value: object) -> str:
    """The JSON kind of a decoded value."""
    return "null" if value is None else KINDS[type(value).__name__]


def annotated(one: Field, annotation: ast.expr | None) -> Field:
    """The field with what an annotation says: `int | None`, `Literal["a", "b"]`, `Annotated[int, Field(ge=1)]`."""
    if annotation is None:
        return one
    kinds: list[str] = []
    for part in _parts(annotation):
        match part:
            case ast.Subscript(value=owner, slice=index) if _name(owner) == "Literal":
                one = replace(one, choices=tuple(n.value for n in _items(index) if isinstance(n, ast.Constant)))
                kinds += [kind_of(choice) for choice in one.choices]
            case ast.Subscript(value=owner, slice=ast.Tuple(elts=[inner, *more])) if _name(owner) == "Annotated":
                one = annotated(one, inner)
                for node in more:
                    one = _described(one, node)
                kinds += one.kinds
            case ast.Subscript(value=owner) | ast.Call(func=owner):
                kinds += [KINDS[name] for name in [_name(owner)] if name in KINDS]
            case ast.Constant(value=None):
                kinds.append("null")
            case _:
                kinds += [KINDS[name] for name in [_name(part)] if name in KINDS]
    return replace(one, kinds=tuple(dict.fromkeys(kinds)) or one.kinds)


def parameter_fields(function: ast.FunctionDef | ast.AsyncFunctionDef, given: Collection[str]) -> Iterator[Field]:
    """The parameters that `function(**input)` takes from the input; those in `given` come from elsewhere."""
    plain = [*function.args.posonlyargs, *function.args.args]
    defaults = [*([None] * (len(plain) - len(function.args.defaults))), *function.args.defaults]
    pairs = [*zip(plain, defaults, strict=True)]
    pairs += zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    for argument, default in pairs:
        if argument.arg not in given:
            yield annotated(with_default(Field(argument.arg, default is None), default), argument.annotation)


def class_fields(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> list[Field]:
    """The fields of a data class, a TypedDict or a pydantic model, those of the classes above it first."""
    found: dict[str, Field] = {}
    for above in node.bases:
        if _name(above) in classes and classes[_name(above)] is not node:
            found |= {one.name: one for one in class_fields(classes[_name(above)], classes)}
    optional = any(k.arg == "total" and isinstance(k.value, ast.Constant) and not k.value.value for k in node.keywords)
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            word = _name(part.annotation.value) if isinstance(part.annotation, ast.Subscript) else ""
            may_lack = (optional and word != "Required") or word == "NotRequired"
            one = Field(part.target.id, part.value is None and not may_lack)
            one = annotated(one, part.annotation)
            found[one.name] = with_default(one, part.value)
    return [one for one in found.values() if not one.name.startswith("_")]


def schema_fields(schema: ast.Dict) -> Iterator[Field]:
    """The entries of a schema of literals, as the SDK's validator takes it."""
    for key, rule in zip(schema.keys, schema.values, strict=True):
        name = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None
        if name is None or not isinstance(rule, ast.Dict):
            continue
        said = {k.value: v for k, v in zip(rule.keys, rule.values, strict=True) if isinstance(k, ast.Constant)}
        required, constraint = said.get("required"), said.get("constraints")
        one = annotated(Field(name, isinstance(required, ast.Constant) and bool(required.value)), said.get("type"))
        if isinstance(said.get("default"), ast.expr):
            one = replace(one, default=ast.unparse(said["default"]))
        if constraint is not None:
            body = constraint.body if isinstance(constraint, ast.Lambda) else constraint
            one = replace(one, rule=ast.unparse(body))
        yield one


def with_default(one: Field, default: ast.expr | None) -> Field:
    """The field with the default that stands in the text; `Field(...)` of a model tells its limits, too."""
    if default is None:
        return one
    if isinstance(default, ast.Call) and _name(default.func) in ("Field", "field"):
        return _described(one, default)
    one = replace(one, required=False, default=ast.unparse(default))
    known = isinstance(default, ast.Constant | ast.List | ast.Dict | ast.UnaryOp)
    return replace(one, kinds=(literal_kind(default),)) if known and not one.kinds and literal_kind(default) else one


def literal_kind(node: ast.expr) -> str:
    """The kind of a literal; empty for None and for what is none."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return ""
    return KINDS.get(type(value).__name__, "") if value is not None else ""


def _described(one: Field, node: ast.expr) -> Field:
    """What `Field(20, ge=1, le=100, description="...")` says; other things in an annotation say nothing."""
    if not isinstance(node, ast.Call) or _name(node.func) not in ("Field", "field"):
        return one
    said = {k.arg: k.value for k in node.keywords if k.arg}
    default = node.args[0] if node.args else said.get("default")
    is_open = isinstance(default, ast.Constant) and default.value is Ellipsis
    if default is not None and not is_open:
        one = with_default(one, default)
    elif "default_factory" in said:
        one = replace(one, required=False, default=f"{ast.unparse(said['default_factory'])}()")
    elif default is not None:
        one = replace(one, required=True)
    limits = [f"{_LIMITS[key]} {ast.unparse(value)}" for key, value in said.items() if key in _LIMITS]
    about = said.get("description")
    text = about.value if isinstance(about, ast.Constant) and isinstance(about.value, str) else one.about
    return replace(one, rule=" and ".join(limits) or one.rule, about=text)


def _parts(annotation: ast.expr) -> Iterator[ast.expr]:
    """The alternatives of an annotation: `A | B`, `Optional[A]`, `Union[A, B]`, a tuple of classes."""
    match annotation:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from _parts(left)
            yield from _parts(right)
        case ast.Subscript(value=owner, slice=index) if _name(owner) in ("Optional", "Union"):
            for item in _items(index):
                yield from _parts(item)
            if _name(owner) == "Optional":
                yield ast.Constant(None)
        case ast.Subscript(value=owner, slice=index) if _name(owner) in ("Required", "NotRequired"):
            yield from _parts(index)
        case ast.Tuple(elts=items):
            for item in items:
                yield from _parts(item)
        case ast.Constant(value=str() as text):  # an annotation in quotes
            try:
                yield from _parts(ast.parse(text, mode="eval").body)
            except SyntaxError:
                return
        case _:
            yield annotation


def _items(index: ast.expr) -> list[ast.expr]:
    return index.elts if isinstance(index, ast.Tuple) else [index]


def _name(node: ast.expr | None) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
