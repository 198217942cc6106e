import importlib.metadata
import sys
from functools import partial
from pathlib import Path

import pytest

from rp_notebook.export.installed import located
from rp_notebook.export.local_code import local_code


@pytest.fixture
def beside(tmp_path):
    """Lays out files beside a notebook, and follows imports from there."""

    def follow(files: dict[str, str], *imports: str):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        nothing = importlib.metadata.distributions(path=[])
        return local_code(imports, find=lambda: nothing, locate=partial(located, folders=[str(tmp_path)]))

    return follow


def test_a_module_is_copied_with_what_it_imports(beside):
    files = {"one.py": "import two\nimport os, numpy\n", "two.py": "", "three.py": ""}
    code = beside(files, "one", "pytest", "json")
    assert dict(code.files) == {"one.py": files["one.py"].encode(), "two.py": b""}
    assert code.imports == {"numpy", "pytest"}
    assert code.findings == ()


@pytest.mark.parametrize(
    ("marked", "left"),
    [
        ("import os\nimport rp_notebook\n\n@rp_notebook.handler\ndef a(job): ...\n", "import os\n\ndef a(job): ...\n"),
        (
            "from rp_notebook import handler as h\n@h(\n    name='b',\n)\n@other\ndef a(): ...\n",
            "@other\ndef a(): ...\n",
        ),
        ("import rp_notebook; x = 1\n", None),
        ("import rp_notebook\nrp_notebook.run_job(print, {})\n", None),
        ("try:\n    import rp_notebook\nexcept ImportError: ...\n", None),
    ],
    ids=["a mark", "its options", "beside something", "more than a mark", "in a block"],
)
def test_a_module_is_copied_without_our_marks(beside, marked, left):
    code = beside({"one.py": marked}, "one")
    assert code.files["one.py"].decode() == (marked if left is None else left)
    assert left is None or set(code.files) == {"one.py"}


def test_modules_that_import_each_other_end(beside):
    assert list(beside({"one.py": "import two", "two.py": "import one"}, "one").files) == ["one.py", "two.py"]


def test_of_a_package_the_imported_modules_are_taken(beside):
    files = {
        "pkg/__init__.py": "VERSION = 1",
        "pkg/near.py": "from . import far\nfrom .deep.deeper import thing\nfrom .. import nothing",
        "pkg/far.py": "from pkg import VERSION",
        "pkg/unused.py": "import torch",
        "pkg/deep/__init__.py": "",
        "pkg/deep/deeper.py": "thing = 1",
    }
    code = beside(files, "pkg.near.function")
    assert set(code.files) == set(files) - {"pkg/unused.py"}
    assert code.imports == frozenset()


def test_an_attribute_with_the_name_of_its_package_is_no_module(beside):
    code = beside(
        {"tool/__init__.py": "def tool(): ...", "main.py": "from tool import tool\nfrom main import main"}, "main"
    )
    assert set(code.files) == {"main.py", "tool/__init__.py"}


def test_a_folder_without_init_is_a_package_too(beside):
    assert set(beside({"space/inner.py": ""}, "space.inner").files) == {"space/inner.py"}


def test_names_of_an_installed_module_are_not_taken_for_modules(beside):
    code = beside({"one.py": "from packaging.version import Version\nfrom absent import thing"}, "one")
    assert code.imports == {"packaging.version", "absent"}


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    import absent\nexcept ImportError:\n    absent = None",
        "try:\n    import absent\nexcept (AttributeError, ModuleNotFoundError):\n    absent = None",
        "try:\n    import absent\nexcept:\n    absent = None",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import absent",
    ],
    ids=["import error", "among others", "anything", "type checking"],
)
def test_what_may_be_absent_and_is_absent_is_not_missed(beside, text):
    code = beside({"one.py": text}, "one")
    assert (list(code.files), code.imports) == (["one.py"], frozenset())


def test_what_may_be_absent_and_is_there_is_kept(beside):
    assert beside({"one.py": "try:\n    import numpy\nexcept ImportError:\n    pass"}, "one").imports == {"numpy"}


@pytest.mark.parametrize(
    ("name", "text", "code"), [("native.so", "", "RPX211"), ("broken.py", "def", "RPX212")], ids=["compiled", "broken"]
)
def test_a_module_that_cannot_be_taken_over_is_named(beside, name, text, code):
    if name == "native.so" and sys.platform == "win32":
        pytest.skip("another suffix")
    (finding,) = beside({name: text}, name.partition(".")[0]).findings
    assert (finding.code, finding.severity, name in finding.message) == (code, "error", True)


def test_an_editable_install_is_copied():
    code = local_code(["rp_notebook.errors"])
    assert code.files["rp_notebook/errors.py"] == (Path(__file__).parents[2] / "rp_notebook/errors.py").read_bytes()


def test_an_installed_module_is_left_to_be_pinned():
    assert local_code(["packaging.version", "numpy"]).files == {}


def test_a_module_in_a_folder_of_a_folder_without_init_is_copied(beside):
    files = {"pkg/deep/one.py": "import pkg.deep.deeper.two", "pkg/deep/deeper/two.py": ""}
    assert set(beside(files, "pkg.deep.one").files) == set(files)
