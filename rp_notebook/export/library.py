"""What names of the notebook and of libraries mean at a place in the code, before anything is called."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from rp_notebook.export.cutting import root_name
from rp_notebook.export.links import NOTHING, Value, inside, union
from rp_notebook.export.local_programs import registers
from rp_notebook.export.program import Function, Program, parameters
from rp_notebook.export.tables import (
    BARE_MUTATORS,
    BUILTINS,
    MUTATOR_PREFIXES,
    MUTATORS,
    NOT_MUTATORS,
    PURE_METHODS,
    PURE_PREFIXES,
    SHOWN_ONLY,
)
from rp_notebook.export.trees import WALKED, captured_names, immediate, walk

BUILTIN = "builtins."
SHOWN = "shown:"  # how a root begins that is how a module shows things


@dataclass(frozen=True)
class Arguments:
    """The values that a call passes: in order, by name, and those of `*args` and `**kwargs` together."""

    positional: tuple[Value, ...] = ()
    named: Mapping[str, Value] | None = None
    rest: Value = NOTHING

    @property
    def all(self) -> Value:
        """Everything that is passed."""
        return union(*self.positional, *(self.named or {}).values(), self.rest)

    def behind(self, receiver: Value) -> Arguments:
        """The arguments of a method, its receiver first."""
        return replace(self, positional=(receiver, *self.positional))

    def bound(self, function: Function, own: Value = NOTHING) -> dict[str, Value]:
        """The values by parameter; what does not fit one goes to every parameter that may take it.

        A parameter that is given none has its default, which is a part of `own`.
        """
        names = parameters(function)
        found = dict.fromkeys(names, self.rest)
        extra = [a.arg for a in (function.args.vararg, function.args.kwarg) if a]
        plain = [name for name in names if name not in extra]
        for number, value in enumerate(self.positional):
            targets = [plain[number]] if number < len(plain) else extra
            for name in targets:
                found[name] |= value
        for name, value in (self.named or {}).items():
            for target in [name] if name in found else extra:
                found[target] |= value
        for name in defaulted(function) if own else ():
            if name not in plain[: len(self.positional)] and name not in (self.named or {}):
                found[name] |= inside(own)
        return found


@lru_cache(maxsize=WALKED)
def defaulted(function: Function) -> tuple[str, ...]:
    """The parameters whose default may be an object that can change."""
    args = function.args
    named = [*args.posonlyargs, *args.args]
    given = dict(zip(reversed(named), reversed(args.defaults), strict=False))
    given |= {arg: value for arg, value in zip(args.kwonlyargs, args.kw_defaults, strict=True) if value}
    return tuple(arg.arg for arg, value in given.items() if not isinstance(value, ast.Constant | ast.UnaryOp))


def path_of(node: ast.expr, program: Program, local: Container[str]) -> str:
    """The dotted path of an imported or builtin thing, empty for anything of the notebook's own."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id in local:
        return ""
    own = node.id in program.values or node.id in program.functions or node.id in program.classes
    if node.id in program.imports and not own:
        return ".".join([program.imports[node.id], *reversed(attributes)])
    if node.id in BUILTINS and not own and not attributes:
        return BUILTIN + node.id
    return ""


def setting(target: ast.expr, program: Program, local: Container[str]) -> str | None:
    """What of the process a store to `target` sets: `env:KEY`, `module:NAME`, `shown:NAME`; None for an object."""
    root = root_name(target)
    if not root or root in local or root not in program.imports or root in program.values:
        return None
    path = program.imports[root]
    parts = path.split(".") + [n.attr for n in walk(target) if isinstance(n, ast.Attribute)]
    if parts[0] == "os" and "environ" in parts:
        key = target.slice if isinstance(target, ast.Subscript) else None
        return f"env:{key.value!s}" if isinstance(key, ast.Constant) else "env:*"
    if parts[:2] == ["sys", "modules"] and isinstance(target, ast.Subscript):
        return f"module:{str(getattr(target.slice, 'value', 'sys')).split('.')[0]}"
    return f"{SHOWN if SHOWN_ONLY & set(parts) else 'module:'}{parts[0]}"


def method_tier(name: str, *, bare: bool) -> int:
    """How certain it is that a method of an unknown object changes it: 3 it does, 2 likely, 0 no."""
    if name in NOT_MUTATORS:
        return 0
    if name in MUTATORS or (bare and name in BARE_MUTATORS):
        return 3
    if name.startswith(MUTATOR_PREFIXES) or (name.endswith("_") and not name.startswith("__")):
        return 3
    if name in PURE_METHODS or name.startswith(PURE_PREFIXES) or name in BARE_MUTATORS:
        return 0
    return 2 if bare else 0


def only_looks(name: str) -> bool:
    """Whether a method by its name gives something new: a look at its object, or a plot."""
    return name in PURE_METHODS or name.startswith(PURE_PREFIXES) or name in NOT_MUTATORS


def makers(name: str, program: Program) -> set[str]:
    """The dotted calls of libraries that the value of a name came from, by the text of all that was assigned to it."""
    if name not in program.made_by:
        program.made_by[name] = _makers(name, program)
    return program.made_by[name]


def _makers(name: str, program: Program) -> set[str]:
    found: set[str] = set()
    seen: set[str] = set()
    todo = [name]
    while todo:
        each = todo.pop()
        if each not in seen:
            seen.add(each)
            if each not in program.calling:
                program.calling[each] = _calling(program.values.get(each, ()), program)
            paths, names = program.calling[each]
            found |= paths
            todo += names - seen
    return found


def _calling(values: Iterable[ast.expr], program: Program) -> tuple[set[str], set[str]]:
    """The dotted calls of libraries in some expressions, and the names in them."""
    parts = [part for value in values for part in walk(value)]
    paths = {path_of(part.func, program, ()) for part in parts if isinstance(part, ast.Call)}
    return (
        {path for path in paths if path and not path.startswith(BUILTIN)},
        {part.id for part in parts if isinstance(part, ast.Name)},
    )


def is_static(function: Function) -> bool:
    """Whether a method takes no receiver."""
    items = getattr(function, "decorator_list", ())
    return any(isinstance(item, ast.Name) and item.id == "staticmethod" for item in items)


def is_plain_decorator(node: ast.expr, program: Program) -> bool:
    """Whether a decorator is a library's that registers nothing."""
    target = node.func if isinstance(node, ast.Call) else node
    path = path_of(target, program, ())
    return bool(path) and "register" not in path.rsplit(".", 1)[-1] and not registers(program, path)


def local_names(function: ast.AST) -> set[str]:
    """The names that are a function's own."""
    assert isinstance(function, Function)
    own = set(parameters(function))
    if isinstance(function, ast.Lambda):
        return own
    outside: set[str] = set()
    for node in body_nodes(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler):
            own |= {node.name or ""}
        elif isinstance(node, ast.pattern):
            own |= set(captured_names(node))
        elif isinstance(node, ast.Global | ast.Nonlocal):
            outside |= set(node.names)
    return own - outside


def body_nodes(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """The nodes that run when a function is called, not those of functions inside it."""
    for statement in function.body:
        yield from immediate(statement)


def class_names(node: ast.ClassDef) -> set[str]:
    """The names that a class body binds."""
    bound = {
        n.id for item in node.body for n in immediate(item) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    return bound | {item.name for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}


def as_method(node: ast.Call, program: Program, local: Container[str]) -> ast.Call:
    """`getattr(a, "m")(x)`, `methodcaller("m", x)(a)` and `list.m(a, x)` as the call `a.m(x)` that they are."""
    match node.func:
        case ast.Attribute(value=ast.Name(id="list" | "dict" | "set" | "bytearray") as kind, attr=name) if (
            node.args and name in MUTATORS and path_of(kind, program, local)
        ):
            return ast.Call(ast.Attribute(node.args[0], name, ast.Load()), node.args[1:], node.keywords)
        case ast.Call(func=func, args=[owner, ast.Constant(value=str() as name), *_]) if (
            path_of(func, program, local) == "builtins.getattr"
        ):
            return ast.Call(ast.Attribute(owner, name, ast.Load()), node.args, node.keywords)
        case ast.Call(func=func, args=[ast.Constant(value=str() as name), *given], keywords=named) if (
            path_of(func, program, local) == "operator.methodcaller" and node.args
        ):
            return ast.Call(ast.Attribute(node.args[0], name, ast.Load()), given, named)
    return node
