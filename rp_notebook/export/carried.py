"""Files that go along with a handler, without the secrets that stand in them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cutting import edited
from rp_notebook.export.givings import ENVIRONMENT, imports_of
from rp_notebook.export.local_code import LocalCode
from rp_notebook.export.replacing import edits_of, secret_texts
from rp_notebook.export.vault import Vault
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.masking import has_shape

FIX = "read it from os.environ there"


def without_secrets(local: LocalCode, vault: Vault) -> LocalCode:
    """The files with the secrets in Python code read from the environment, and what was done.

    Raises `ExportRefused` for a secret in any other text: nobody can say what would read it there.
    """
    cleaned: dict[str, bytes] = {}
    findings: list[Finding] = []
    for name, body in local.files.items():
        cleaned[name] = body
        try:
            text = body.decode()
        except UnicodeDecodeError:
            continue
        changed, variables = _python(text, vault) if name.endswith(".py") else (text, [])
        if changed != text:
            said = f" becomes the variable {', '.join(variables)}" if variables else " is masked"
            findings.append(Finding("RPS121", "warning", f"a secret in {name}{said}", FIX))
            cleaned[name] = changed.encode()
        elif (line := _line_with_secret(text, vault)) is not None:
            findings.append(
                Finding("RPS121", "error", f"{name}, line {line}, holds a secret", "take it out of the file")
            )
    if refused := [finding for finding in findings if finding.severity == "error"]:
        raise ExportRefused(refused)
    return replace(local, files=cleaned, findings=(*local.findings, *findings))


def refuse_leaks(files: Mapping[str, bytes], vault: Vault) -> None:
    """Raises `ExportRefused` when a file holds a secret after all."""
    secrets = {secret.encode(): name for secret, name in vault.secrets.items()}
    found = [
        Finding("RPS121", "error", f"{name} would hold the secret of {variable}", "take it out of the notebook")
        for name, body in files.items()
        for secret, variable in secrets.items()
        if secret in body
    ]
    if found:
        raise ExportRefused(found)


def _python(text: str, vault: Vault) -> tuple[str, list[str]]:
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text, []
    imports = imports_of(iter([tree]))
    code = tree.body[1:] if tree.body and _is_docstring(tree.body[0]) else tree.body
    found = [one for node in code for one in secret_texts(node, imports, vault, frozenset())]
    try:
        changed = edited(text, edits_of(found, text, 0))
        ast.parse(changed)
    except SyntaxError:
        return text, []
    if found and imports.get("os") != "os":
        changed = _with_os(changed)
    variables = sorted({variable for one in found for variable in one.variables.values()})
    return vault.without(changed), variables


def _with_os(text: str) -> str:
    body = ast.parse(text).body
    head = body[0].end_lineno or 0 if body and _is_docstring(body[0]) else 0
    for node in body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            head = node.end_lineno or head
    lines = text.split("\n")
    return "\n".join([*lines[:head], f"import {ENVIRONMENT.split('.')[0]}", *lines[head:]])


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _line_with_secret(text: str, vault: Vault) -> int | None:
    if not has_shape(text) and not any(secret in text for secret in vault.secrets):
        return None
    return next((n for n, line in enumerate(text.splitlines(), start=1) if vault.without(line) != line), 1)
