import hashlib
import json

import pytest

from rp_notebook.export.manifest import files_of, manifest

FILES = {"handler.py": b"x = 1\n", "a.txt": b""}


def made(**changed) -> bytes:
    said = {"python": "3.11", "notebook": "/home/me/note.ipynb", "lines": [(3, 1), None, (3, 2)]}
    return manifest(FILES, "classify", **(said | changed))


def test_it_says_what_each_file_and_each_line_is():
    said = json.loads(made())
    assert said["files"] == {name: hashlib.sha256(body).hexdigest() for name, body in FILES.items()}
    assert said["lines"] == [[3, 1], None, [3, 2]]
    assert (said["handler"], said["python"], said["tool"]) == ("classify", "3.11", "rp-notebook")


def test_no_path_of_this_machine_is_in_it():
    assert json.loads(made())["notebook"] == "note.ipynb"
    assert b"/home" not in made()


def test_the_order_of_files_changes_no_byte_and_keys_are_sorted():
    turned = manifest(dict(reversed(FILES.items())), "classify", python="3.11", notebook="note.ipynb", lines=[])
    assert turned == made(notebook="note.ipynb", lines=())
    assert list(json.loads(turned)) == sorted(json.loads(turned))
    assert list(json.loads(turned)["files"]) == ["a.txt", "handler.py"]


def test_its_files_can_be_read_back():
    assert files_of(made()) == {name: hashlib.sha256(body).hexdigest() for name, body in FILES.items()}


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{", b"{}", b'{"tool": "other", "files": {}}', b'{"tool": "rp-notebook"}', b"\xff", b"[" * 100_000],
    ids=["empty", "list", "broken", "object", "of another tool", "without files", "not text", "too deep"],
)
def test_another_file_of_that_name_is_not_taken_for_ours(text):
    assert files_of(text) is None
