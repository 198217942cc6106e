"""A module whose file has changed since the kernel loaded it: what ran is not what would be copied."""

from __future__ import annotations

import importlib
import os
import sys

import pytest

from rp_notebook.export.stale import is_stale
from tests.export.conftest import Cell

HANDLER = "%%runpod_handler\ndef handler(job):\n    return lit.f(job['input']['x'])"
TEXT = "K = 2\n\ndef f(x):\n    return x * K\n"


@pytest.mark.parametrize("compiled", [True, False], ids=["with a compiled file", "without"])
@pytest.mark.parametrize(
    ("after", "stale"),
    [
        (TEXT.replace("x * K", "x + K"), True),
        (TEXT.replace("K = 2", "K = 3"), True),
        (TEXT.replace("def f", "def g") + "f = g\n", True),
        ("# a comment\n\n" + TEXT, False),
        (TEXT, False),
        (TEXT + "def broken(:\n", True),
    ],
    ids=["code", "constant", "renamed", "comment", "touched", "broken"],
)
def test_a_changed_module_is_stale_and_a_touched_one_is_not(
    project, monkeypatch, after: str, *, stale: bool, compiled: bool
) -> None:
    monkeypatch.syspath_prepend(str(project.folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", not compiled)
    project.put({"lit.py": TEXT})
    importlib.invalidate_caches()
    module = importlib.import_module("lit")
    path = project.folder / "lit.py"
    os.utime(path, (1_000_000_000, 1_000_000_000)) if after != TEXT else None
    path.write_text(after)
    try:
        assert is_stale(module, path, after.encode()) is stale
    finally:
        del sys.modules["lit"]


CLASS = "class Net:\n    '''A net.'''\n    K = {'a', 'b'}\n    def f(self, x):\n        self.x = x\n        return x\n"


@pytest.mark.parametrize(
    ("after", "stale"),
    [(CLASS.replace("return x", "return -x"), True), ("\n\n# above\n" + CLASS, False)],
    ids=["method", "comment"],
)
def test_methods_count_and_lines_do_not(project, monkeypatch, after: str, *, stale: bool) -> None:
    monkeypatch.syspath_prepend(str(project.folder))
    project.put({"lit.py": CLASS})
    importlib.invalidate_caches()
    module = importlib.import_module("lit")
    (project.folder / "lit.py").write_text(after)
    try:
        assert is_stale(module, project.folder / "lit.py", after.encode()) is stale
    finally:
        del sys.modules["lit"]


def test_an_export_refuses_a_stale_module_until_it_is_reloaded(cell: Cell, project) -> None:
    project.put({"lit.py": TEXT})
    cell("import lit")
    cell(HANDLER)
    cell('%runpod job {"x": 3}')
    project.put({"lit.py": TEXT.replace("x * K", "x * K + 1000")})
    refused = cell(f"%runpod export {project.worker}").result
    assert "RPS106" in [finding.code for finding in refused.findings]
    assert not project.worker.exists()
    cell("import importlib; importlib.reload(lit)")
    cell('%runpod job {"x": 3}')
    written = cell(f"%runpod export {project.worker}").result
    assert [finding.code for finding in written.findings if finding.severity == "error"] == []
    assert (project.worker / "lit.py").read_text() == TEXT.replace("x * K", "x * K + 1000")


def test_the_disk_is_trusted_when_told_to(cell: Cell, project) -> None:
    project.put({"lit.py": TEXT})
    cell("import lit")
    cell(HANDLER)
    project.put({"lit.py": TEXT.replace("x * K", "x * K + 1000")})
    told = cell(f"%runpod export {project.worker} --trust-disk").result
    assert [f.severity for f in told.findings if f.code == "RPS106"] == ["warning"]
    assert "1000" in (project.worker / "lit.py").read_text()


def test_what_the_notebook_sets_on_a_module_makes_it_not_stale(cell: Cell, project, monkeypatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    project.put({"lit.py": TEXT})
    cell("import lit")
    cell("lit.K = 5")
    cell(HANDLER)
    told = cell(f"%runpod export {project.worker}").result
    assert "RPS106" not in [finding.code for finding in told.findings]
    assert "lit.K = 5" in (project.worker / "handler.py").read_text()


def test_a_module_whose_file_is_gone_is_refused(cell: Cell, project) -> None:
    project.put({"lit.py": TEXT})
    cell("import lit")
    cell(HANDLER)
    (project.folder / "lit.py").unlink()
    told = cell(f"%runpod export {project.worker}").result
    assert "RPS106" in [finding.code for finding in told.findings]


def test_the_kernel_knows_where_a_module_was_found(cell: Cell, project) -> None:
    project.put({"/lib/lit.py": TEXT, "lib/v.txt": "five"})
    cell(project.filled("import sys\nfor folder in ['{other}/lib']:\n    sys.path.insert(0, folder)"))
    cell("import lit")
    cell("%cd -q lib")
    cell("words = open('v.txt').read()")
    cell("%%runpod_handler\ndef handler(job):\n    return [lit.f(job['input']['x']), words]")
    told = cell(f"%runpod export {project.worker}").result
    sys.path.remove(str(project.other / "lib"))
    assert [f for f in told.findings if f.severity == "error"] == []
    assert (project.worker / "lit.py").is_file()
    assert (project.worker / "v.txt").is_file()
    assert str(project.root) not in (project.worker / "handler.py").read_text()
