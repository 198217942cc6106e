"""An exported worker in memory, with all that there is to say about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from rp_notebook.export.needs import Needs
from rp_notebook.export.repo import Repo
from rp_notebook.export.secret_texts import may_spread
from rp_notebook.export.slicing import Dropped, Kept
from rp_notebook.export.writing import write_repo
from rp_notebook.jobs.finding import Finding


@dataclass(frozen=True)
class ExportResult:
    """An exported worker. Nothing is on disk until `write` puts it there.

    `module` is the text of handler.py, `lines` has `(cell, line)` or None for each line of it; `kept` and `dropped` are
    the notebook's statements with the reason; `repo` maps names to bytes; `needs` are the environment variables, models
    and packages around it. `environ` has variables with the values that they have here: what the image sets, and what
    stood in the code and must not be written. `implied` packages are pinned because this process has loaded them.
    """

    handler: str
    module: str
    kept: tuple[Kept, ...]
    dropped: tuple[Dropped, ...]
    findings: tuple[Finding, ...]
    repo: Repo
    needs: Needs
    lines: tuple[tuple[int, int] | None, ...] = ()
    environ: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    implied: frozenset[str] = frozenset()

    @property
    def secrets(self) -> frozenset[str]:
        """What stood in the code and must be written nowhere."""
        given = (value for name, value in self.environ.items() if name not in self.needs.settings)
        return frozenset(filter(may_spread, given))

    @property
    def summary(self) -> str:
        """What was taken, in a few words."""
        total = len(self.kept) + len(self.dropped)
        return f"{len(self.kept)} of {total} statements, {len(self.repo)} files"

    def write(self, folder: Path, *, force: bool = False) -> str:
        """Writes the repository as a whole and returns `created`, `replaced` or `unchanged`.

        Raises `FolderNotOurs` for a folder that we did not write or that was edited since, unless `force`.
        """
        return write_repo(self.repo, folder, force=force)
