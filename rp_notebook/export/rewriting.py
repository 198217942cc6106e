"""Small edits to kept text: secrets and typed-in values become environment variables, `%env` becomes Python."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rp_notebook.export.cutting import edited, parsed_text
from rp_notebook.export.magics import magic_of
from rp_notebook.export.tables import INTERACTIVE
from rp_notebook.export.timeline import Fact, environment_of
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.masking import secrets_in

KNOWN_TOKENS = (("hf_", "HF_TOKEN"), ("sk-", "OPENAI_API_KEY"), ("rpa_", "RUNPOD_API_KEY"), ("gh", "GITHUB_TOKEN"))


@dataclass(frozen=True)
class Piece:
    """A kept statement as it goes into the module, the reason, and what was found while writing it."""

    fact: Fact
    reason: str
    findings: tuple[Finding, ...] = ()


def rewritten(fact: Fact, reason: str) -> Piece:
    """The statement without secrets, without values that somebody typed in, and without magics."""
    setting = environment_of(magic_of(fact.statement.node) or ("", ""))
    for key, value in setting.items():
        statement = replace(fact.statement, text=f"os.environ[{key!r}] = {value!r}")
        return Piece(replace(fact, statement=statement), reason)
    edits: list[tuple[ast.expr | ast.stmt, str]] = []
    findings: list[Finding] = []
    for constant, name in _secrets(fact.statement.node):
        edits.append((constant, f'os.environ["{name}"]'))
        findings.append(
            _finding(fact, "RPS121", f"a secret in the code becomes the variable {name}", f"set {name} on the endpoint")
        )
    node = fact.statement.node
    for call in _typed_in(node):
        name = _target(node).upper() or "VALUE"
        if not (isinstance(node, ast.Assign) and node.value is call):
            message = f"`{ast.unparse(call)}` asks a person, in a worker nobody answers"
            return Piece(fact, reason, (_finding(fact, "RPS120", message, "read it from the job's input", error=True),))
        edits.append((call, f'os.environ["{name}"]'))
        findings.append(
            _finding(
                fact, "RPS120", f"a value that was typed in becomes the variable {name}", f"set {name} on the endpoint"
            )
        )
    if not edits:
        return Piece(fact, reason)
    text = edited(fact.statement.text, edits, len(fact.statement.indent))
    block = fact.statement.indent if fact.statement.guarded else None
    statement = replace(fact.statement, text=text, node=parsed_text(text, block))
    return Piece(replace(fact, statement=statement), reason, tuple(findings))


def _finding(fact: Fact, code: str, message: str, fix: str, *, error: bool = False) -> Finding:
    statement = fact.statement
    return Finding(code, "error" if error else "warning", message, fix, statement.cell.number, statement.line)


def _secrets(node: ast.stmt) -> Iterator[tuple[ast.Constant, str]]:
    """Texts that look like a secret, by themselves or by the name that they are given, with a variable for each."""
    for part in ast.walk(node):
        for name, value, text in _named_texts(part):
            by_shape = any(True for _ in secrets_in(text))
            by_name = (
                len(text) >= 12 and " " not in text and any(True for _ in secrets_in({name: text})) and not by_shape
            )
            if by_shape or (by_name and any(c.isdigit() for c in text)):
                yield value, next((v for start, v in KNOWN_TOKENS if text.startswith(start)), _variable(name))


def _named_texts(part: ast.AST) -> Iterator[tuple[str, ast.Constant, str]]:
    pairs: list[tuple[str, ast.expr | None]] = []
    match part:
        case ast.keyword(arg=str() as keyword, value=given):
            pairs = [(keyword, given)]
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            pairs = [(name, value)]
        case ast.Assign(targets=[ast.Attribute(attr=name)], value=value):
            pairs = [(name, value)]
        case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value=str() as name))], value=value):
            pairs = [(name, value)]
        case ast.Dict(keys=keys, values=values):
            pairs = [
                (k.value, v)
                for k, v in zip(keys, values, strict=True)
                if isinstance(k, ast.Constant) and isinstance(k.value, str)
            ]
        case ast.Call(args=args):
            pairs = [("token", value) for value in args if isinstance(value, ast.Constant) and _has_shape(value)]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            pairs = [("token", value) for value in items if isinstance(value, ast.Constant) and _has_shape(value)]
    for key, text in pairs:
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            yield key, text, text.value


def _has_shape(node: ast.Constant) -> bool:
    return isinstance(node.value, str) and any(True for _ in secrets_in(node.value))


def _variable(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name).upper().strip("_") or "SECRET"


def _typed_in(node: ast.stmt) -> Iterator[ast.Call]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            path = ast.unparse(part.func)
            if path in INTERACTIVE or path.endswith(".userdata.get"):
                yield part


def _target(node: ast.stmt) -> str:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return ""
