"""What the tool has to say about a job or an export: a stable code, how bad it is, where, and the fix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing worth knowing.

    `code` is stable (`RPS...` slicing, `RPJ...` jobs, `RPX...` export, `RPP...` proof); `cell` is the execution
    count of the cell and `line` the line in it, both from 1, where they are known.
    """

    code: str
    severity: Severity
    message: str
    fix: str = ""
    cell: int | None = None
    line: int | None = None

    @property
    def where(self) -> str:
        """The cell and the line, as they are spoken of; empty where they are not known."""
        return "" if self.cell is None else f"cell {self.cell}" + (f", line {self.line}" if self.line else "")

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        return f"{self.code} {self.message}{where}" + (f": {self.fix}" if self.fix else "")
