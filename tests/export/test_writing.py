import os
import subprocess
import sys
from pathlib import Path

import pytest

from rp_notebook.errors import FolderNotOurs
from rp_notebook.export import writing
from rp_notebook.export.manifest import MANIFEST, manifest
from rp_notebook.export.repo import Repo
from rp_notebook.export.writing import write_repo


def repo_of(**texts: str) -> Repo:
    """A repository with a true manifest; `__` in a name stands for `/`, `_py` for `.py`."""
    files = {name.replace("__", "/").replace("_py", ".py"): text.encode() for name, text in texts.items()}
    said = manifest(files, "handler", python="3.11", notebook=None, lines=())
    return Repo({**files, MANIFEST: said})


OLD = repo_of(handler_py="old\n", gone_py="gone\n", pkg__inner_py="inner\n")
NEW = repo_of(handler_py="new\n", pkg__inner_py="inner\n", tests__jobs="{}\n")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() or path.is_symlink()
    }


def state(folder: Path) -> list[tuple]:
    return [(path, path.lstat().st_ino, path.lstat().st_mtime_ns) for path in sorted([folder, *folder.rglob("*")])]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "worker"


def test_a_new_folder_holds_the_repository_and_nothing_is_left_beside_it(folder):
    assert write_repo(OLD, folder) == "created"
    assert contents(folder) == dict(OLD)
    assert list(folder.parent.iterdir()) == [folder]


def test_folders_above_are_made(tmp_path):
    write_repo(OLD, tmp_path / "a" / "b" / "worker")
    assert contents(tmp_path / "a" / "b" / "worker") == dict(OLD)


def test_an_empty_folder_is_filled(folder):
    folder.mkdir()
    assert write_repo(OLD, folder) == "created"
    assert contents(folder) == dict(OLD)


def test_others_may_read_the_folder_as_the_umask_says(folder):
    if sys.platform == "win32":
        pytest.skip("no modes")
    (folder.parent / "plain").mkdir()
    write_repo(OLD, folder)
    assert folder.stat().st_mode == (folder.parent / "plain").stat().st_mode


def test_writing_again_replaces_and_drops_what_is_no_longer_written(folder):
    write_repo(OLD, folder)
    assert write_repo(NEW, folder) == "replaced"
    assert contents(folder) == dict(NEW)
    assert list(folder.parent.iterdir()) == [folder]


def test_the_same_repository_again_touches_nothing(folder):
    write_repo(OLD, folder)
    before = state(folder.parent)
    assert write_repo(OLD, folder) == "unchanged"
    assert state(folder.parent) == before


def test_a_file_of_ours_that_was_deleted_comes_back(folder):
    write_repo(OLD, folder)
    (folder / "gone.py").unlink()
    assert write_repo(OLD, folder) == "replaced"
    assert contents(folder) == dict(OLD)


def test_a_file_in_the_way_is_refused(folder):
    folder.write_text("mine")
    for force in (False, True):
        with pytest.raises(FolderNotOurs, match="is a file"):
            write_repo(OLD, folder, force=force)
    assert folder.read_text() == "mine"


def test_a_folder_of_somebody_else_is_refused_and_five_of_its_files_are_named(folder):
    folder.mkdir()
    for number in range(7):
        (folder / f"mine{number}").write_text("")
    with pytest.raises(FolderNotOurs, match=r"mine0, mine1, mine2, mine3, mine4 and 2 more.*--force"):
        write_repo(OLD, folder)
    assert len(contents(folder)) == 7


@pytest.mark.parametrize(
    ("name", "text"),
    [("handler.py", "edited"), ("notes.txt", "added"), ("pkg/other.py", "added"), (MANIFEST, "{}"), (MANIFEST, "[")],
    ids=["edited", "added", "added below", "manifest of another", "broken manifest"],
)
def test_a_folder_that_was_edited_since_is_refused(folder, name, text):
    write_repo(OLD, folder)
    (folder / name).write_text(text)
    before = contents(folder)
    with pytest.raises(FolderNotOurs, match=r"handler\.py" if name == MANIFEST else name.replace(".", r"\.")):
        write_repo(NEW, folder)
    assert contents(folder) == before


def test_a_file_of_ours_behind_a_symbolic_link_counts_as_edited(folder, tmp_path):
    write_repo(OLD, folder)
    (tmp_path / "elsewhere.py").write_text("old\n")
    (folder / "handler.py").unlink()
    (folder / "handler.py").symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(FolderNotOurs):
        write_repo(NEW, folder)


def test_what_tools_leave_behind_is_no_edit_and_is_carried_over(folder):
    write_repo(OLD, folder)
    for name in (".git/HEAD", "pkg/__pycache__/inner.pyc", ".ipynb_checkpoints/x", ".venv/bin/python"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(name)
    (folder / ".git" / "link").symlink_to("HEAD")
    (folder / ".git" / "empty").mkdir()
    assert write_repo(NEW, folder) == "replaced"
    left = {name: body for name, body in contents(folder).items() if name not in NEW}
    assert left[".venv/bin/python"] == b".venv/bin/python"
    assert len(left) == 5
    assert (folder / ".git" / "link").is_symlink()
    assert (folder / ".git" / "empty").is_dir()
    assert write_repo(NEW, folder) == "unchanged"


def test_a_fresh_clone_may_be_exported_into(folder):
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text("ref")
    assert write_repo(OLD, folder) == "created"
    assert contents(folder) == {**OLD, ".git/HEAD": b"ref"}


def test_force_keeps_the_files_of_others_and_replaces_ours(folder):
    write_repo(OLD, folder)
    (folder / "handler.py").write_text("edited")
    (folder / "gone.py").write_text("edited")
    (folder / "notes.txt").write_text("mine")
    (folder / "pkg" / "mine.py").write_text("mine")
    assert write_repo(NEW, folder, force=True) == "replaced"
    assert contents(folder) == {**NEW, "notes.txt": b"mine", "pkg/mine.py": b"mine"}


def test_force_on_a_folder_of_somebody_else_deletes_nothing(folder):
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    (folder / "link").symlink_to("nowhere")
    write_repo(OLD, folder, force=True)
    assert (folder / "link").is_symlink()
    (folder / "link").unlink()
    assert contents(folder) == {**OLD, "mine.txt": b"mine"}


@pytest.mark.parametrize("name", ["pkg", "handler.py/mine.txt", "handler.py/"])
def test_even_force_does_not_put_a_file_where_a_folder_of_others_is(folder, name):
    path = folder / name
    path.parent.mkdir(parents=True)
    path.mkdir() if name.endswith("/") else path.write_text("mine")
    with pytest.raises(FolderNotOurs, match="move it away"):
        write_repo(OLD, folder, force=True)
    assert path.exists()
    assert list(folder.parent.iterdir()) == [folder]


def test_a_symbolic_link_to_a_folder_stays_one(folder, tmp_path):
    (tmp_path / "real").mkdir()
    folder.symlink_to(tmp_path / "real")
    write_repo(OLD, folder)
    write_repo(NEW, folder)
    assert folder.is_symlink()
    assert contents(tmp_path / "real") == dict(NEW)


def test_the_folder_that_the_process_works_in_is_refused(folder, monkeypatch):
    (folder / "below").mkdir(parents=True)
    monkeypatch.chdir(folder / "below")
    with pytest.raises(FolderNotOurs, match="works in"):
        write_repo(OLD, folder, force=True)


def test_a_failure_while_writing_leaves_the_old_folder(folder, monkeypatch):
    write_repo(OLD, folder)
    before = state(folder)
    monkeypatch.setattr(writing, "_swap", lambda holder, target: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_repo(NEW, folder)
    assert state(folder) == before
    assert list(folder.parent.iterdir()) == [folder]


def test_without_an_exchange_of_folders_the_result_is_the_same(folder, monkeypatch):
    monkeypatch.setattr(writing, "exchange", lambda one, other: False)
    write_repo(OLD, folder)
    assert write_repo(NEW, folder) == "replaced"
    assert contents(folder) == dict(NEW)
    assert list(folder.parent.iterdir()) == [folder]


def test_without_hard_links_what_is_carried_over_is_copied(folder, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError

    write_repo(OLD, folder)
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref")
    monkeypatch.setattr(os, "link", refuse)
    write_repo(NEW, folder)
    assert contents(folder) == {**NEW, ".git/HEAD": b"ref"}


def test_left_overs_of_a_crash_are_cleaned_up_and_nothing_else(folder):
    (folder.parent / ".worker.rp-notebook-x1" / "new").mkdir(parents=True)
    (folder.parent / ".worker.rp-notebook-x2" / "mine").mkdir(parents=True)
    write_repo(OLD, folder)
    assert sorted(path.name for path in folder.parent.iterdir()) == [".worker.rp-notebook-x2", "worker"]


def test_a_folder_that_a_crash_left_moved_away_is_put_back_first(folder):
    write_repo(OLD, folder)
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref")
    (folder.parent / ".worker.rp-notebook-x1").mkdir()
    folder.rename(folder.parent / ".worker.rp-notebook-x1" / "old")
    assert write_repo(NEW, folder) == "replaced"
    assert contents(folder) == {**NEW, ".git/HEAD": b"ref"}


# Writes NEW over a copy of OLD with a folder of git in it, once for each thing that this does to the disk (opening,
# making, linking, renaming, removing, and the exchange), in a process that is killed right before it.
KILLED = """
import os, shutil, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.export.test_writing import OLD, NEW
from rp_notebook.export import writing

root, steps = Path(sys.argv[1]), 0
STEPS = ("open", "os.", "shutil.", "tempfile.", "ctypes.")

def step(event, _):
    global steps
    if event.startswith(STEPS):
        steps += 1
        if steps == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

for wanted in range(1, 1000):
    folder = root / str(wanted) / "worker"
    writing.write_repo(OLD, folder)
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref")
    child = os.fork()
    if child == 0:
        sys.addaudithook(step)
        writing.write_repo(NEW, folder)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status == 0:
        break
    assert os.WTERMSIG(status) == signal.SIGKILL
print(wanted)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="exchanges folders by renameat2")
def test_a_writer_that_is_killed_at_any_point_leaves_the_old_repository_or_the_new_one(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parents[2])]
    points = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    found = [contents(tmp_path / str(point) / "worker") for point in range(1, points)]
    git = {".git/HEAD": b"ref"}
    olds = found.count({**OLD, **git})
    news = found.count({**NEW, **git})
    assert (olds + news, olds > 20, news > 5) == (points - 1, True, True)
    for point in range(1, points):
        write_repo(NEW, tmp_path / str(point) / "worker")
        assert [path.name for path in (tmp_path / str(point)).iterdir()] == ["worker"]


@pytest.mark.skipif(not os.path.ismount("/proc"), reason="no mount point at hand")
def test_a_mount_point_is_refused_before_anything_is_touched():
    with pytest.raises(FolderNotOurs, match="mount point"):
        write_repo(OLD, Path("/proc"), force=True)
