"""Prototype a RunPod Serverless worker in a notebook and export exactly what was tested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rp_notebook.jobs.handler import Handler
from rp_notebook.jobs.marking import handler
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.running import arun_job, run_job

if TYPE_CHECKING:
    from rp_notebook.export.exporting import export_notebook
    from rp_notebook.export.result import ExportResult

__all__ = ["ExportResult", "Handler", "JobRecord", "arun_job", "export_notebook", "handler", "run_job"]


def __getattr__(name: str) -> Any:
    # The exporter is loaded when it is asked for: most notebooks load this package long before they export.
    if name in ("ExportResult", "export_notebook"):
        from rp_notebook.export import exporting

        return getattr(exporting, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext rp_notebook` calls. Prints nothing; loading twice changes nothing."""
    from rp_notebook.kernel import extension

    extension.load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """What `%unload_ext rp_notebook` calls: leaves the shell as it was found."""
    from rp_notebook.kernel import extension

    extension.unload(shell)
