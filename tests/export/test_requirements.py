import importlib.metadata
import json
import sys
from functools import partial
from pathlib import Path

import pytest

from rp_notebook.export.base_images import cuda_image, torch_index
from rp_notebook.export.installed import located
from rp_notebook.export.requirements import Pin, pins, requirements_txt, torch_build


class Site:
    """A site-packages folder of a test's own, laid out as pip does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "site-packages"
        self.folder.mkdir()

    def add(self, name: str, version: str, files: dict[str, str], **said: str) -> None:
        """Install a distribution with `files`; `said` are further metadata files, `_` for `.` in their names."""
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        requires = "".join(f"Requires-Dist: {need}\n" for need in said.pop("requires", "").split("|") if need)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}")
        for path, text in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text)
        (info / "RECORD").write_text("".join(f"{path},sha256=x,{len(text)}\n" for path, text in files.items()))
        for key, text in said.items():
            (info / key.replace("_json", ".json")).write_text(text)

    def pins(self, *imports: str, hints: tuple[str, ...] = ()):
        return pins(
            imports,
            hints=hints,
            find=lambda: importlib.metadata.distributions(path=[str(self.folder)]),
            locate=partial(located, folders=[str(self.folder)]),
        )

    def lines(self, *imports: str, hints: tuple[str, ...] = ()) -> list[str]:
        return requirements_txt(self.pins(*imports, hints=hints)[0]).splitlines()


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


RUNPOD = "runpod>=1.10.1"


def test_a_module_is_pinned_under_the_name_of_the_distribution_that_owns_its_file(site):
    site.add("Odd-Name", "1.2", {"nothing_like_it/__init__.py": ""})
    assert site.lines("nothing_like_it.inner.thing") == ["Odd-Name==1.2", RUNPOD]


def test_a_namespace_is_resolved_by_the_most_specific_file(site):
    site.add("cloud-storage", "1", {"acme/cloud/storage/__init__.py": ""})
    site.add("cloud-vision", "2", {"acme/cloud/vision/__init__.py": ""})
    made, findings = site.pins("acme.cloud.vision", "acme", "acme.cloud")
    assert [pin.name for pin in made] == ["cloud-vision", "runpod"]
    assert findings == ()


def test_a_bare_namespace_of_several_distributions_is_an_error_that_names_them(site):
    site.add("cloud-storage", "1", {"acme/cloud/storage/__init__.py": ""})
    site.add("cloud-vision", "2", {"acme/cloud/vision/__init__.py": ""})
    _, (finding,) = site.pins("acme")
    assert (finding.code, finding.severity) == ("RPX206", "error")
    assert "cloud-storage, cloud-vision" in finding.message


def test_of_two_builds_over_each_other_the_one_without_a_display_is_taken_and_said(site):
    files = {"cv2/__init__.py": ""}
    site.add("opencv-python", "4.10", files)
    site.add("opencv-python-headless", "4.9", files)
    made, (finding,) = site.pins("cv2")
    assert made[0].specifier == "opencv-python-headless==4.9"
    assert finding.code == "RPX207"


def test_of_two_builds_over_each_other_the_one_that_was_asked_for_is_taken(site):
    files = {"cv2/__init__.py": ""}
    site.add("opencv-python", "4.10", files)
    site.add("opencv-python-headless", "4.9", files)
    assert site.lines("cv2", hints=("opencv-python",))[0] == "opencv-python==4.10"


@pytest.mark.parametrize(
    ("version", "line", "index"),
    [
        ("2.4.1+cu121", "torch==2.4.1", torch_index("cu121")),
        ("2.4.1+cpu", "torch==2.4.1", torch_index("cpu")),
        ("2.5.0.dev20241001+cu124", "torch==2.5.0.dev20241001", torch_index("cu124", nightly=True)),
        ("2.4.1", "torch==2.4.1", None),
    ],
    ids=["cuda", "cpu", "nightly", "usual index"],
)
def test_a_local_version_tag_of_torch_becomes_an_index(site, version, line, index):
    site.add("torch", version, {"torch/__init__.py": ""})
    made, findings = site.pins("torch")
    assert (made[-1].specifier, made[-1].index, findings) == (line, index, ())


def test_an_index_comes_before_the_pins_and_once(site):
    site.add("torch", "2.4.1+cu121", {"torch/__init__.py": ""})
    site.add("torchvision", "0.19.1+cu121", {"torchvision/__init__.py": ""})
    index = f"--extra-index-url {torch_index('cu121')}"
    assert site.lines("torch", "torchvision") == [index, RUNPOD, "torch==2.4.1", "torchvision==0.19.1"]


def test_the_cuda_of_a_torch_without_a_tag_is_read_from_its_own_file(site):
    version = "from typing import Optional\n__version__ = '2.4.1+cu121'\ncuda: Optional[str] = '12.1'\n"
    site.add("torch", "2.4.1", {"torch/__init__.py": "raise ImportError", "torch/version.py": version})
    assert torch_build(site.pins("torch")[0]) == "cu121"


def test_torch_is_pinned_when_only_a_library_on_it_is_imported(site):
    site.add("torch", "2.4.1+cu121", {"torch/__init__.py": ""})
    site.add("speech", "1", {"speech/__init__.py": ""}, requires="torch>=2|numpy>=1")
    site.add("unused", "1", {"unused/__init__.py": ""}, requires="torch>=2")
    assert site.lines("speech")[1:] == [RUNPOD, "speech==1", "torch==2.4.1"]


def test_torch_is_not_pinned_for_an_extra_that_was_not_asked_for(site):
    site.add("torch", "2.4.1+cu121", {"torch/__init__.py": ""})
    site.add("table", "1", {"table/__init__.py": ""}, requires='torch>=2 ; extra == "gpu"')
    assert site.lines("table") == [RUNPOD, "table==1"]


def test_a_build_of_somebodys_own_is_pinned_to_its_release_with_a_warning(site):
    site.add("fast-attention", "2.5.8+cu122torch2.3", {"fast_attention/__init__.py": ""})
    made, (finding,) = site.pins("fast_attention")
    assert (made[0].specifier, made[0].index, finding.code) == ("fast-attention==2.5.8", None, "RPX204")


def direct(**said) -> str:
    return json.dumps(said)


GIT = {"vcs": "git", "commit_id": "0123abc"}


@pytest.mark.parametrize(
    ("direct_url", "line"),
    [
        (direct(url="https://git.example/a/b.git", vcs_info=GIT), "tool @ git+https://git.example/a/b.git@0123abc"),
        (direct(url="ssh://git@git.example/a/b", vcs_info=GIT), "tool @ git+ssh://git@git.example/a/b@0123abc"),
        (
            direct(url="https://git.example/a/b", vcs_info=GIT, subdirectory="python"),
            "tool @ git+https://git.example/a/b@0123abc#subdirectory=python",
        ),
        (
            direct(url="https://files.example/tool-1.0-py3-none-any.whl", archive_info={"hashes": {"sha256": "ff"}}),
            "tool @ https://files.example/tool-1.0-py3-none-any.whl#sha256=ff",
        ),
        (direct(url="file:///opt/wheels/tool-1.0-py3-none-any.whl", archive_info={}), "tool==1.0"),
    ],
    ids=["git", "git over ssh", "git subfolder", "web archive", "local wheel of a release"],
)
def test_where_a_distribution_came_from_is_kept(site, direct_url, line):
    site.add("tool", "1.0", {"tool/__init__.py": ""}, direct_url_json=direct_url)
    made, findings = site.pins("tool")
    assert ([pin.specifier for pin in made], findings) == ([RUNPOD, line], ())


@pytest.mark.parametrize(
    ("version", "direct_url"),
    [
        ("1.0", direct(url="file:///home/me/tool", dir_info={"editable": True})),
        ("1.0", direct(url="file:///home/me/tool", dir_info={})),
        ("1.0", direct(url="file:///home/me/tool", vcs_info=GIT)),
        ("1.0.dev3", direct(url="file:///home/me/tool.whl", archive_info={})),
        ("1.0+mine", direct(url="file:///home/me/tool.whl", archive_info={})),
        ("1.0", direct(url="https://files.example/tool.whl?signature=s3cr3t", archive_info={})),
    ],
    ids=["editable", "folder", "local repository", "development wheel", "own build", "signed address"],
)
def test_what_only_this_machine_has_is_refused_by_name_and_never_written(site, version, direct_url):
    site.add("tool", version, {"tool/__init__.py": ""}, direct_url_json=direct_url)
    made, (finding,) = site.pins("tool")
    assert [pin.name for pin in made] == ["runpod"]
    assert (finding.code, finding.severity) == ("RPX202", "error")
    assert "tool" in finding.message
    assert "/home/me" not in str(finding)
    assert "s3cr3t" not in str(finding)


def test_a_token_in_an_address_is_dropped_and_said(site):
    url = "https://user:s3cr3t@git.example/a/b"
    site.add("tool", "1.0", {"tool/__init__.py": ""}, direct_url_json=direct(url=url, vcs_info=GIT))
    made, (finding,) = site.pins("tool")
    assert made[1].specifier == "tool @ git+https://git.example/a/b@0123abc"
    assert finding.code == "RPX209"


def test_the_build_folder_that_conda_notes_is_no_reason_to_refuse(site):
    folder = direct(url="file:///home/conda/feedstock_root/work", dir_info={})
    site.add("tool", "1.0", {"tool/__init__.py": ""}, direct_url_json=folder, INSTALLER="conda\n")
    assert site.lines("tool") == [RUNPOD, "tool==1.0"]


def test_an_editable_install_is_recognised_by_where_the_module_lies(site, tmp_path):
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / "tool.py").write_text("")
    folder = direct(url=(tmp_path / "checkout").as_uri(), dir_info={"editable": True})
    site.add("tool-kit", "1.0", {"__editable__tool.pth": ""}, direct_url_json=folder)
    _, (finding,) = pins(
        ["tool"],
        find=lambda: importlib.metadata.distributions(path=[str(site.folder)]),
        locate=partial(located, folders=[str(tmp_path / "checkout")]),
    )
    assert (finding.code, "tool-kit" in finding.message) == ("RPX202", True)


def test_a_file_beside_the_notebook_is_named(site, tmp_path):
    (tmp_path / "beside.py").write_text("")
    made, (finding,) = pins(["beside"], find=list, locate=partial(located, folders=[str(tmp_path)]))
    assert [pin.specifier for pin in made] == [RUNPOD]
    assert (finding.code, finding.severity) == ("RPX203", "error")
    assert "beside.py" in finding.message
    assert str(tmp_path) not in str(finding)


def test_a_module_that_is_not_installed_is_named(site):
    _, (finding,) = site.pins("never_heard_of.it")
    assert (finding.code, finding.severity) == ("RPX201", "error")


@pytest.mark.parametrize(
    ("version", "line"),
    [("1.7.9", RUNPOD), ("1.10.0", RUNPOD), ("1.10.1", "runpod==1.10.1"), ("1.12.0", "runpod==1.12.0")],
)
def test_runpod_is_there_once_and_never_too_old(site, version, line):
    site.add("runpod", version, {"runpod/__init__.py": ""})
    assert site.lines("runpod", "runpod.serverless", hints=("runpod",)) == [line]


def test_a_hint_is_pinned_at_the_installed_version_with_its_extras(site):
    site.add("uvicorn", "0.30", {"uvicorn/__init__.py": ""})
    made = site.lines("uvicorn", hints=("Uvicorn[standard]>=0.2",))
    assert made == [RUNPOD, "uvicorn[standard]==0.30"]


@pytest.mark.parametrize("hint", ["absent-thing", "git+https://git.example/x"])
def test_a_hint_that_cannot_be_pinned_is_said(site, hint):
    made, (finding,) = site.pins(hints=(hint,))
    assert (len(made), finding.code, hint in finding.message) == (1, "RPX205", True)


def test_the_order_of_imports_changes_nothing(site):
    for name in ("Beta", "alpha", "gamma_x"):
        site.add(name, "1", {f"{name}/__init__.py": ""})
    there = site.pins("gamma_x", "alpha", "Beta", "missing")
    assert there == site.pins("missing", "Beta", "alpha", "gamma_x", "alpha")
    assert [pin.name for pin in there[0]] == ["alpha", "Beta", "gamma_x", "runpod"]


def test_metadata_without_a_name_is_passed_over(site):
    site.add("tool", "1.0", {"tool/__init__.py": ""})
    (site.folder / "broken-1.dist-info").mkdir()
    assert site.lines("tool") == [RUNPOD, "tool==1.0"]


def test_nothing_is_imported_to_find_out(site):
    site.add("loud", "1.0", {"loud/__init__.py": "raise SystemExit", "loud/inner/__init__.py": "raise SystemExit"})
    site.lines("loud.inner.name")
    assert "loud" not in sys.modules


@pytest.mark.parametrize(
    ("module", "distribution"),
    [("yaml", "PyYAML"), ("packaging.version", "packaging"), ("IPython.core", "ipython"), ("_pytest", "pytest")],
)
def test_the_real_metadata_of_this_environment_gives_the_published_name(module, distribution):
    made, findings = pins([module])
    version = importlib.metadata.version(distribution)
    assert Pin(distribution, version, f"{distribution}=={version}") in made
    assert findings == ()


def test_the_torch_of_this_environment_is_pinned_without_its_tag():
    pytest.importorskip("torch")
    made, findings = pins(["torch.nn"])
    torch = next(pin for pin in made if pin.name == "torch")
    assert torch.specifier == "torch==" + importlib.metadata.version("torch").partition("+")[0]
    assert findings == ()


@pytest.mark.parametrize(
    ("build", "family"),
    [("cu121", "cuda:12.1"), ("cu127", "cuda:12.6"), ("cu140", "cuda:13."), ("cpu", None), (None, None)],
)
def test_the_cuda_image_is_the_newest_that_is_not_newer_than_the_build(build, family):
    image = cuda_image(build)
    assert (image and family in image.image) if family else image is None
