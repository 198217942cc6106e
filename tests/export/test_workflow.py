"""The GitHub workflow, read as YAML, with what stands in it checked where it can be."""

import re

import pytest
import yaml

from rp_notebook.export.models import Model
from rp_notebook.export.needs import Needs
from rp_notebook.export.reads import Variable
from rp_notebook.export.weights import Weights
from rp_notebook.export.workflow import workflow
from tests.export.test_hub import draft


def read(made, *, has_tests=True):
    return yaml.safe_load(workflow(made, has_tests=has_tests))


def runs(job):
    return [step["run"] for step in job["steps"] if "run" in step]


def test_it_tests_on_the_workers_python_and_builds_for_the_platforms_machines():
    said = read(draft())
    python = next(step["with"] for step in said["jobs"]["test"]["steps"] if "setup-python" in step.get("uses", ""))
    assert python["python-version"] == "3.11"
    assert runs(said["jobs"]["test"])[-1] == "python -m pytest tests"
    build = said["jobs"]["image"]["steps"][-1]["with"]
    assert build["platforms"] == "linux/amd64"


def test_nothing_is_published_but_by_a_release():
    said = read(draft())
    # YAML 1.1 reads the key `on` as true.
    assert said[True]["release"]["types"] == ["published"]
    steps = said["jobs"]["image"]["steps"]
    assert steps[-1]["with"]["push"] == "${{ github.event_name == 'release' }}"
    assert all(step["if"] == "github.event_name == 'release'" for step in steps if "login" in step.get("uses", ""))


def test_each_action_has_a_version():
    for job in read(draft())["jobs"].values():
        uses = [step["uses"] for step in job["steps"] if "uses" in step]
        assert uses
        assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", one) for one in uses)


def test_secrets_come_from_the_repository_and_system_packages_are_installed():
    made = draft()
    needs = Needs((Variable("API_KEY", secret=True), Variable("WHO", "you")), apt=("ffmpeg", "git"))
    job = read(type(made)(**{**vars(made), "needs": needs}))["jobs"]["test"]
    assert job["steps"][-1]["env"] == {"API_KEY": "${{ secrets.API_KEY }}"}
    assert any("install -y --no-install-recommends ffmpeg git" in line for line in runs(job))


@pytest.mark.parametrize(("image", "frees"), [(2_000_000_000, False), (20_000_000_000, True)])
def test_a_large_image_gets_the_room_it_needs(image, frees):
    assert any("rm -rf" in line for line in runs(read(draft(image=image))["jobs"]["image"])) is frees


def test_without_tests_there_is_only_the_image_and_a_token_reaches_its_build():
    made = draft(weights=Weights((Model("a/b", "from_pretrained"),), "bake", token=True))
    said = read(made, has_tests=False)
    assert list(said["jobs"]) == ["image"]
    assert said["jobs"]["image"]["steps"][-1]["with"]["secrets"] == "hf_token=${{ secrets.HF_TOKEN }}"
