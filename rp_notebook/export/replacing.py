"""Secrets that stand in code become environment variables: the edits that this takes, and what cannot be edited."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rp_notebook.export.givings import ENVIRONMENT, Giving, givings, spelled_path
from rp_notebook.export.splicing import Edit
from rp_notebook.export.trees import children, walk
from rp_notebook.export.vault import Vault

# What a URL with a password is for, by how it begins.
URL_VARIABLES = (
    ("postgres", "DATABASE_URL"),
    ("mysql", "DATABASE_URL"),
    ("redis", "REDIS_URL"),
    ("mongo", "MONGODB_URL"),
)


@dataclass(frozen=True)
class Found:
    """An expression with secrets in it, the variable of each, and what to write in its place (not for an f-string)."""

    node: ast.expr
    variables: Mapping[str, str]
    text: str = ""
    inside: frozenset[str] = frozenset()  # those of an f-string that stand within its braces


def secret_texts(node: ast.stmt, imports: Mapping[str, str], vault: Vault, skip: frozenset[int]) -> list[Found]:
    """The texts of a statement that hold secrets, but for those inside nodes whose ids are in `skip`."""
    given = givings(node, imports)
    defaults = {id(call.args[1]): call for call in _environment_reads(node, imports)}
    found: list[Found] = []
    for part in _texts(node, skip):
        giving = given.get(id(part), Giving())
        if isinstance(part, ast.JoinedStr):
            one = _in_f_string(part, giving, vault)
        else:
            call = defaults.get(id(part))
            one = _in_constant(part, giving, vault, call)
        if one is not None:
            found.append(one)
    return found


def edits_of(found: list[Found], text: str, indent: int) -> list[Edit]:
    """The edits to a statement's text. Raises `SyntaxError` when a text cannot be replaced."""
    edits: list[Edit] = []
    for one in found:
        if isinstance(one.node, ast.JoinedStr):
            edits.append((one.node, _f_string_without(_source(one.node, text, indent), one)))
        else:
            edits.append((one.node, one.text))
    return edits


def read(variable: str) -> str:
    """The expression that reads an environment variable."""
    return f'{ENVIRONMENT}["{variable}"]'


def _texts(node: ast.AST, skip: frozenset[int]) -> Iterator[ast.Constant | ast.JoinedStr]:
    if id(node) in skip or isinstance(node, ast.MatchValue):
        return
    if isinstance(node, ast.JoinedStr):
        yield node
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
        yield node
    documented = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and ast.get_docstring(node)
    for child in children(node):
        if not (documented and child is node.body[0]):  # type: ignore[attr-defined] # a definition
            yield from _texts(child, skip)


def _environment_reads(node: ast.AST, imports: Mapping[str, str]) -> Iterator[ast.Call]:
    reading = (f"{ENVIRONMENT}.get", "os.getenv", f"{ENVIRONMENT}.setdefault")
    calls = (part for part in walk(node) if isinstance(part, ast.Call) and len(part.args) == 2)
    return (call for call in calls if spelled_path(call.func, imports) in reading)


def _in_constant(part: ast.Constant, giving: Giving, vault: Vault, call: ast.Call | None) -> Found | None:
    is_bytes = isinstance(part.value, bytes)
    text = part.value.decode("latin-1") if isinstance(part.value, bytes) else str(part.value)
    secrets = vault.found_in(text, giving.name)
    if not secrets:
        return None
    if call is not None and isinstance(call.args[0], ast.Constant):
        variable = vault.variable(secrets[0], str(call.args[0].value), "", "")
        return Found(call, {secrets[0]: variable}, read(variable))
    if not any(c.isspace() for c in text) and "://" in text:
        url_name = next((name for start, name in URL_VARIABLES if text.startswith(start)), "SERVICE_URL")
        for secret in secrets:
            vault.variable(secret, giving.name or url_name, "", giving.target)
        variable = vault.variable(text, giving.name or url_name, "", giving.target)
        return Found(part, {text: variable}, read(variable) + ".encode()" * is_bytes)
    variables = {secret: vault.variable(secret, giving.name, giving.callee, giving.target) for secret in secrets}
    written = read(variables[text]) if text in variables else _f_string(text, variables)
    return Found(part, variables, written + ".encode()" * is_bytes)


def _f_string(text: str, variables: Mapping[str, str]) -> str:
    pieces = re.split("(" + "|".join(re.escape(secret) for secret in variables) + ")", text)
    body = "".join(
        f"{{{ENVIRONMENT}['{variables[piece]}']}}" if piece in variables else _escaped(piece) for piece in pieces
    )
    return f'f"{body}"'


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1].replace("{", "{{").replace("}", "}}")


def _in_f_string(part: ast.JoinedStr, giving: Giving, vault: Vault) -> Found | None:
    name = giving.name if len(part.values) == 1 else ""
    variables: dict[str, str] = {}
    inside: set[str] = set()
    for value in walk(part):
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            for secret in vault.found_in(value.value, name):
                variables[secret] = vault.variable(secret, giving.name, giving.callee, giving.target)
                inside |= {secret} if value not in part.values else set()
    return Found(part, variables, inside=frozenset(inside)) if variables else None


def _source(node: ast.expr, text: str, indent: int) -> str:
    lines = text.encode().split(b"\n")
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    start = node.col_offset - (indent if first == 0 else 0)
    end = (node.end_col_offset or 0) - (indent if last == 0 else 0)
    if first == last:
        return lines[first][start:end].decode()
    return b"\n".join([lines[first][start:], *lines[first + 1 : last], lines[last][:end]]).decode()


def _f_string_without(source: str, found: Found) -> str:
    """The source of an f-string that reads its secrets from the environment, in a way that every Python takes."""
    for secret, variable in found.variables.items():
        quotes = ("'", '"') if re.match(r"[rRfF]*\"", source) else ('"', "'")
        for quote in quotes:
            reading = f"{ENVIRONMENT}[{quote}{variable}{quote}]"
            if secret in found.inside:  # within the braces it is a text of its own
                whole = re.sub(f"(['\"]){re.escape(secret)}\\1", reading, source)
            else:
                whole = source.replace(secret, f"{{{reading}}}")
            if secret not in whole and _reads(whole, source.count(secret)):
                source = whole
                break
        else:
            raise SyntaxError("nothing can stand in its place")
    return source


def _reads(source: str, times: int) -> bool:
    """Whether a text is an f-string, of any Python, in which the environment is read at least so often."""
    try:
        tree = ast.parse(f"({source})", mode="eval")
    except SyntaxError:
        return False
    return sum(isinstance(n, ast.Attribute) and n.attr == "environ" for n in walk(tree)) >= times
