"""The notebook that this process runs: what `run_job` and `arun_job` run in it belongs to its history too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rp_notebook.jobs.handlers import Handlers
    from rp_notebook.jobs.history import History


@dataclass
class Ambient:
    """Set while the extension is loaded. Plain Python has neither."""

    history: History | None = None
    handlers: Handlers | None = None


# A process has one notebook, and `run_job` is a plain function that nobody hands it to.
notebook = Ambient()
