"""Takes files of this machine into a repository, within limits, and never one that holds a secret."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rp_notebook.export.file_tables import POD_VOLUME, WORKER_VOLUME
from rp_notebook.export.provenance import Provenance
from rp_notebook.export.resolving import Found
from rp_notebook.export.secret_files import holds_secret, why_secret
from rp_notebook.export.shelves import Shelves
from rp_notebook.jobs.finding import Finding, Severity
from rp_notebook.jobs.payload import MB

# For one file and for all of them: GitHub takes no larger file, and an image is quicker to build and to start without.
LIMIT = 100 * MB
MOST_FILES = 2000  # of one folder: more are a data set, and one COPY of the Dockerfile could not name them
_ELSEWHERE = "let the Dockerfile download it, or put it on a network volume and read it below " + WORKER_VOLUME


class Carrier:
    """The files taken so far, by name in the repository, and what there is to say about them."""

    def __init__(self, base: Path, shelves: Shelves, provenance: Provenance) -> None:
        self.files: dict[str, bytes] = {}
        self.findings: list[Finding] = []
        self.shelves = shelves
        self.provenance = provenance
        self._base = base
        self._bodies: dict[Path, bytes | None] = {}
        self._total = 0

    def fits(self, found: Sequence[Found], cell: int | None, line: int | None) -> bool:
        """Whether the files of a folder may be carried as a whole; that they may not is one finding."""
        new = [one.path for one in found if one.path not in self._bodies and why_secret(one.path) is None]
        size = sum(path.stat().st_size for path in new)
        if len(new) <= MOST_FILES and self._total + size <= LIMIT:
            return True
        folder = Path(os.path.commonpath([one.path.parent for one in found]))
        limits = f"{LIMIT / MB:.0f} MB or {MOST_FILES:,} files"
        message = f"{self.shown(folder)} ({len(new):,} files, {size / MB:,.0f} MB) is above {limits} and not copied"
        origin = self.provenance.of(folder)
        built = origin.build.format(path=self.shown(origin.whole or folder)) if origin and origin.build else ""
        self._say("RPX232", message, f"write {built} into the Dockerfile" if built else _ELSEWHERE, cell, line)
        return False

    def takes(self, path: Path, cell: int | None, line: int | None, *, needed: bool = False) -> bool:
        """Whether a file may be carried; why not is a finding, an error where the import `needed` it."""
        if path not in self._bodies:
            self._bodies[path] = self._read(path, cell, line, needed=needed)
        return self._bodies[path] is not None

    def _read(self, path: Path, cell: int | None, line: int | None, *, needed: bool) -> bytes | None:
        name = self.shown(path)
        why = why_secret(path)
        if why is None:
            try:
                size = path.stat().st_size
                if self._total + size > LIMIT:
                    self._too_large(path, size, cell, line)
                    return None
                body = path.read_bytes()
            except OSError as error:
                self._say("RPX230", f"{name} cannot be read: {error.strerror}", "", cell, line, error=needed)
                return None
            why = "it holds what looks like a secret" if holds_secret(path, body) else None
        if why is not None:
            fix = "read what it says from environment variables of the endpoint"
            self._say("RPX231", f"{name} is not copied: {why}", fix, cell, line, error=needed)
            return None
        self._total += len(body)
        return body

    def _too_large(self, path: Path, size: int, cell: int | None, line: int | None) -> None:
        origin = self.provenance.of(path)
        fix = _ELSEWHERE
        if origin is not None and origin.build is not None:
            fix = f"write {origin.build.format(path=self.shown(origin.whole or path))} into the Dockerfile"
        told = f"; it came from {origin.said}" if origin is not None and not origin.made else ""
        whole = "" if size > LIMIT else " with the others"
        message = f"{self.shown(path)} ({size / MB:,.0f} MB) is{whole} above {LIMIT / MB:.0f} MB and not copied{told}"
        self._say("RPX232", message, fix, cell, line)

    def knows_text_of(self, path: Path) -> bool:
        """Whether a `%%writefile` cell says what a file that is gone held."""
        if path in self.provenance.gone:
            self._bodies[path] = self.provenance.gone[path]
        return self._bodies.get(path) is not None

    def carry(self, path: Path, name: str, cell: int | None, line: int | None) -> None:
        """Puts a file that `takes` allowed under a name."""
        body = self._bodies[path]
        assert body is not None
        if name in self.files:
            return
        self.files[name] = body
        self._tell_origin(path, name, body, cell, line)

    def _tell_origin(self, path: Path, name: str, body: bytes, cell: int | None, line: int | None) -> None:
        written = self.provenance.written.get(path)
        origin = self.provenance.of(path)
        if written is not None:
            if written[1].encode() != body:
                message = f"{name} was changed since cell {written[0]} wrote it; the file as it is now is copied"
                self._say("RPX235", message, f"run cell {written[0]} again if that is what you mean", written[0], 1)
        elif origin is not None and origin.made:
            message = f"{name} may be made by `{origin.said}` in cell {origin.cell}; the file as it is now is copied"
            self._say("RPS113", message, "check that it is whole", cell, line)
        elif origin is not None:
            build = (origin.build or "").format(path=self.shown(origin.whole) if origin.whole else name)
            fix = f"to download it at build instead, delete it here and write {build}" if build else ""
            message = f"{name} ({len(body) / MB:,.1f} MB) is copied; it came from {origin.said}"
            self._say("RPX236", message, fix, cell, line, note=True)

    def missing(self, path: Path, cell: int, line: int | None) -> None:
        """The import fails: a file that it opens is not there."""
        origin = self.provenance.of(path)
        fix = "run the cell that makes it"
        if origin is not None and origin.build is not None:
            fix = f"run cell {origin.cell} again, which fetches it from {origin.said}"
        self._say(
            "RPX230",
            f"{self.shown(path)} is needed by the worker, and is not there",
            fix,
            cell,
            line,
            error=True,
        )

    def say_moved(self, path: Path, name: str, cell: int, line: int | None, *, pod: bool) -> None:
        """A path of this machine is another one in the worker."""
        if pod:
            message = (
                f"{POD_VOLUME} is the volume of a Pod, a worker has it at {WORKER_VOLUME}: {name} is copied instead"
            )
            self._say("RPX233", message, f"read large files below {WORKER_VOLUME}", cell, line)
        else:
            self._say(
                "RPX234", f"{path.name} is copied to {name}, and the worker reads it there", "", cell, line, note=True
            )

    def say_unwritten(self, path: Path, cell: int | None, line: int | None) -> None:
        """A path of this machine that no text of the module says."""
        message = f"{self.shown(path)} is found by a path of this machine that is worked out when the code runs"
        self._say("RPX237", message, "name it by a path relative to the notebook", cell, line)

    def say_left(self, path: Path, cell: int, line: int | None) -> None:
        """A folder of this machine that the module names, and that nothing was found to be read from."""
        message = f"the module names {self.shown(path)}, a folder of this machine, by its whole path"
        self._say("RPX241", message, "name it by a path relative to the notebook", cell, line)

    def say_unreached(self, path: Path, module: str) -> None:
        """A file that a copied module reads by a path that leads nowhere in the worker."""
        message = f"{module} opens {self.shown(path)} by a path that the worker does not have"
        self._say("RPX239", message, "name it relative to the module's file", None, None)

    def shown(self, path: Path) -> str:
        """A file as messages name it: never by a path of this machine."""
        return path.relative_to(self._base).as_posix() if path.is_relative_to(self._base) else path.name

    def _say(
        self,
        code: str,
        message: str,
        fix: str,
        cell: int | None,
        line: int | None,
        *,
        error: bool = False,
        note: bool = False,
    ) -> None:
        severity: Severity = "error" if error else "note" if note else "warning"
        finding = Finding(code, severity, message, fix, cell, line)
        if all((one.code, one.message) != (code, message) for one in self.findings):
            self.findings.append(finding)
