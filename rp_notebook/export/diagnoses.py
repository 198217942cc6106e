"""What is wrong with a slice, and what is worth knowing about it (`facts/slicing.md` 2.12)."""

from __future__ import annotations

import ast
import contextlib
import io
import itertools
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from rp_notebook.export.demand import Demand, Missing, label_of
from rp_notebook.export.doubts import doubts
from rp_notebook.export.early import done_without
from rp_notebook.export.freezing import CannotFreeze
from rp_notebook.export.frozen_names import MAKE
from rp_notebook.export.live import Live
from rp_notebook.export.program import Program
from rp_notebook.export.statements import History, Unread
from rp_notebook.export.tables import IPYTHON_NAMES, LOADERS, OUR_MODULE
from rp_notebook.export.timeline import Fact, changed_roots
from rp_notebook.export.trees import children, walk
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.finding import Finding, Severity

SETTINGS = ("module:", "shown:", "seed:", "env:")  # how the roots begin of what is as it was said last


def problems(
    demand: Demand, history: History, live: Live | None, unwritten: Mapping[str, CannotFreeze]
) -> list[Finding]:
    """Why the worker would be wrong; `unwritten` has the names whose values could not be exported instead."""
    facts = demand.timeline.facts
    stored, unread = {n for place in demand.kept for n in facts[place].names.stores}, done_without(demand, live)
    found = [
        _unwritten(_missing(missing, demand, history, live), unwritten.get(name))
        for name, missing in sorted(demand.missing.items())
        if (name not in stored or missing.deleted is not None) and name not in unread
    ]
    found += _own_globals([facts[place] for place in sorted(demand.kept)])
    for place in sorted(demand.kept):
        fact = facts[place]
        if fact.statement.partial:
            message = f"{label_of(fact)} is needed, but it raised before its end"
            found.append(_at(fact, "RPS107", "error", message, "run the cell to its end"))
        elif fact.plumbing:
            found.append(_plumbing(fact))
    return found


def _own_globals(facts: list[Fact]) -> Iterator[Finding]:
    """Functions of a file that `%run` ran keep its variables, whatever a cell binds later by the same names."""
    for fact in facts:
        cell = fact.statement.cell
        words = set(cell.text.split()) if fact.is_code and fact.statement.text not in cell.text else set()
        if "%run" not in words or "-i" in words or any(word.endswith(".ipynb") for word in words):
            continue
        later = [other for other in facts if other.position > fact.position and other.statement.cell is not cell]
        for name in sorted(fact.names.deferred & {name for other in later for name in other.names.defs}):
            message = f"{label_of(fact)} comes from a file that %run ran, and reads the `{name}` of that file"
            yield _at(fact, "RPS112", "error", message, f"import it, or give `{name}` another name in the notebook")


def _plumbing(fact: Fact) -> Finding:
    names = ", ".join(f"`{name}`" for name in sorted(fact.names.defs)) or label_of(fact)
    if fact.plumbing.startswith("opaque !"):
        return _at(fact, "RPS112", "error", f"{names} is the output of a shell command", "write its value into a cell")
    if fact.plumbing.startswith("opaque"):
        command = fact.plumbing.removeprefix("opaque ")
        return _at(fact, "RPS112", "error", f"{names} comes from {command}", "write it as Python")
    return _at(fact, "RPS110", "error", f"{names} is needed, and {fact.plumbing}", "a worker runs without a notebook")


def _missing(missing: Missing, demand: Demand, history: History, live: Live | None) -> Finding:
    name = missing.name
    user = demand.timeline.facts[missing.user] if missing.user is not None else None
    where = (user.statement.cell.number, _line_of(user, name)) if user else (None, None)
    used = f", which {label_of(user)} in cell {where[0]} uses" if user else ", which the worker needs"
    if name in IPYTHON_NAMES or name == OUR_MODULE:
        return Finding("RPS110", "error", f"`{name}` exists only in a notebook{used}", "take it out", *where)
    unread = next((each for each in history.unread if name in set(_bound_in(each))), None)
    if unread is not None and unread.magic:
        message = f"`{name}`{used}, comes from %%{unread.magic}"
        return Finding("RPS112", "error", message, "write it as Python", unread.cell.number)
    if unread is not None:
        message = f"`{name}`{used}, is defined in cell {unread.cell.number}: {unread.message}"
        return Finding("RPS107", "error", message, "correct the cell and run it", unread.cell.number, unread.line)
    if missing.deleted is not None:
        cell = demand.timeline.facts[missing.deleted].statement.cell.number
        return Finding("RPS109", "error", f"`{name}`{used}, was deleted in cell {cell}", "define it again", *where)
    if live is not None and name in live.namespace:
        kind = type(live.namespace[name]).__name__
        message = f"no cell defines `{name}` ({kind}){used}"
        return Finding("RPS105", "error", message, f"write {name} = ... in a cell", *where)
    later = demand.timeline.reach(name, demand.timeline.end).positions
    if later:
        cell = demand.timeline.facts[later[0]].statement.cell.number
        return Finding(
            "RPS109", "error", f"`{name}`{used}, is defined only later, in cell {cell}", "move it up", *where
        )
    return Finding("RPS109", "error", f"no cell defines `{name}`{used}", f"define {name} in a cell", *where)


def _unwritten(missing: Finding, why: CannotFreeze | None) -> Finding:
    if why is None or missing.code != "RPS105":
        return missing
    message = f"{missing.message}, and its value cannot be exported: {why}"
    return replace(missing, code="RPS133" if why.too_large else missing.code, message=message, fix=MAKE)


def _line_of(fact: Fact, name: str) -> int:
    lines = [n.lineno for n in walk(fact.statement.node) if isinstance(n, ast.Name) and n.id == name]
    return fact.statement.numbers[min(lines) - 1] if lines else fact.statement.line


def _bound_in(unread: Unread) -> Iterator[str]:
    """Names that a cell we could not parse seems to bind."""
    tokens: list[str] = []
    # What came before the place that is no Python is enough.
    with contextlib.suppress(tokenize.TokenError, IndentationError, SyntaxError):
        tokens.extend(
            token.string
            for token in tokenize.generate_tokens(io.StringIO(unread.cell.text).readline)
            if token.string.strip()
        )
    for before, token in itertools.pairwise(tokens):
        if token in ("=", ":=", "<-", "<<") or (before in ("def", "cdef", "cpdef", "class", "import", "as")):
            yield token if before in ("def", "class", "import", "as") else before
    if unread.magic:
        yield from tokens


def remarks(demand: Demand, program: Program, declaration: Declaration) -> list[Finding]:
    """Warnings and notes about a slice that can be exported."""
    facts = [demand.timeline.facts[place] for place in sorted(demand.kept)]
    found = [*_repeated(facts), *_before_a_failure(facts), *_loads(demand, declaration), *_unseen(demand, declaration)]
    found += [_starred(fact, demand.through_star.get(fact.position, ())) for fact in facts if _is_unread_star(fact)]
    for fact in facts:
        node = fact.statement.node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if _patches(fact, program):
            message = "a patch of a library goes into the worker; it holds for the pinned version only"
            found.append(_at(fact, "RPS140", "warning", message))
        if fact.statement.alias is not None and demand.kept[fact.position].startswith("importing"):
            found.append(_at(fact, "RPS141", "note", "kept for what the import does; no name of it is used"))
    return [*found, *doubts(facts, program, declaration)]


def _is_unread_star(fact: Fact) -> bool:
    return fact.star and not fact.names.defs


def _starred(fact: Fact, names: Iterable[str]) -> Finding:
    told = ", ".join(f"`{name}`" for name in sorted(names))
    message = f"{told} can only come from this import, whose module cannot be read here"
    return _at(fact, "RPS124", "warning", message, "export where the module is installed, or import the names")


def _before_a_failure(facts: Iterable[Fact]) -> Iterator[Finding]:
    cells = {fact.statement.cell.number: fact for fact in facts if not fact.statement.cell.ok}
    for fact in cells.values():
        message = f"the cell raised at line {fact.statement.cell.failed_line}; the worker has what ran before that"
        yield _at(fact, "RPS107", "warning", message, "correct the cell and run it")


def _repeated(facts: list[Fact]) -> Iterator[Finding]:
    seen: dict[tuple[str | None, str, int], list[Fact]] = {}
    for fact in facts:
        # What sets something of the process, a seed or a module's option, does it once and for all.
        changed = [root for root, _, _ in fact.effects.changed if not root.startswith(SETTINGS)]
        own = fact.names.uses & fact.names.defs or changed
        if own and fact.statement.alias is None and not fact.is_code:
            cell = fact.statement.cell
            seen.setdefault((cell.cell_id, cell.text, fact.statement.line), []).append(fact)
    for runs in seen.values():
        times = len({fact.statement.cell.number for fact in runs})
        if times > 1:
            message = f"the cell ran {times} times and each run changed the result; the worker does it as often"
            yield _at(runs[-1], "RPS104", "warning", message, "write the value that you mean")


def _loads(demand: Demand, declaration: Declaration) -> Iterator[Finding]:
    """Models that are loaded while a job runs, unless it is done once behind a test for None or a cache."""
    for fact in _reached(demand, declaration.function):
        node = fact.statement.node
        if getattr(node, "decorator_list", ()) and "cache" in " ".join(ast.unparse(d) for d in node.decorator_list):  # type: ignore[attr-defined] # a definition
            continue
        for call in _unguarded(node, once=isinstance(node, ast.ClassDef)):
            if _is_load(call):
                line = fact.statement.numbers[min(call.lineno, len(fact.statement.numbers)) - 1]
                message = f"{ast.unparse(call.func)}() loads a model in every job"
                fix = "load it in a cell of its own"
                yield Finding("RPS130", "warning", message, fix, fact.statement.cell.number, line)


def _reached(demand: Demand, function: str) -> Iterator[Fact]:
    """The definition of a function, and those of the kept functions and classes that it comes to."""
    names, seen = [function], set()
    by_name = {n: f for p in sorted(demand.kept) for f in [demand.timeline.facts[p]] for n in f.names.defs if f.is_code}
    while names:
        fact = by_name.get(names.pop())
        if fact is not None and fact.position not in seen:
            seen.add(fact.position)
            names += sorted(fact.names.deferred)
            yield fact


def _unseen(demand: Demand, declaration: Declaration) -> Iterator[Finding]:
    """Functions that read from the module what the function of a flat cell binds for each job."""
    if declaration.flat is None:
        return
    _, *others = _reached(demand, declaration.function)
    for fact in others:
        for name in sorted(fact.names.deferred & declaration.flat.own):
            what = ", ".join(sorted(fact.names.defs))
            message = f"each job has its own `{name}`, but {what} reads the notebook's"
            yield _at(fact, "RPS134", "warning", message, f"give {name} to {what} as an argument")


def _unguarded(node: ast.AST, *, once: bool) -> Iterator[ast.Call]:
    if once or isinstance(node, ast.If):  # `if model is None:` loads once
        return
    if isinstance(node, ast.Call):
        yield node
    for child in children(node):
        yield from _unguarded(child, once=False)


def _is_load(call: ast.Call) -> bool:
    if _leaf(call) in LOADERS:
        return True
    return ast.unparse(call.func) in ("torch.load", "torch.hub.load", "joblib.load", "onnxruntime.InferenceSession")


def _leaf(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _patches(fact: Fact, program: Program) -> bool:
    node = fact.statement.node
    if not isinstance(node, ast.Assign) or not changed_roots(fact, "module:"):
        return False
    value = node.value
    return isinstance(value, ast.Lambda) or (isinstance(value, ast.Name) and value.id in program.functions)


def _at(fact: Fact, code: str, severity: Severity, message: str, fix: str = "") -> Finding:
    return Finding(code, severity, message, fix, fact.statement.cell.number, fact.statement.line)
