"""What is said of exports that were replayed: of the one that is taken, or of why none is."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from rp_notebook.export.result import ExportResult
from rp_notebook.jobs.finding import Finding
from rp_notebook.proof.attempt import Attempt
from rp_notebook.proof.climb import SHOWN, TOLD, Step
from rp_notebook.proof.strays import strays

Tried = Sequence[tuple[Step, Attempt]]


def findings_of(
    tried: Tried, moving: Sequence[str], untested: Sequence[str], *, more: bool, none: str
) -> Iterator[Finding]:
    """What there is to say about the last of the exports `tried`, which did well or could not run.

    `moving` are variables that are others at each start, `untested` others than in the kernel where no job completed;
    `more` was asked for than at first; `none` says why no job ran.
    """
    step, attempt = tried[-1]
    if untested:
        said = f"others in the worker than in this kernel: {_some(untested)}; no job that completed tells if it matters"
        yield Finding("RPS125", "warning", said, "run a job that completes, and export again")
    if attempt.blocked:
        yield Finding("RPP112", "warning", f"not proved: {attempt.blocked}", "%runpod prove DIR, where it can run")
        return
    if not attempt.jobs:
        yield Finding("RPP111", "warning", f"not proved: {none}", "%runpod job {...}, and export again")
        return
    if all(job.verdict == "skipped" for job in attempt.jobs):
        yield Finding("RPP111", "warning", f"not proved: no job can be replayed: {attempt.jobs[-1].detail}")
        return
    if step.plan.packages:
        said = f"no line imports {_some(sorted(step.plan.packages))}, and the worker fails without it: pinned"
        yield Finding("RPP134", "note", said)
    if step.rung != "needed" or more:
        yield Finding("RPS108", "warning", f"the slice was too small; the worker has {_added(step, tried[0][0])}")
    if attempt.outdated:
        said = f"left out of the tests: {len(attempt.outdated)} of {len(attempt.jobs)} jobs, from before a change"
        yield Finding("RPP117", "note", said)
    if attempt.touched is not None:
        yield from strays(step.result, attempt.touched)
    for job, paths in attempt.varying.items():
        said = (
            f"job {job[:13]} answers differently each time at {', '.join(paths[:3])}: only its shape was compared, "
            "and as a test any answer will do"
        )
        yield Finding("RPP113", "warning", said, "seed what is random from the job's input")
    if moving:
        said = f"at each start, another value: {', '.join(moving)}"
        yield Finding("RPS123", "warning", said, "seed it, if it is meant to be the one that you tested")
    idle = [name for name in _functions(step.result.module, attempt) if name]
    if idle:
        yield Finding("RPP114", "note", f"no job executed {_some([f'{name}()' for name in idle])}")


def refusal_of(tried: Tried, names: Sequence[str], refused: Sequence[Finding]) -> list[Finding]:
    """Why nothing answered the jobs: the first mismatch, and what was tried.

    `names` are variables that are others than in the kernel, `refused` is why further plans gave no export.
    """
    step, attempt = tried[0]
    rungs = ", ".join(dict.fromkeys(TOLD[each.rung] for each, _ in tried))
    if attempt.raised is not None:
        return [_of_import(attempt, step.result, rungs), *refused]
    if attempt.moving:
        said = f"{', '.join(attempt.moving)}: another value at each start, and the jobs ran with the kernel's"
        fix = "seed it, or load it from a file; weights: %runpod export DIR --freeze NAME"
        return [Finding("RPS123", "error", said, fix), *refused]
    wrong = [job for job in attempt.jobs if job.verdict in ("different", "lost", "missing")]
    where = f"; these are others than in the kernel: {', '.join(names[:SHOWN])}" if names else ""
    said = f"job {wrong[0].id[:13]} answers otherwise in a clean process: {wrong[0].detail}{where} (tried: {rungs})"
    told = " ".join(finding.message for finding in step.result.findings if finding.code == "RPS131")
    kept = [name for name in names if f"`{name}`" in told]
    fix = "if the notebook changed since that job ran, run it again; else write what differs in a cell"
    if kept:
        fix = f"jobs change {', '.join(kept[:SHOWN])}: run the cell again that makes it, then a job, and export again"
    return [Finding("RPS108", "error", said, fix), *refused]


def _added(step: Step, first: Step) -> str:
    before = {(kept.cell, kept.line) for kept in first.result.kept}
    added = [kept for kept in step.result.kept if kept.cell and (kept.cell, kept.line) not in before]
    shown = "; ".join(f"cell {kept.cell}: {kept.text.splitlines()[0][:60]}" for kept in added[:SHOWN])
    more = f" and {len(added) - SHOWN} more" if len(added) > SHOWN else ""
    return f"{TOLD[step.rung]}{f' ({shown}{more})' if shown else ''}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def _of_import(attempt: Attempt, result: ExportResult, rungs: str) -> Finding:
    raised = attempt.raised
    assert raised is not None
    place = None
    if raised.line is not None and raised.line <= len(result.lines):
        place = result.lines[raised.line - 1]
    cell, line = place or (None, None)
    said = f"handler.py cannot be imported in a clean process: {raised.type}: {raised.message} (tried: {rungs})"
    left = next((f.fix for f in result.findings if f.code == "RPX231" and f.message.startswith(f"{raised.path} ")), "")
    if left and raised.type == "FileNotFoundError":  # it holds keys, and stays where it is
        return Finding("RPP115", "error", said, left, cell, line)
    code, fix = {
        "FileNotFoundError": ("RPP115", f"put {raised.path} beside the notebook, so that it goes along"),
        "ModuleNotFoundError": ("RPP116", f"install what gives {raised.name}, or keep it beside the notebook"),
        "NameError": ("RPS109", ""),
    }.get(raised.type, ("RPS108", ""))
    return Finding(code, "error", said, fix, cell, line)


def _functions(module: str, attempt: Attempt) -> Iterator[str]:
    """The functions and methods of handler.py that no job called."""
    called = {line for file, line in attempt.touched.called if file == "handler.py"} if attempt.touched else set()
    body = ast.parse(module).body
    at_import = {name for node in body for name in _calls(node)}
    for node in body:
        for item in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([item.lineno, *(decorator.lineno for decorator in item.decorator_list)])
                started = node.name in at_import and (item is node or item.name.startswith("__"))  # type: ignore[attr-defined] # a definition
                if first not in called and not started and not item.name.startswith("_cell_"):
                    yield f"{node.name}.{item.name}" if isinstance(node, ast.ClassDef) else item.name


def _calls(node: ast.stmt) -> Iterator[str]:
    """The names that a statement of the module calls as it is imported."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield from (n.func.id for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name))
