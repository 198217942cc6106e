"""State of the process that a slice depends on: module settings, environment variables, seeds, paths, plug-ins."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from rp_notebook.export.counters import NOTED, is_read
from rp_notebook.export.cutting import root_name
from rp_notebook.export.demand import Demand, label_of
from rp_notebook.export.lazy_stores import fills_in, reads_unfilled
from rp_notebook.export.library import SHOWN, makers, path_of
from rp_notebook.export.local_programs import texts_in
from rp_notebook.export.moves import take_moves
from rp_notebook.export.program import Program
from rp_notebook.export.secret_texts import HUGGING_FACE
from rp_notebook.export.spoken_names import evaluated, names_in_text
from rp_notebook.export.stars import is_found, source_of
from rp_notebook.export.store_looks import FILL
from rp_notebook.export.tables import DISPLAY_MODULES, EFFECT_IMPORTS, RUNTIME_ENV, STDLIB, TEXTS
from rp_notebook.export.timeline import Fact, changed_roots
from rp_notebook.export.trees import walk

_QUIET = STDLIB | DISPLAY_MODULES  # modules that change no other one


def take_state(demand: Demand, program: Program) -> None:
    """Takes the statements that set something which the statements taken so far depend on."""
    timeline = demand.timeline
    kept = [timeline.facts[place] for place in sorted(demand.kept)]
    modules = modules_of(kept)
    texts: set[object] | None = None
    for fact in timeline.stateful:
        if fact.position in demand.kept or fact.plumbing:
            continue
        for module in changed_roots(fact, "module:"):
            if module in modules and not _said_again(fact, module, demand.timeline.stateful):
                demand.take(fact.position, f"sets something of {module}, which is used")
                demand.take_changes_of(fact)
        shown = modules & {*changed_roots(fact, SHOWN)}
        if shown and any(_makes_text(each, program, shown) for each in kept):
            demand.take(fact.position, "sets how text is made of values")
        if "setrecursionlimit" in fact.statement.text and any(map(_calls_itself, kept)):
            demand.take(fact.position, "sets how deep functions may call themselves")
        for key in changed_roots(fact, "env:"):
            if texts is None:
                texts = {n.value for f in kept for n in walk(f.statement.node) if isinstance(n, ast.Constant)}
                texts |= texts_in(program, modules)
            if key in texts or key.startswith(RUNTIME_ENV) or key == "*":
                demand.take(fact.position, f"sets the environment variable {key}")
        if any(_is_asked_for(demand, program, fact, store) for store in changed_roots(fact, FILL)):
            demand.take(fact.position, "it fills what is read as it was then", needed=True)
        if any(is_read(count, kept) for count in changed_roots(fact, NOTED)):
            demand.take(fact.position, "it counts what is read", needed=True)
        if any(demand.changed_since(name, fact.position) for name in changed_roots(fact, "cache:")):
            demand.take(fact.position, "what it got was kept, and would be another now")
        if changed_roots(fact, "syspath:") and _imports_from(fact, kept, modules):
            demand.take(fact.position, "an import is found there")
    take_moves(demand, kept)
    for fact in kept:
        for name in evaluated(walk(fact.statement.node)) if "eval" in fact.statement.text else ():
            texts_of = [v.value for v in program.values.get(name, ()) if isinstance(v, ast.Constant)]
            for each in sorted(set().union(*(names_in_text(t) for t in texts_of if isinstance(t, str)))):
                demand.ask(each, timeline.end, label_of(fact), fact.position, soft=True)
    if modules & HUGGING_FACE:
        _take_logins(demand, program)
    _take_seeds(demand, program)
    _take_plugins(demand, modules)


def _makes_text(fact: Fact, program: Program, modules: set[str]) -> bool:
    """Whether a statement makes text of what one of these modules made: `str(table)`, `f"{array}"`."""
    if any(maker in fact.statement.text for maker in TEXTS):
        return True
    shown: list[ast.expr] = []
    for node in walk(fact.statement.node):
        match node:
            case ast.Call(func=ast.Name(id="str" | "repr" | "format"), args=[one, *_]) | ast.FormattedValue(value=one):
                shown.append(one)
    return any(path.partition(".")[0] in modules for one in shown for path in makers(root_name(one), program))


def _calls_itself(fact: Fact) -> bool:
    return isinstance(fact.statement.node, ast.ClassDef) or bool(fact.is_code and fact.names.defs & fact.names.deferred)


def _is_asked_for(demand: Demand, program: Program, fact: Fact, store: str) -> bool:
    """Whether it matters that a store was filled then, and not when a job asks for it first."""
    timeline = demand.timeline
    others = [timeline.facts[place] for place in demand.kept]
    root, _, attr = store.partition(".")
    if attr:
        readers = [o for o in others if f".{attr}" in o.statement.text and (o.is_code or o.position > fact.position)]
    else:
        readers = [other for other in others if store in other.names.deferred]
        readers += [other for other in others if store in other.names.uses and other.position > fact.position]
    if not readers or any(reads_unfilled(program, other.statement.node, store) for other in readers):
        return bool(readers)
    later = timeline.changes(root, timeline.end) & ~timeline.sharing.before(fact.position + 1) if attr else 0
    if later or changed_roots(fact, "rng:"):
        return True
    named = [other for other in others if store in other.names.deferred | other.names.stores]
    code = [other for other in readers if other.is_code] if attr else named
    fillers = {name for other in code if fills_in(program, other.statement.node, store) for name in other.names.defs}
    return len(fillers) != 1 or any(demand.changed_since(name, fact.position, but=root) for name in fillers)


def _said_again(fact: Fact, module: str, stateful: list[Fact]) -> bool:
    """Whether a seed is set once more in the same words: what is drawn between is looked at on its own."""
    if module not in changed_roots(fact, "seed:"):
        return False
    return any(later.position > fact.position and later.statement.text == fact.statement.text for later in stateful)


def modules_of(facts: list[Fact]) -> set[str]:
    """The top-level modules that these statements import, inside functions too."""
    found: set[str] = set()
    for fact in facts:
        for node in walk(fact.statement.node) if "import" in fact.statement.text else ():
            if isinstance(node, ast.Import):
                names = [fact.statement.alias] if fact.statement.alias else node.names
                found |= {alias.name.split(".")[0] for alias in names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module or "").split(".")[0])
    return found - {""}


def _take_logins(demand: Demand, program: Program) -> None:
    for fact in demand.timeline.facts:
        call = fact.statement.node.value if isinstance(fact.statement.node, ast.Expr) else None
        if (
            isinstance(call, ast.Call)
            and path_of(call.func, program, ()) == "huggingface_hub.login"
            and not fact.plumbing
        ):
            demand.take(fact.position, "logs in where the models come from")


def _imports_from(fact: Fact, kept: list[Fact], modules: set[str]) -> bool:
    folders = [n.value for n in walk(fact.statement.node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    later = {m for m in modules_of([f for f in kept if f.position > fact.position]) if m in modules and m not in STDLIB}
    places = [Path(fact.statement.cell.cwd or ".") / folder for folder in folders]
    if places:
        return any((place / m).is_dir() or (place / f"{m}.py").is_file() for place in places for m in later)
    return any(not is_found(m) for m in later)


def _take_seeds(demand: Demand, program: Program) -> None:
    timeline = demand.timeline
    for rng in sorted({root for f in timeline.stateful for root in changed_roots(f, "seed:")}):
        seeds = [f.position for f in timeline.stateful if rng in changed_roots(f, "seed:")]
        draws = [f.position for f in timeline.stateful if rng in changed_roots(f, "rng:")]
        used = [place for place in draws if place in demand.kept]
        late = not used and any(_draws_late(timeline.facts[place], program, rng) for place in demand.kept)
        wanted = {seed for draw in used for seed in [s for s in seeds if s < draw][-1:]}
        if late:
            wanted |= set(seeds[-1:])
        for seed in sorted(wanted):
            demand.take(seed, f"seeds the random numbers of {rng}")
            last = max((d for d in used if d > seed), default=seed)
            for place in (d for d in draws if seed < d < last):
                demand.take(place, f"draws random numbers of {rng} before others that are needed")


def _draws_late(fact: Fact, program: Program, rng: str) -> bool:
    if "def " not in fact.statement.text and "lambda" not in fact.statement.text:
        return False
    return any(
        (f"rng:{rng}", 3, False) in program.summary(node).changed
        for node in walk(fact.statement.node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    )


def _take_plugins(demand: Demand, modules: set[str]) -> None:
    """Imports that are there for what they do to a module that is used."""
    timeline = demand.timeline
    looked: set[tuple[str, str]] = set()
    for fact in timeline.imports:
        if fact.position in demand.kept or fact.plumbing or fact.star:
            continue
        module = fact.statement.module
        if module.startswith(EFFECT_IMPORTS) and _parent_used(module, modules):
            if not _is_imported_by_then(demand, module, fact):
                demand.take(fact.position, f"importing {module} changes what others do")
        elif module.split(".")[0] in _QUIET:
            continue
        elif "noqa" in fact.statement.text and not fact.names.defs & timeline.read:
            demand.take(fact.position, f"importing {module} changes what others do")
        elif (module, fact.statement.cell.cwd) not in looked:
            if _changes_others(module, fact.statement.cell.cwd, modules):
                demand.take(fact.position, f"importing {module} changes what others do")
            else:
                looked.add((module, fact.statement.cell.cwd))


def _is_imported_by_then(demand: Demand, module: str, fact: Fact) -> bool:
    """Whether something taken imports the package no later, so that it has done then what it does."""
    facts = [demand.timeline.facts[place] for place in demand.kept]
    by_then = [f for f in facts if f.position < fact.position or f.statement.unit == fact.statement.unit]
    return bool(by_then) and module.split(".")[0] in modules_of(by_then) and "." not in module


def _parent_used(module: str, modules: set[str]) -> bool:
    return bool(modules - STDLIB) if "." not in module else module.split(".")[0] in modules


def _changes_others(module: str, cwd: str, modules: set[str]) -> bool:
    """Whether a module's own text stores into, or calls something of, a module that is used."""
    path = source_of(module, cwd)
    try:
        stores = _stores_in(path, path.stat().st_mtime_ns) if path is not None else frozenset()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return False
    return bool((stores & modules) - STDLIB - {module.split(".")[0]})


@lru_cache(maxsize=256)  # it is asked of each import at each look, and reading a module takes longer than a look
def _stores_in(path: Path, _changed: int) -> frozenset[str]:
    """The top-level modules of which a module's own text sets something, or calls something as a statement."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = dict(_imports(tree))
    found: set[str] = set()
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.value.func] if _is_call(node) else []  # type: ignore[attr-defined] # an Expr of a Call
        for target in targets:
            if isinstance(target, ast.Attribute | ast.Subscript):
                root = next((n.id for n in walk(target) if isinstance(n, ast.Name)), "")
                found.add(imported.get(root, "").split(".")[0])
    return frozenset(found)


def _is_call(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from ((a.asname or a.name.split(".")[0], a.name) for a in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((a.asname or a.name, node.module or "") for a in node.names)
