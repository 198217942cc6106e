"""Modules of the project in an exported worker: found wherever the notebook found them, with the files they read."""

from __future__ import annotations

import json

import pytest

HANDLER = "def handler(job):\n    x = job['input']['x']\n    return "
LIT = "import lit_more\n\ndef f(x):\n    return lit_more.K * x\n"
RESOURCES = "from importlib.resources import files\nT = files('pkg').joinpath('res/t.txt').read_text()\n"
BESIDE = """\
import os
HERE = os.path.dirname(os.path.abspath(__file__))
def t(name):
    return open(os.path.join(HERE, name)).read()
"""
MORE = "K = 3\n"

# name, files, cells, the files that must be in the repository
MODULES = [
    (
        "beside the notebook",
        {"lit.py": LIT, "lit_more.py": MORE},
        ["import lit", HANDLER + "lit.f(x)"],
        {"lit.py", "lit_more.py"},
    ),
    (
        "inside a function",
        {"lit.py": LIT, "lit_more.py": MORE},
        ["def g(x):\n    from lit import f\n    return f(x)", HANDLER + "g(x)"],
        {"lit.py", "lit_more.py"},
    ),
    (
        "import_module",
        {"lit.py": LIT, "lit_more.py": MORE},
        ["import importlib", "lit = importlib.import_module('lit')", HANDLER + "lit.f(x)"],
        {"lit.py", "lit_more.py"},
    ),
    (
        "import_module in a module",
        {
            "lit.py": "from importlib import import_module\nf = import_module('lit_more').f\n",
            "lit_more.py": "def f(x): return x",
        },
        ["import lit", HANDLER + "lit.f(x)"],
        {"lit.py", "lit_more.py"},
    ),
    (
        "sys.path of a folder beside",
        {"src/lit.py": LIT, "src/lit_more.py": MORE},
        ["import sys\nsys.path.append('src')", "import lit", HANDLER + "lit.f(x)"],
        {"lit.py", "lit_more.py"},
    ),
    (
        "sys.path of a folder elsewhere",
        {"/lib/lit.py": LIT, "/lib/lit_more.py": MORE},
        ["import sys, os\nsys.path.insert(0, os.path.abspath('../elsewhere/lib'))", "import lit", HANDLER + "lit.f(x)"],
        {"lit.py", "lit_more.py"},
    ),
    (
        "sys.path where it is not there yet",
        {"src/lit.py": LIT, "src/lit_more.py": MORE},
        ["import sys", "if 'src' not in sys.path:\n    sys.path.append('src')", "import lit", HANDLER + "lit.f(x)"],
        {"lit.py", "lit_more.py"},
    ),
    (
        "sys.path by pathlib",
        {"/lib/lit.py": LIT, "/lib/lit_more.py": MORE},
        [
            "import sys\nfrom pathlib import Path",
            "sys.path.append(str(Path.cwd().parent / 'elsewhere' / 'lib'))",
            "import lit",
            HANDLER + "lit.f(x)",
        ],
        {"lit.py", "lit_more.py"},
    ),
    (
        "the first of two folders",
        {"/a/lit.py": "def f(x): return x", "/b/lit.py": "def f(x): return -x"},
        [
            "import sys\nsys.path.insert(0, '{other}/a')\nsys.path.insert(0, '{other}/b')",
            "import lit",
            HANDLER + "lit.f(x)",
        ],
        {"lit.py"},
    ),
    (
        "a package",
        {
            "pkg/__init__.py": "",
            "pkg/a.py": "from .b import K\nfrom . import c",
            "pkg/b.py": "K = 2",
            "pkg/c.py": "",
            "pkg/d.py": "",
        },
        ["from pkg.a import K", HANDLER + "x * K"],
        {"pkg/__init__.py", "pkg/a.py", "pkg/b.py", "pkg/c.py"},
    ),
    (
        "a namespace package",
        {"space/deep/mod.py": "K = 2"},
        ["import space.deep.mod", HANDLER + "x * space.deep.mod.K"],
        {"space/deep/mod.py"},
    ),
    (
        "data beside a module",
        {
            "lit.py": "import os\nT = open(os.path.join(os.path.dirname(__file__), 'd', 't.txt')).read()\n",
            "d/t.txt": "T",
        },
        ["import lit", HANDLER + "lit.T"],
        {"lit.py", "d/t.txt"},
    ),
    (
        "data beside a module elsewhere",
        {
            "/lib/lit.py": "from pathlib import Path\nT = (Path(__file__).parent / 't.txt').read_text()\n",
            "/lib/t.txt": "T",
        },
        ["import sys\nsys.path.append('{other}/lib')", "import lit", HANDLER + "lit.T"],
        {"lit.py", "t.txt"},
    ),
    (
        "data of the working directory",
        {"lit.py": "T = open('d/t.txt').read()\n", "d/t.txt": "T"},
        ["import lit", HANDLER + "lit.T"],
        {"lit.py", "d/t.txt"},
    ),
    (
        "package data by importlib.resources",
        {
            "pkg/__init__.py": RESOURCES,
            "pkg/res/t.txt": "T",
            "pkg/other/__init__.py": "",
            "pkg/other/unused.txt": "no",
            "pkg/.env": "SECRET=1",
        },
        ["import pkg", HANDLER + "pkg.T"],
        {"pkg/__init__.py", "pkg/res/t.txt"},
    ),
    (
        "package data by its file",
        {
            "pkg/__init__.py": "",
            "pkg/m.py": BESIDE,
            "pkg/t.txt": "T",
        },
        ["from pkg.m import t", HANDLER + "t('t.txt')"],
        {"pkg/__init__.py", "pkg/m.py", "pkg/t.txt"},
    ),
]


@pytest.mark.parametrize(("files", "cells", "copied"), [row[1:] for row in MODULES], ids=[row[0] for row in MODULES])
def test_the_worker_has_its_modules_with_the_project_gone(project, files, cells, copied) -> None:
    project.put(files)
    result = project.export(*cells)
    own = {"handler.py", "Dockerfile", ".dockerignore", ".env.example", "README.md", "requirements.txt"}
    own |= {".runpod/hub.json", ".github/workflows/ci.yml"}
    assert set(result.repo) - own - {"rp_manifest.json"} == copied
    assert str(project.root) not in "".join(body.decode("latin-1") for body in result.repo.values())
    assert [finding for finding in result.findings if finding.severity == "error"] == []
    assert copied <= set(json.loads(result.repo["rp_manifest.json"])["files"])
    here = project.here(*cells, inputs=(1, 2))
    assert project.there(result, (1, 2)) == here


@pytest.mark.parametrize(
    "cells",
    [
        ["import sys\nsys.path.append('src')", "import lit", HANDLER + "lit.f(x)"],
        ["import sys, json\nsys.path.insert(0, './src')", "import lit", HANDLER + "json.loads(str(lit.f(x)))"],
    ],
)
def test_a_search_path_is_not_in_the_worker_where_its_modules_are(project, cells) -> None:
    project.put({"src/lit.py": LIT, "src/lit_more.py": MORE})
    result = project.export(*cells)
    assert "sys" not in result.module
    assert any("sys.path" in dropped.text for dropped in result.dropped)


def test_sys_stays_where_something_else_uses_it(project) -> None:
    project.put({"src/lit.py": LIT, "src/lit_more.py": MORE})
    result = project.export("import sys\nsys.path.append('src')", "import lit", HANDLER + "[lit.f(x), sys.maxsize > x]")
    assert project.there(result, (1,)) == [[3, True]]


def test_a_module_that_a_cell_wrote_and_that_was_changed_since_is_said(project) -> None:
    project.put({"lit.py": "K = 2\n"})
    result = project.export("%%writefile lit.py\nK = 1", "import lit", HANDLER + "lit.K")
    assert [(f.code, f.cell) for f in result.findings] == [("RPX235", 1)]
    assert result.repo["lit.py"] == b"K = 2\n"


def test_a_module_that_opens_a_path_of_this_machine_is_said(project) -> None:
    project.put({"/t.txt": "T", "lit.py": project.filled("T = open('{other}/t.txt').read()")})
    result = project.export("import lit", HANDLER + "lit.T")
    (finding,) = [f for f in result.findings if f.code == "RPX239"]
    assert "lit.py opens t.txt" in finding.message


def test_a_plot_in_a_handler_needs_no_screen(project) -> None:
    pytest.importorskip("matplotlib")
    result = project.export(
        "import io\nimport matplotlib.pyplot as plt",
        "def handler(job):\n    fig, ax = plt.subplots()\n    ax.plot([1, job['input']['x']])\n    out = io.BytesIO()\n"
        "    fig.savefig(out, format='png')\n    plt.close(fig)\n    return out.getvalue()[1:4].decode()",
    )
    assert "RPX240" in [finding.code for finding in result.findings]
    assert b"matplotlib==" in result.repo["requirements.txt"]
    assert project.there(result, (2,)) == ["PNG"]


@pytest.mark.parametrize("name", ["lit.py", "lit_more.py"])
def test_a_secret_in_a_module_is_read_from_the_environment_there(project, name) -> None:
    files = {"lit.py": LIT, "lit_more.py": MORE}
    project.put(files | {name: files[name] + "TOKEN = 'hf_aB3dE5gH7jK9mN1pQ3sT'\n"})
    result = project.export("import lit", HANDLER + "lit.f(x)")
    assert b"TOKEN = os.environ[" in result.repo[name]
    assert not any(b"hf_aB3" in body for body in result.repo.values())
    assert [finding.code for finding in result.findings if finding.severity != "note"] == ["RPS121"]
