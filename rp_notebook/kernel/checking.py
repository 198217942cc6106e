"""`%runpod check`: everything that would go wrong later, without exporting."""

from __future__ import annotations

from typing import Any

from rp_notebook.errors import ExportRefused
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.fitness import fitness_findings
from rp_notebook.jobs.schema import schema_findings
from rp_notebook.panel.report import Report


async def checked(session: Any, name: str | None) -> Report:
    """The findings on a handler: its last job, its schema, its fitness checks, and what an export would say."""
    handler = session.handlers.chosen(name, session.namespace)
    findings = [
        finding for record in session.history.of(handler.name, handler.version)[-1:] for finding in record.findings
    ]
    schema = session.schema_of(handler)
    if schema is not None:
        findings += schema_findings(schema)
    findings += [finding async for finding in fitness_findings()]
    findings += _of_an_export(session, handler)
    bad = sum(finding.severity == "error" for finding in findings)
    if not findings:
        return Report("SOUND", "good", f"{handler.name}: nothing that would go wrong later was found")
    return Report(
        "CHECKED",
        "bad" if bad else "good",
        f"{handler.name}: {bad} errors, {len(findings) - bad} other findings",
        findings=findings,
    )


def _of_an_export(session: Any, handler: Any) -> list[Finding]:
    from rp_notebook.kernel import commands

    try:
        return list(commands.exported(session, handler).findings)
    except ExportRefused as refusal:
        return list(refusal.findings)
