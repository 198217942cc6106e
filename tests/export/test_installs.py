"""What install lines become: extras, indexes and commits in requirements.txt, and packages of the system."""

from __future__ import annotations

import json

import pytest

from rp_notebook.export.cells import CellRun
from rp_notebook.export.installs import Asked, apt_of, asked_of
from rp_notebook.export.requirements import pins, requirements_txt
from rp_notebook.export.shell_lines import commands_of
from rp_notebook.export.slicing import slice_cells
from rp_notebook.jobs.declaration import Declaration

HANDLER = "def handler(job):\n    return 1"
INDEX = "https://wheels.example/simple"


def commands(*cells: str):
    runs = [CellRun(n, text) for n, text in enumerate((*cells, HANDLER), start=1)]
    slice_ = slice_cells(runs, Declaration("handler", "handler"))
    return commands_of(runs, [*slice_.kept, *slice_.dropped], {"VERSION": "1.2"})


def asked(*cells: str, files: dict[str, str] | None = None) -> set[tuple[str, tuple[str, ...], str, tuple[str, ...]]]:
    found = asked_of(commands(*cells), lambda _, name: (files or {}).get(name))
    return {(one.key, tuple(sorted(one.extras)), one.requirement, one.links) for one in found}


PLAIN = ("some-thing", ("b",), "some_thing[b]==1", ())
LINKED = ("a", (), "a==1", (f"--extra-index-url {INDEX}",))
CLONED = ("name", ("x",), "name[x] @ git+https://git.example/o/r@abc", ())

LINES = [
    ("!pip install -q some_thing[b]==1", {PLAIN}),
    ("%pip install some_thing[b]==1 -U", {PLAIN}),
    ("pip install some_thing[b]==1", {PLAIN}),
    ("!pip3 install --quiet 'some_thing[b]==1'", {PLAIN}),
    ("!python -m pip install some_thing[b]==1", {PLAIN}),
    ("import sys\n!{sys.executable} -m pip install some_thing[b]==1", {PLAIN}),
    ("!uv pip install --system some_thing[b]==1", {PLAIN}),
    ("%uv pip install some_thing[b]==1", {PLAIN}),
    ("!uv add some_thing[b]==1", {PLAIN}),
    ("%%bash\nset -e\npip install some_thing[b]==1  # a comment\n", {PLAIN}),
    ("%%capture\n!pip install some_thing[b]==1", {PLAIN}),
    ("!sudo PIP_NO_INPUT=1 pip install some_thing[b]==1 && echo done", {PLAIN}),
    ("!pip install \\\n    some_thing[b]==1", {PLAIN}),
    ("!pip install some_thing[b]=={VERSION}", {("some-thing", ("b",), "some_thing[b]==1.2", ())}),
    ("try:\n    import json\nexcept ImportError:\n    !pip install some_thing[b]==1", {PLAIN}),
    (f"!pip install a==1 --extra-index-url {INDEX}", {LINKED}),
    (f"!pip install a==1 --index-url={INDEX}", {LINKED}),
    ("!pip install -i https://me:pw@wheels.example/simple a==1", {LINKED}),
    (f"!pip install a==1 -f {INDEX}", {("a", (), "a==1", (f"--find-links {INDEX}",))}),
    (f"!pip install a==1 --index-url '{INDEX}?token=1'", {("a", (), "a==1", ())}),
    ("!pip install a==1 -i https://w.example/hf_aB3dE5gH7jK9mN1pQ3sTu/x", {("a", (), "a==1", ())}),
    ("!pip install git+https://git.example/o/r@abc#egg=name[x]", {CLONED}),
    ("!pip install 'name[x] @ git+https://git.example/o/r@abc'", {CLONED}),
    (
        "!pip install git+https://me:token@git.example/o/Repo.git",
        {("repo", (), "Repo @ git+https://git.example/o/Repo.git", ())},
    ),
    ("!pip install git+ssh://git@git.example/o/Repo.git", {("repo", (), "", ())}),
    ("!pip install https://w.example/big_name-1.0-py3-none-any.whl", {("big-name", (), "", ())}),
    ("!conda install -y -c conda-forge faiss-cpu=1.8 numpy", {("faiss-cpu", (), "", ()), ("numpy", (), "", ())}),
    ("!pip install -r req.txt", {PLAIN, ("a", (), "a>2", ())}),
    ("!pip install . ./x /abs/y", set()),
    ("!pip uninstall -y some_thing", set()),
    ("!pip list", set()),
    ("!python train.py install", set()),
    ("# !pip install a", set()),
]


@pytest.mark.parametrize(("cell", "found"), LINES, ids=[row[0].replace("\n", " ")[:50] for row in LINES])
def test_an_install_line_is_read_in_every_spelling(cell, found) -> None:
    assert asked(cell, files={"req.txt": "# all\nsome_thing[b]==1\na>2 # why\n"}) == found


APT = [
    ("!apt-get update && apt-get install -y ffmpeg libsndfile1", ("ffmpeg", "libsndfile1")),
    ("!apt install -qq -y  libgl1 > /dev/null", ("libgl1",)),
    ("!sudo apt-get -y install ffmpeg\n!apt-get install ffmpeg", ("ffmpeg",)),
    (
        "%%bash\napt-get update\napt-get install -y --no-install-recommends \\\n  tesseract-ocr g++",
        ("g++", "tesseract-ocr"),
    ),
    ("!apt-get install -y ./x.deb $(cat list)", ()),
    ("!apt-get remove -y ffmpeg", ()),
]


@pytest.mark.parametrize(("cell", "packages"), APT, ids=[row[0][:40].replace("\n", " ") for row in APT])
def test_system_packages_are_read(cell, packages) -> None:
    assert apt_of(commands(cell)) == packages


def test_system_packages_go_into_the_dockerfile_sorted_and_once(project) -> None:
    result = project.export("!apt-get install -y libsndfile1 ffmpeg", "%%bash\napt install ffmpeg", HANDLER)
    assert b"--no-install-recommends ffmpeg libsndfile1 \\" in result.repo["Dockerfile"]


def distribution(folder, name: str, module: str, version: str, direct: dict | None = None):
    import importlib.metadata

    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (folder / f"{module}.py").write_text("")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"{module}.py,,\n")
    if direct is not None:
        (info / "direct_url.json").write_text(json.dumps(direct))
    return lambda: importlib.metadata.distributions(path=[str(folder)])


def test_an_imported_distribution_gets_the_extras_and_indexes_of_its_install_line(tmp_path) -> None:
    find = distribution(tmp_path / "site-packages", "some-thing", "thing", "1.5")
    hints = [Asked("some-thing", frozenset({"b"}), "some_thing[b]==1", (f"--extra-index-url {INDEX}",))]
    found, findings = pins(["thing"], find=find, asked=hints, locate=lambda _: tmp_path / "site-packages/thing.py")
    assert requirements_txt(found).splitlines()[:2] == [f"--extra-index-url {INDEX}", "runpod>=1.10.1"]
    assert "some-thing[b]==1.5" in requirements_txt(found)
    assert [finding.code for finding in findings] == ["RPX218"]  # version 1 was asked for


def test_an_install_line_alone_pins_nothing(tmp_path) -> None:
    find = distribution(tmp_path / "site-packages", "some-thing", "thing", "1.5")
    found, _ = pins([], find=find, asked=[Asked("some-thing", frozenset({"b"}))])
    assert "some-thing" not in requirements_txt(found)


def test_a_distribution_from_a_repository_keeps_its_commit_and_gets_its_extras(tmp_path) -> None:
    sha = "0123456789abcdef0123456789abcdef01234567"
    direct = {"url": "https://git.example/o/r", "vcs_info": {"vcs": "git", "commit_id": sha}}
    find = distribution(tmp_path / "site-packages", "thing", "thing", "1.5", direct)
    hints = [Asked("thing", frozenset({"x"}))]
    found, _ = pins(["thing"], find=find, asked=hints, locate=lambda _: tmp_path / "site-packages/thing.py")
    assert f"thing[x] @ git+https://git.example/o/r@{sha}" in requirements_txt(found).splitlines()


def test_what_is_not_installed_here_is_taken_as_the_notebook_asked_for_it(project) -> None:
    result = project.export(
        "!pip install not-a-module-here==1.2", "import not_a_module_here", HANDLER.replace("1", "not_a_module_here.f()")
    )
    assert b"not-a-module-here==1.2\n" in result.repo["requirements.txt"]
    assert [f.code for f in result.findings] == ["RPX213"]


def test_a_captured_install_cell_keeps_its_import(project) -> None:
    result = project.export(
        "%%capture\n!pip install -q packaging sentencepiece\nimport packaging.version",
        "def handler(job):\n    return str(packaging.version.Version(job['input']['x']))",
    )
    assert b"packaging==" in result.repo["requirements.txt"]
    assert b"sentencepiece" not in result.repo["requirements.txt"]
    assert project.there(result, ("1.0",)) == ["1.0"]
