"""What an export would change in the folder of an earlier one."""

from __future__ import annotations

from rp_notebook.export.changes import changes
from rp_notebook.export.manifest import MANIFEST, manifest
from rp_notebook.export.repo import Repo
from rp_notebook.export.writing import write_repo


def repo(**files: str) -> Repo:
    named = {name.replace("_py", ".py"): text.encode() for name, text in files.items()}
    return Repo({**named, MANIFEST: manifest(named, "handler", python="3.11", notebook=None, lines=())})


def test_a_folder_that_is_not_there_or_not_ours_has_no_earlier_export(tmp_path) -> None:
    assert changes(repo(handler_py="x = 1\n"), tmp_path / "worker") == ["worker: no earlier export is there"]
    (tmp_path / "handler.py").write_text("mine")
    assert "no earlier export" in changes(repo(handler_py="x = 1\n"), tmp_path)[0]


def test_the_same_export_changes_nothing(tmp_path) -> None:
    write_repo(repo(handler_py="x = 1\n", Dockerfile="FROM a"), tmp_path / "w")
    assert changes(repo(handler_py="x = 1\n", Dockerfile="FROM a"), tmp_path / "w") == ["nothing changes in w"]


def test_the_module_is_compared_line_by_line_and_the_others_by_name(tmp_path) -> None:
    write_repo(repo(handler_py="x = 1\ny = 2\n", Dockerfile="FROM a", gone="1", same="2"), tmp_path / "w")
    told = changes(repo(handler_py="x = 1\ny = 3\n", Dockerfile="FROM b", new="1", same="2"), tmp_path / "w")
    assert told == [
        *("--- handler.py (written)", "+++ handler.py (now)", "@@ -1,2 +1,2 @@", " x = 1", "-y = 2", "+y = 3"),
        *("changed  Dockerfile", "removed  gone", "added    new"),
    ]
