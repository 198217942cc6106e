"""What calls of builtins and of libraries do, as far as the tables know."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from rp_notebook.export import decorating, implied, local_programs
from rp_notebook.export.counters import NOTED
from rp_notebook.export.library import SHOWN, Arguments, is_static, method_tier, path_of
from rp_notebook.export.links import NOTHING, SAME, Value, copied, held, inside, union
from rp_notebook.export.namespace_dict import ANY, executed
from rp_notebook.export.program import FRESH, LIKELY, MUST, Effects, Function
from rp_notebook.export.tables import (
    COPIES,
    DISPLAY_MODULES,
    DRAWS,
    FUNCTION_MUTATORS,
    GENERATORS,
    ITERATORS,
    MODULE_SETTERS,
    PATCHERS,
    PICKS,
    PURE_BUILTINS,
    PURE_MODULES,
    READ_ONE,
    READ_TWO,
    RNG_MODULES,
    SEEDS,
    SETTER_PREFIXES,
    SHALLOW_MUTATORS,
    SHOWN_ONLY,
    TQDM_METHODS,
    WRAPPERS,
)

if TYPE_CHECKING:
    from rp_notebook.export.expressions import Expressions as Reading


def builtin(reading: Reading, name: str, node: ast.Call, arguments: Arguments) -> Value:
    match name, node.args:
        case "type", [one]:
            return implied.class_of(reading, one)
        case "type", [_, ast.Tuple(elts=bases), _]:
            decorating.derive(reading, bases, node.keywords)
        case "setattr" | "delattr", [owner, word, *_]:
            attribute = word.value if isinstance(word, ast.Constant) else ANY
            target = ast.Attribute(owner, str(attribute), ast.Store())
            reading.bind(target, union(*arguments.positional[2:]))
            return NOTHING
        case "exec", _ if (body := executed(node)) is not None and reading.at_module:
            reading.rebound |= set() if body else {ANY}
            reading.body(body)
    if name == "exec":
        reading.change(union(*arguments.positional[1:]), MUST, deep=True)  # the names that it is to bind
    if name in FUNCTION_MUTATORS and arguments.positional:
        reading.change(arguments.positional[0], MUST, deep=False)
        return inside(arguments.positional[0]) if name == "next" else NOTHING
    if name in PICKS:
        return arguments.all | inside(arguments.all)
    if name in WRAPPERS and name not in ITERATORS:
        return arguments.all
    if name in COPIES:
        return copied(arguments.all)
    if name in ITERATORS and name != "open":  # a file has nothing of its name
        return held(arguments.all) | copied(arguments.all)
    if name == "getattr":
        return inside(arguments.all)
    if name == "vars":
        return arguments.all  # the object's own dict: who changes it, changes the object
    return copied(arguments.all) if name not in PURE_BUILTINS else NOTHING


def library(reading: Reading, path: str, node: ast.Call, arguments: Arguments, *, bare: bool) -> Value:
    parts = path.split(".")
    top, leaf = parts[0], parts[-1]
    own = local_programs.called(reading.program, path)
    if own:
        return union(*(_of_own_module(reading, f"module:{top}", *each, arguments) for each in own))
    said = reading.program.project.changes(path)
    if said is not None:
        reading.change(arguments.all if said else NOTHING, MUST, deep=True)
        return held(arguments.all)
    if top == "os" and "environ" in parts:
        return _environment(reading, leaf, node)
    if _draws(reading, top, leaf, parts) and top in ("numpy", "random"):
        return NOTHING
    if path == "os.chdir" or path.startswith("sys.path."):
        reading.changed.add(("cwd:" if top == "os" else "syspath:", MUST, False))
        return NOTHING
    if leaf.endswith("_into"):
        reading.change(arguments.all, MUST, deep=False)
    if leaf in FUNCTION_MUTATORS and arguments.positional:
        reading.change(arguments.positional[0], MUST, deep=False)
        reading.join(arguments.positional[0], union(*arguments.positional[1:]))
    if top == "numpy" and leaf in READ_ONE | READ_TWO:
        reading.change(union(*arguments.positional[1 if leaf in READ_ONE else 2 :]), MUST, deep=True)
    for name, value in (arguments.named or {}).items():
        if name == "out" or name in GENERATORS:
            reading.change(value, MUST, deep=True)  # an array, and what looks at it; what draws moves on
    if path.startswith(PATCHERS) and node.args:
        _patched(reading, node.args[0])
        reading.change(arguments.all, MUST, deep=False)
    if top == "tqdm" and leaf == "pandas":
        reading.changed |= {(f"{NOTED}.progress_{word}", MUST, False) for word in TQDM_METHODS}
    if top in DISPLAY_MODULES and top not in ("logging", "warnings"):
        return NOTHING
    if leaf in MODULE_SETTERS or path == "nltk.download" or leaf.startswith((*SETTER_PREFIXES, "reset_option")):
        reading.changed.add((f"{SHOWN if SHOWN_ONLY & set(parts) else 'module:'}{top}", MUST, False))
        return NOTHING
    if leaf in SHALLOW_MUTATORS and len(parts) > 2:
        reading.changed.add((f"module:{top}", MUST, False))
    if (leaf.endswith("_") and not leaf.endswith("__")) or leaf.startswith("load_model"):
        reading.change(arguments.all, MUST, deep=True)
    known = leaf in PICKS or leaf in WRAPPERS or top in PURE_MODULES
    if bare and not known and not leaf[:1].isupper() and method_tier(leaf, bare=True):
        reading.change(arguments.all, LIKELY, deep=True)
    return _answer(top, leaf, arguments.all)


def _answer(top: str, leaf: str, given: Value) -> Value:
    """What a library's function answers."""
    if leaf in PICKS:
        return inside(given)
    if leaf in WRAPPERS:
        return given | held(given)
    if top in PURE_MODULES:
        return copied(given) if leaf in COPIES else NOTHING
    return held(given)


def _draws(reading: Reading, top: str, leaf: str, parts: list[str]) -> bool:
    """Marks what seeds a generator of random numbers, or draws from it; whether it is a seed."""
    if top in RNG_MODULES and leaf in SEEDS:
        reading.changed.add((f"seed:{top}", MUST, False))
        return True
    if top in RNG_MODULES and (leaf in DRAWS or (parts[1:2] == ["nn"] and leaf[:1].isupper())):
        reading.changed.add((f"rng:{top}", MUST, False))
    return False


def _patched(reading: Reading, what: ast.expr) -> None:
    """`patch("module.name")` and `patch.object(module, "name")` change that module."""
    named = what.value if isinstance(what, ast.Constant) else path_of(what, reading.program, reading.locals)
    reading.changed.add((f"module:{str(named).split('.')[0]}", MUST, False))


def _of_own_module(
    reading: Reading, module: str, function: Function, effects: Effects, is_method: bool, arguments: Arguments
) -> Value:
    if not is_method:
        return reading.apply(effects, function, arguments)
    made = getattr(function, "name", "").startswith("__")
    receiver = frozenset({(FRESH if made else module, SAME)})
    given = arguments if is_static(function) else arguments.behind(receiver)
    answer = reading.apply(effects, function, given)
    return held(arguments.all) if made else answer


def _environment(reading: Reading, leaf: str, node: ast.Call) -> Value:
    keys = [a for a in node.args[:1] if leaf in ("setdefault", "pop", "putenv")]
    if leaf == "update":
        keys = [key for a in node.args if isinstance(a, ast.Dict) for key in a.keys if key is not None]
        reading.changed |= {(f"env:{k.arg}", MUST, False) for k in node.keywords if k.arg}
    reading.changed |= {(f"env:{k.value!s}" if isinstance(k, ast.Constant) else "env:*", MUST, False) for k in keys}
    return NOTHING
