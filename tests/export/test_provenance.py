"""Where files came from: downloads, clones, written cells, shell commands, and what an export says of them."""

from __future__ import annotations

import re
import subprocess

import pytest

from rp_notebook.errors import ExportRefused
from rp_notebook.export.clones import commit_of

HANDLER = "def handler(job):\n    x = job['input']['x']\n    return "
URL = "https://data.example/w.bin"
SIZE = 101_000_000

DOWNLOADS = [
    (f"!wget -O w.bin {URL}", f"ADD {URL} /w.bin"),
    (f"!wget -qO w.bin {URL}", f"ADD {URL} /w.bin"),
    (f"!wget {URL}", f"ADD {URL} /w.bin"),
    (f"!wget -q {URL} -P .", f"ADD {URL} /w.bin"),
    (f"%%bash\nset -e\nwget --output-document=w.bin {URL}", f"ADD {URL} /w.bin"),
    (f"!curl -L -o w.bin {URL}", f"ADD {URL} /w.bin"),
    (f"!curl -LO {URL}", f"ADD {URL} /w.bin"),
    (f"!curl -sL {URL} > w.bin", f"ADD {URL} /w.bin"),
    (f"!mkdir -p x && curl -L {URL} --output w.bin", f"ADD {URL} /w.bin"),
    (f"URL = '{URL}'\n!wget -O w.bin {{URL}}", f"ADD {URL} /w.bin"),
    (f"URL = '{URL}'\n!wget -O w.bin $URL", f"ADD {URL} /w.bin"),
    (f"import urllib.request\nurllib.request.urlretrieve('{URL}', 'w.bin')", f"ADD {URL} /w.bin"),
    (f"import os\nif not os.path.exists('w.bin'):\n    !wget -O w.bin {URL}", f"ADD {URL} /w.bin"),
    ("!gdown 1AbC -O w.bin", "gdown 1AbC -O /w.bin"),
    ("!hf download org/name --local-dir .", "hf download org/name --local-dir /"),
]


@pytest.mark.parametrize(("cell", "line"), DOWNLOADS, ids=[row[0].replace("\n", " ")[:40] for row in DOWNLOADS])
def test_a_large_download_is_offered_as_a_line_of_the_dockerfile(project, cell, line) -> None:
    project.put({"w.bin": b""})
    with (project.folder / "w.bin").open("r+b") as file:
        file.truncate(SIZE)
    result = project.export(cell, "w = open('w.bin', 'rb').read()", HANDLER + "len(w)")
    (finding,) = [f for f in result.findings if f.code == "RPX232"]
    assert (line or "network volume") in finding.fix
    assert "w.bin" not in result.repo


@pytest.mark.parametrize(
    ("cell", "line"), DOWNLOADS[:12], ids=[row[0].replace("\n", " ")[:40] for row in DOWNLOADS[:12]]
)
def test_a_small_download_is_copied_and_its_address_told(project, cell, line) -> None:
    project.put({"w.bin": b"12345"})
    result = project.export(cell, "w = open('w.bin', 'rb').read()", HANDLER + "len(w)")
    (finding,) = [f for f in result.findings if f.code == "RPX236"]
    assert URL in finding.message
    assert line in finding.fix
    assert project.there(result, (1,)) == [5]


@pytest.mark.parametrize(
    "url",
    [
        "https://me:hunter2secret@data.example/w.bin",
        "https://data.example/w.bin?X-Amz-Signature=hunter2secret",
        "https://data.example/w.bin?token=hunter2secret",
        "https://data.example/hf_aB3dE5gH7jK9mN1pQ3sTsecret/w.bin",
    ],
    ids=["user", "signature", "token", "in the path"],
)
def test_an_address_that_holds_a_key_is_told_nowhere(project, url) -> None:
    project.put({"w.bin": b"12345"})
    result = project.export(f"!wget -O w.bin '{url}'", "w = open('w.bin', 'rb').read()", HANDLER + "len(w)")
    told = b"".join(result.repo.values()).decode() + "".join(map(str, result.findings))
    assert "data.example" in told
    assert not re.search(r"\wsecret", told)


def test_a_written_cells_file_is_copied_from_the_disk(project) -> None:
    project.put({"conf.json": '{"k": 1}\n'})
    cells = ('%%writefile conf.json\n{"k": 1}', "import json\nconf = json.load(open('conf.json'))")
    result = project.export(*cells, HANDLER + "conf['k']")
    assert result.repo["conf.json"] == b'{"k": 1}\n'
    assert [f.code for f in result.findings] == []


def test_a_written_file_that_was_changed_since_is_copied_as_it_is_and_said(project) -> None:
    project.put({"conf.json": '{"k": 2}\n'})
    cells = ('%%writefile conf.json\n{"k": 1}', "import json\nconf = json.load(open('conf.json'))")
    result = project.export(*cells, HANDLER + "conf['k']")
    assert [(f.code, f.cell) for f in result.findings] == [("RPX235", 1)]
    assert project.there(result, (1,)) == [2]


@pytest.mark.parametrize("magic", ["%%writefile", "%%file"])
def test_of_a_written_file_that_is_gone_the_cell_knows_the_text(project, magic) -> None:
    cells = (f'{magic} conf.json\n{{"k": 1}}', "import json\nconf = json.load(open('conf.json'))")
    result = project.export(*cells, HANDLER + "conf['k']")
    assert project.there(result, (1,)) == [1]


def test_a_written_module_that_is_gone_is_made_of_the_cell(project) -> None:
    cells = ("%%writefile lit_helper.py\nimport lit_deep\nK = lit_deep.K", "%%writefile lit_deep.py\nK = 4")
    result = project.export(*cells, "import lit_helper", HANDLER + "x * lit_helper.K")
    assert project.there(result, (2,)) == [8]


def test_a_written_text_with_a_secret_is_not_made_into_a_file(project) -> None:
    cells = ("%%writefile conf.txt\nhf_aB3dE5gH7jK9mN1pQ3sT", "conf = open('conf.txt').read()")
    with pytest.raises(ExportRefused):
        project.export(*cells, HANDLER + "conf")


@pytest.mark.parametrize(
    "cell",
    [
        "!python make.py > made.txt",
        "%%bash\npython make.py --out=made.txt",
        "!cp other.txt made.txt",
        "!sort -o made.txt x",
    ],
)
def test_a_file_that_a_command_made_is_copied_and_said(project, cell) -> None:
    project.put({"made.txt": "m"})
    result = project.export(cell, "t = open('made.txt').read()", HANDLER + "t")
    assert [f.code for f in result.findings] == ["RPS113"]
    assert "made.txt" in result.repo


@pytest.mark.parametrize("cell", ["!ls data", "!cat data/v.txt", "!head -n 2 data/v.txt", "!mkdir -p data"])
def test_a_command_that_only_looks_made_nothing(project, cell) -> None:
    project.put({"data/v.txt": "v"})
    assert project.export(cell, "t = open('data/v.txt').read()", HANDLER + "t").findings == ()


def clone(project, *, packed: bool) -> str:
    """A repository with one commit, cloned into the notebook's folder; gives the commit."""
    project.put({"/up/net.py": "from parts.deep import K\nW = open('w.txt').read()\n", "/up/parts/deep.py": "K = 3\n"})
    project.put({"/up/w.txt": "weights", "/up/parts/__init__.py": ""})
    up = project.other / "up"

    def git(*words: str) -> str:
        who = ["-c", "user.name=n", "-c", "user.email=e@example.invalid", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", *who, *words], cwd=up, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-qm", "one")
    if packed:
        git("pack-refs", "--all")
    subprocess.run(["git", "clone", "-q", str(up), str(project.folder / "net-repo")], check=True)
    return git("rev-parse", "HEAD")


@pytest.mark.parametrize(
    "way", ["%cd net-repo", "import sys\nsys.path.append('net-repo')", "import os\nos.chdir('net-repo')"]
)
def test_modules_of_a_clone_are_copied_at_its_commit_without_a_change_of_folder(project, way) -> None:
    commit = clone(project, packed=False)
    cells = ("!git clone https://user:pw@git.example/o/net-repo.git", way, "from net import K")
    (project.folder / "w.txt").write_text("weights")
    result = project.export(*cells, HANDLER + "[x * K]")
    assert {"net.py", "parts/deep.py", "parts/__init__.py", "w.txt"} <= set(result.repo)
    assert not {"chdir", "sys"} & set(result.module.replace("(", " ").replace(".", " ").split())
    (finding,) = [f for f in result.findings if f.code == "RPX238"]
    assert f"https://git.example/o/net-repo.git at commit {commit}" in finding.message
    assert not [f for f in result.findings if f.severity == "error"]
    assert project.there(result, (2,)) == [[6]]


@pytest.mark.parametrize("packed", [False, True])
def test_the_commit_is_read_without_running_git(project, packed) -> None:
    commit = clone(project, packed=packed)
    assert commit_of(project.other / "up") == commit
    assert commit_of(project.folder / "net-repo") == commit
    assert commit_of(project.folder) is None
