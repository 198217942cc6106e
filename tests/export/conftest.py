"""A project on disk, its export, and the exported worker in a process of its own, far from the project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from rp_notebook.export.cells import CellRun
from rp_notebook.export.exporting import export_cells
from rp_notebook.export.live import Live
from rp_notebook.export.places import walked
from rp_notebook.export.result import ExportResult
from rp_notebook.jobs.declaration import Declaration

Cell = Callable[[str], Any]

# The SDK takes two seconds to import and has no part in where a handler finds its files.
WORKER = """
import asyncio, inspect, json, sys, types
sys.modules["runpod"] = types.ModuleType("runpod")
sys.path.insert(0, "")
import handler
print(json.dumps([handler.handler({"id": "j", "input": {"x": x}}) for x in json.loads(sys.argv[1])]))
"""


@dataclass
class Project:
    """Folders below `root`: the notebook's `folder`, `other` with files elsewhere on the machine, and `worker`."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "project"

    @property
    def other(self) -> Path:
        return self.root / "elsewhere"

    @property
    def worker(self) -> Path:
        return self.root / "worker"

    def put(self, files: dict[str, str | bytes]) -> None:
        """Lays out files; names that begin with `/` go elsewhere on the machine."""
        for name, body in files.items():
            path = self.other / name[1:] if name.startswith("/") else self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body if isinstance(body, bytes) else body.encode())

    def cells(self, *texts: str) -> list[CellRun]:
        """The texts as cells that ran, the first one in the notebook's folder; `{other}` in them is that path."""
        return list(
            walked([CellRun(n, self.filled(text), cwd=str(self.folder)) for n, text in enumerate(texts, start=1)])
        )

    def filled(self, text: str) -> str:
        return text.replace("{other}", str(self.other)).replace("{folder}", str(self.folder))

    def export(self, *texts: str, live: Live | None = None, **options: Any) -> ExportResult:
        return export_cells(
            self.cells(*texts), Declaration("handler", "handler"), live=live, folder=self.folder, **options
        )

    def here(self, *texts: str, inputs: tuple[Any, ...]) -> Any:
        """What the notebook itself answers, where its files are."""
        script = "\n\n".join(map(self.filled, texts))
        call = (
            f"\nimport json\nprint(json.dumps([handler({{'id': 'j', 'input': {{'x': x}}}}) for x in {list(inputs)!r}]))"
        )
        return self._told(["-c", script + call], self.folder)

    def there(self, result: ExportResult, inputs: tuple[Any, ...]) -> Any:
        """What the exported worker answers when the project is gone."""
        result.write(self.worker)
        self.folder.rename(self.root / "gone")
        if self.other.exists():
            self.other.rename(self.root / "gone too")
        return self.run_worker(inputs)

    def run_worker(self, inputs: tuple[Any, ...]) -> Any:
        """What the worker on the disk answers."""
        return self._told(["-c", WORKER, json.dumps(inputs)], self.worker)

    def _told(self, arguments: list[str], cwd: Path) -> Any:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        run = subprocess.run(
            [sys.executable, "-B", *arguments], cwd=cwd, env=environ, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = Project(tmp_path)
    made.folder.mkdir()
    monkeypatch.chdir(made.folder)
    return made


@pytest.fixture
def cell(project, monkeypatch) -> Iterator[Cell]:
    """Runs a cell in a real shell whose notebook lies in the project."""
    monkeypatch.setenv("IPYTHONDIR", str(project.root))
    monkeypatch.syspath_prepend(str(project.folder))
    shell = InteractiveShell.instance()
    run = lambda text: shell.run_cell(text, store_history=True)  # noqa: E731
    run("%load_ext rp_notebook")
    yield run
    shell.run_line_magic("unload_ext", "rp_notebook")
    InteractiveShell.clear_instance()
    for name in ("lit", "lit_more", "lit_pkg", "lit_pkg.m"):
        sys.modules.pop(name, None)
