"""The functions, classes and imports of a notebook, found by name, and what each function does to its surroundings."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from rp_notebook.export.binding import assigned, assigned_globals
from rp_notebook.export.counters import counters_in
from rp_notebook.export.iterators import is_iterator, yields
from rp_notebook.export.links import NOTHING, Value
from rp_notebook.export.project import NO_PROJECT, Project
from rp_notebook.export.registries import attributes_set, methods_of, patched, put_into
from rp_notebook.export.stars import star_names
from rp_notebook.export.statements import Statement
from rp_notebook.export.trees import at_module_level, walk

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
MUST, LIKELY, WEAK = 3, 2, 1
PARAMETER = "#"  # how the name of a root begins that is a parameter, not a global

CALLS = "calls:"  # how a root begins whose parts are called
FRESH = "@new"  # the object that a constructor is at work on
MADE = "@made"  # what a statement makes and binds to several names


Changed = tuple[str, int, bool]


@dataclass(frozen=True, slots=True)
class Effects:
    """What running some code does to objects and globals that it did not make itself.

    `changed` has `(root, tier, deep)`: the object may change, `deep` when what it refers to may. `edges` has
    `(root, root, kind)`: the first is now, to the second, what `kind` says. `rebound` are globals it may bind, `drawn`
    the random generators it draws from, `returned` what the answer is. `remembers` is whether a function made by
    this one keeps state between calls, `later` and `later_rebound` what calling such a function changes and binds,
    `caches` whether it keeps what anybody who asks first would get.
    """

    changed: frozenset[Changed] = frozenset()
    edges: frozenset[tuple[str, str, str]] = frozenset()
    rebound: frozenset[str] = frozenset()
    returned: Value = NOTHING
    remembers: bool = False
    later: frozenset[Changed] = frozenset()
    later_rebound: frozenset[str] = frozenset()
    caches: bool = False


NO_EFFECTS = Effects()
Spoken = tuple[str, bool]  # a name, and whether what calling it gives is meant


@dataclass(frozen=True)
class Code:
    """What may run where a value is called: functions, methods of classes, and functions that `makers` make."""

    classes: frozenset[str] = frozenset()
    functions: tuple[Function, ...] = ()
    makers: tuple[Function, ...] = ()


@dataclass(frozen=True)
class Program:
    """All that the notebook's text says about code. Every version of a name counts: which one runs is decided late."""

    functions: Mapping[str, tuple[Function, ...]]
    classes: Mapping[str, tuple[ast.ClassDef, ...]]
    imports: Mapping[str, str]
    values: Mapping[str, tuple[ast.expr, ...]]
    iterators: frozenset[str]
    ours: frozenset[str]
    project: Project = NO_PROJECT
    put: Mapping[str, tuple[ast.expr, ...]] = field(default_factory=lambda: MappingProxyType({}))
    asks_subclasses: bool = False
    owners: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))  # of methods, by their id
    patches: Mapping[str, tuple[Function, ...]] = field(default_factory=lambda: MappingProxyType({}))  # of classes
    attributes: Mapping[str, tuple[ast.expr, ...]] = field(default_factory=lambda: MappingProxyType({}))  # set later
    counters: frozenset[str] = frozenset()
    takes_notes: bool = True  # what functions leave on functions is read here or nowhere
    local: Mapping[str, Program] = field(default_factory=lambda: MappingProxyType({}))  # of modules of one's own
    texts: frozenset[str] = frozenset()  # that stand in a module of one's own
    summaries: Mapping[int, Effects] = field(default_factory=lambda: MappingProxyType({}))
    # What was worked out of the text above: a name is asked for wherever it is called.
    made_of: dict[str, Code] = field(default_factory=dict, repr=False, compare=False)
    spoken: dict[Spoken, tuple[Code, set[Spoken]]] = field(default_factory=dict, repr=False, compare=False)
    made_by: dict[str, set[str]] = field(default_factory=dict, repr=False, compare=False)
    calling: dict[str, tuple[set[str], set[str]]] = field(default_factory=dict, repr=False, compare=False)
    stored: dict[str, tuple[ast.expr, ...]] = field(default_factory=dict, repr=False, compare=False)
    given: dict[str, tuple[ast.expr, ...]] = field(default_factory=dict, repr=False, compare=False)
    called: dict[tuple[str, frozenset[str]], list[Function]] = field(default_factory=dict, repr=False, compare=False)
    derived: dict[str, set[str]] = field(default_factory=dict, repr=False, compare=False)

    def summary(self, function: Function) -> Effects:
        """The effects of calling a function."""
        return self.summaries.get(id(function), NO_EFFECTS)

    @cached_property
    def method_names(self) -> frozenset[str]:
        """How the methods of the notebook's classes are called."""
        items = [item for nodes in self.classes.values() for node in nodes for item in node.body]
        written = {item.name for item in items if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}
        bound = {name for item in items for name, _ in assigned(item)}
        return frozenset(written | bound | self.patches.keys())

    def methods(self, name: str, classes: Iterable[str] = ()) -> list[Function]:
        """Methods of that name: of the given classes and what they derive from, else of any class."""
        given = frozenset(classes)
        if (name, given) not in self.called:
            self.called[name, given] = [
                item
                for each in sorted(self.lineage(given) or self.classes)
                for node in self.classes.get(each, ())
                for item in methods_of(node, name)
            ]
            self.called[name, given] += self.patches.get(name, ())
        return self.called[name, given]

    def lineage(self, classes: Iterable[str]) -> set[str]:
        """The notebook's classes among these and their bases."""
        found: set[str] = set()
        todo = [name for name in classes if name in self.classes]
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                bases = [base.id for node in self.classes[name] for base in node.bases if isinstance(base, ast.Name)]
                todo += [base for base in bases if base in self.classes]
        return found

    def kinds(self, name: str) -> set[str]:
        """A class of the notebook and all that derive from it."""
        if name not in self.derived:
            self.derived[name] = {each for each in self.classes if name in self.lineage([each])}
        return self.derived[name]


def program_of(statements: Sequence[Statement], ours: Iterable[str], project: Project = NO_PROJECT) -> Program:
    """The code that these statements define; summaries are still missing."""
    functions: dict[str, dict[Function, None]] = {}
    classes: dict[str, dict[ast.ClassDef, None]] = {}
    values: dict[str, dict[ast.expr, None]] = {}
    imports: dict[str, str] = {}
    imported: dict[ast.stmt, dict[str, str]] = {}
    for statement in statements:
        node = statement.node
        if node not in imported:  # run again it says no more but what its imports stand for
            parts = walk(node) if "import" in statement.text else ()
            imported[node] = {name: path for part in parts for name, path in _imported(part).items()}
            imported[node] |= _starred(statement)
            _read(statement, functions, classes, values)
        imports |= imported[node]
    generators = {name for name, found in functions.items() if any(yields(f) for f in found)}
    iterators = {n for n, found in values.items() if any(is_iterator(v, generators, imports) for v in found)}
    return Program(
        {name: tuple(found) for name, found in functions.items()},
        {name: tuple(found) for name, found in classes.items()},
        imports,
        {name: tuple(found) for name, found in values.items()},
        frozenset(iterators),
        frozenset(ours),
        project,
        put_into(imported, functions, classes, values),  # type: ignore[arg-type] # in the order in which they were found
        any("__subclasses__" in statement.text for statement in statements),
        {id(item): name for name, found in classes.items() for node in found for item in node.body},
        patched(imported, functions, classes),  # type: ignore[arg-type] # see above
        attributes_set(imported),
        counters_in({statement.node: statement.text for statement in statements}),
    )


def _read(
    statement: Statement,
    functions: dict[str, dict[Function, None]],
    classes: dict[str, dict[ast.ClassDef, None]],
    values: dict[str, dict[ast.expr, None]],
) -> None:
    for node in walk(statement.node) if "global" in statement.text else ():
        for name, value in assigned_globals(node):
            values.setdefault(name, {})[value] = None
    for node in at_module_level(statement.node):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions.setdefault(node.name, {})[node] = None
        elif isinstance(node, ast.ClassDef):
            classes.setdefault(node.name, {})[node] = None
        for name, value in assigned(node):
            values.setdefault(name, {})[value] = None
            if isinstance(value, ast.Lambda):
                functions.setdefault(name, {})[value] = None


def inner_functions(function: ast.AST) -> list[Function]:
    """The functions written inside a function."""
    return [n for n in walk(function) if isinstance(n, Function) and n is not function]


def parameters(function: Function) -> list[str]:
    """The names of a function's parameters in order, `*args` and `**kwargs` last."""
    args = function.args
    named = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    return [a.arg for a in [*named, *(x for x in (args.vararg, args.kwarg) if x)]]


def _imported(node: ast.AST) -> dict[str, str]:
    if isinstance(node, ast.Import):
        return {(a.asname or a.name.split(".")[0]): (a.name if a.asname else a.name.split(".")[0]) for a in node.names}
    if isinstance(node, ast.ImportFrom):
        return {(a.asname or a.name): f"{node.module or ''}.{a.name}" for a in node.names if a.name != "*"}
    return {}


def _starred(statement: Statement) -> dict[str, str]:
    if statement.alias is None or statement.alias.name != "*":
        return {}
    module = getattr(statement.node, "module", None) or ""
    return {name: f"{module}.{name}" for name in star_names(module, statement.cell.cwd) or ()}


def loads(node: ast.AST) -> list[str]:
    """The names that are read in a piece of code."""
    return [n.id for n in walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
