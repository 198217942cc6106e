"""`%runpod check`: everything that would go wrong later, without exporting."""

from __future__ import annotations

from rp_notebook.errors import ExportRefused
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.fitness import fitness_findings
from rp_notebook.jobs.handler import Handler
from rp_notebook.jobs.query import Query
from rp_notebook.jobs.schema import schema_findings
from rp_notebook.kernel.climbing import exported
from rp_notebook.kernel.session import Session
from rp_notebook.panel.report import Report, tone_of


async def checked(session: Session, name: str | None) -> Report:
    """The findings on a handler: its last job, its schema, its fitness checks, and what an export would say."""
    handler = session.handlers.chosen(name, session.namespace)
    latest = session.history.records(Query(handler=handler.name, version=handler.version, here=True, last=1))
    findings = [finding for record in latest for finding in record.findings]
    schema = session.schema_of(handler)
    if schema is not None:
        findings += schema_findings(schema)
    findings = list(dict.fromkeys(findings))  # a job tells of the schema too, when it is the SDK that validates
    findings += [finding async for finding in fitness_findings()]
    findings += _of_an_export(session, handler)
    bad = sum(finding.severity == "error" for finding in findings)
    if not findings:
        return Report("SOUND", "good", f"{handler.name}: nothing that would go wrong later was found")
    return Report(
        "CHECKED",
        tone_of(findings),
        f"{handler.name}: {_count(bad, 'error')}, {_count(len(findings) - bad, 'other finding')}",
        findings=findings,
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)


def _of_an_export(session: Session, handler: Handler) -> list[Finding]:
    try:
        return list(exported(session, handler).findings)
    except ExportRefused as refusal:
        return list(refusal.findings)
