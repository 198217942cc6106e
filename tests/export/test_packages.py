"""Packages that no line imports, that only this machine has, or that do not go together: found before any build."""

import importlib.metadata
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from rp_notebook.export.closure import closure, size_of
from rp_notebook.export.conflicts import conflicts
from rp_notebook.export.evidence import Loaded, loaded_in, never_imported, remote_imports
from rp_notebook.export.installed import installed
from rp_notebook.export.installs import Asked
from rp_notebook.export.pin import Pin
from rp_notebook.export.requirements import pins, requirements_txt
from rp_notebook.export.vault import Vault
from tests.export.test_requirements import Site

WHEEL = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def find(site):
    return lambda: importlib.metadata.distributions(path=[str(site.folder)])


def known(site):
    return {one.key: one for one in installed(find(site))}


def with_models(site):
    """Libraries as they are: one that loads models, what it can use, and what its own makers use."""
    extras = ["numpy>=1", 'accelerate; extra == "torch"', 'sentencepiece; extra == "all"', 'pytest; extra == "testing"']
    site.add(
        "transformers", "5.0", {"transformers/__init__.py": ""}, requires="|".join([*extras, 'plots; extra == "viz"'])
    )
    for name in ("numpy", "accelerate", "sentencepiece", "pytest", "plots", "unrelated", "ipykernel"):
        site.add(name, "1.0", {f"{name}/__init__.py": ""})
    return known(site)


def loaded(*modules, files=()):
    return Loaded(frozenset(modules), frozenset(files))


def test_what_a_job_loaded_beside_the_imports_is_pinned(site):
    there = with_models(site)
    everything = loaded("transformers", "numpy", "accelerate", "pytest", "unrelated", "ipykernel", "plots")
    found, said = never_imported({"transformers"}, there, [], loaded=everything, elsewhere={"plots"})
    assert (found, said) == (("accelerate",), [])


def test_what_an_install_line_named_counts_where_it_was_loaded(site):
    there = with_models(site)
    asked = [Asked("unrelated"), Asked("sentencepiece"), Asked("numpy")]
    found, (finding,) = never_imported({"transformers"}, there, asked, loaded=loaded("unrelated"))
    assert found == ("unrelated",)
    assert (finding.code, "sentencepiece" in finding.message) == ("RPX214", True)


def test_where_nothing_ran_install_lines_of_known_helpers_are_believed(site):
    there = with_models(site)
    asked = [Asked("accelerate"), Asked("unrelated"), Asked("ftfy"), Asked("plots")]
    assert never_imported({"transformers"}, there, asked, loaded=None) == (("accelerate", "ftfy", "plots"), [])
    assert never_imported({"numpy"}, there, asked, loaded=None)[0] == ()


def test_a_shared_object_that_is_mapped_tells_of_its_distribution(site):
    site.add("transformers", "5.0", {"transformers/__init__.py": ""}, requires='flash-attn; extra == "flash"')
    site.add("flash-attn", "2.0", {"flash_kernels.so": ""})
    mapped = loaded(files=[str(site.folder / "flash_kernels.so")])
    assert never_imported({"transformers"}, known(site), [], loaded=mapped)[0] == ("flash-attn",)


def test_a_module_of_a_namespace_tells_of_its_own_distribution_alone(site):
    site.add("thing", "1", {"thing.py": ""}, requires='cloud-a; extra == "a"|cloud-b; extra == "b"')
    site.add("cloud-a", "1", {"cloud/a/__init__.py": ""})
    site.add("cloud-b", "1", {"cloud/b/__init__.py": ""})
    assert never_imported({"thing"}, known(site), [], loaded=loaded("cloud", "cloud.b"))[0] == ("cloud-b",)


def test_this_very_process_tells_what_it_has_loaded():
    here = loaded_in(sys.modules)
    there = {one.key: one for one in installed()}
    assert here.has(there["pytest"])
    assert not here.has(there["playwright"]) or "playwright" in sys.modules
    if sys.platform == "linux":
        assert any("libc" in file for file in here.files)


def test_the_imports_of_code_that_came_with_a_model_count(tmp_path):
    file = tmp_path / "modeling.py"
    file.write_text(
        "import einops\nfrom torch import nn\nfrom .other import x\ntry:\n    import absent\nexcept ImportError: ..."
    )
    module = SimpleNamespace(__file__=str(file))
    there = {
        "transformers_modules.owner.model.modeling": module,
        "einops": ModuleType("einops"),
        "torch": ModuleType("t"),
    }
    assert remote_imports(there) == {"einops", "torch"}


LOCAL = {
    "folder": {"url": "file:///home/me/tool", "dir_info": {}},
    "own build": {"url": "file:///home/me/tool-1.0+mine.whl", "archive_info": {}},
    "local repository": {"url": "file:///home/me/tool", "vcs_info": {"vcs": "git", "commit_id": "0123abc"}},
    "signed address": {"url": "https://files.example/t.whl?signature=s3cr3t", "archive_info": {}},
}


@pytest.mark.parametrize("came", LOCAL.values(), ids=LOCAL)
def test_what_only_this_machine_has_goes_along_as_a_wheel(site, tmp_path, came):
    files = {"tool/__init__.py": "VALUE = 7", "tool/data.txt": "seven"}
    site.add("My.Tool", "1.0+mine", files, WHEEL=WHEEL, direct_url_json=json.dumps(came), INSTALLER="pip")
    folder = next(site.folder.glob("*.dist-info"))
    listed = [*files, *(f"{folder.name}/{one.name}" for one in folder.iterdir())]
    (folder / "RECORD").write_text("".join(f"{name},,\n" for name in [*listed, "../../bin/tool"]))
    made, (finding,) = site.pins("tool")
    assert finding.code == "RPX215"
    assert requirements_txt(made).splitlines()[0] == "./vendor/My_Tool-1.0+mine-py3-none-any.whl"
    (pin,) = [pin for pin in made if pin.wheel]
    assert "home/me" not in (text := pin.wheel.decode("latin-1"))
    assert "s3cr3t" not in text
    assert [other.wheel for other in site.pins("tool")[0] if other.wheel] == [pin.wheel]
    _installs(pin, tmp_path / "there")


def _installs(pin: Pin, target: Path) -> None:
    wheel = target.parent / Path(pin.specifier).name
    wheel.write_bytes(pin.wheel)
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-index",
        "--no-deps",
        "--target",
        str(target),
        str(wheel),
    ]
    subprocess.run(command, check=True, capture_output=True)
    code = "import tool, importlib.metadata as m; print(tool.VALUE, m.version('my-tool'))"
    said = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(target)}, capture_output=True, text=True)
    assert said.stdout.split() == ["7", "1.0+mine"]


@pytest.mark.parametrize(
    ("tag", "packed"),
    [
        ("py3-none-any", True),
        ("cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", True),
        ("cp311-cp311-linux_x86_64", True),
        ("cp311-cp311-macosx_11_0_arm64", False),
        ("cp311-cp311-linux_aarch64", False),
    ],
)
def test_a_wheel_is_made_only_of_what_runs_on_the_platforms_machines(site, tag, packed):
    files = {"tool/__init__.py": ""}
    direct = json.dumps({"url": "file:///home/me/tool", "dir_info": {}})
    site.add("tool", "1.0", files, WHEEL=WHEEL.replace("py3-none-any", tag), direct_url_json=direct)
    folder = next(site.folder.glob("*.dist-info"))
    (folder / "RECORD").write_text("".join(f"{name},,\n" for name in [*files, f"{folder.name}/WHEEL"]))
    made, (finding,) = site.pins("tool")
    assert any(pin.wheel for pin in made) is packed
    assert finding.code == ("RPX215" if packed else "RPX202")


def test_a_wheel_with_a_secret_is_told(tmp_path, site):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("tool/keys.py", f'KEY = "hf_{"a" * 34}"\n')
    from rp_notebook.export.packages import _leaks

    (finding,) = _leaks("vendor/tool.whl", packed.getvalue(), Vault({}))
    assert (finding.code, finding.severity) == ("RPS121", "error")
    assert "aaaa" not in str(finding)


def test_pins_that_need_other_versions_of_each_other_are_an_error(site):
    site.add("server", "0.90", {"server.py": ""})
    site.add("runpod", "1.12.0", {"runpod.py": ""}, requires="server>=0.141|extra-thing>=2; extra == 'x'")
    made, _ = site.pins("server")
    (finding,) = conflicts(made, known(site))
    assert (finding.code, finding.severity) == ("RPX217", "error")
    assert "runpod needs server>=0.141, and server==0.90 is pinned" in finding.message


def test_what_comes_with_a_pin_and_is_too_old_here_is_a_warning(site):
    site.add("web", "0.5", {"web.py": ""})
    site.add("server", "1.0", {"server.py": ""}, requires="web<1")
    site.add("runpod", "1.12.0", {"runpod.py": ""}, requires="web>=2")
    (finding,) = conflicts(site.pins("server")[0], known(site))
    assert (finding.severity, "runpod needs web>=2, and web 0.5" in finding.message) == ("warning", True)


def test_the_floors_of_the_sdk_count_where_it_is_not_installed(site):
    site.add("fastapi", "0.100", {"fastapi.py": ""})
    (finding,) = conflicts(site.pins("fastapi")[0], known(site))
    assert "runpod needs fastapi>=0.141.1" in finding.message
    assert finding.severity == "warning"  # an older SDK may be found for it


def test_what_goes_together_is_no_finding(site):
    site.add("server", "1.0", {"server.py": ""}, requires='other>=9; python_version < "3"')
    assert conflicts(site.pins("server")[0], known(site)) == ()


def test_the_environment_of_these_tests_has_no_conflict_and_a_size():
    made, _ = pins(["torch", "transformers"])
    there = {one.key: one for one in installed()}
    assert [f for f in conflicts(made, there) if f.severity == "error"] == []
    assert "numpy" in closure(["transformers"], there)
    assert 100_000_000 < size_of(there["torch"]) < 5_000_000_000


def test_all_evidence_comes_together_in_an_export(project):
    result = project.export(
        "!pip install accelerate unheard-of\nimport transformers",
        "def handler(job):\n    return transformers.__version__",
    )
    lines = result.repo["requirements.txt"].decode().splitlines()
    assert lines[0] == "accelerate" or lines[0].startswith("accelerate==")
    assert not any(line.startswith("unheard-of") for line in lines)
