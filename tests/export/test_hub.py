"""The files for the Hub, held to the schemas that ship; the schemas, to what the Hub's guide documents."""

import json
from importlib.resources import files

import jsonschema
import pytest

from rp_notebook.export.cuda import cuda_versions, runs_on
from rp_notebook.export.draft import Draft
from rp_notebook.export.hub import hub_json, hub_tests, title_of
from rp_notebook.export.machine import machine_of
from rp_notebook.export.models import Model
from rp_notebook.export.needs import Needs
from rp_notebook.export.pin import Pin
from rp_notebook.export.reads import Variable
from rp_notebook.export.weights import weights_of
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.gauge import Gauge, GpuGauge
from rp_notebook.jobs.pools import GB, shipped
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.running import run_job

MODULE = 'def handler(job):\n    """Says hello.\n\n    More."""\n    return job["input"]\n'


def schema(name):
    text = files("rp_notebook.export").joinpath("schemas", f"{name}.schema.json").read_text()
    found = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


def record(job_input, seconds=0.0, answer=None, gpu=None) -> JobRecord:
    times = iter([0.0, *[seconds] * 9])

    def handler(job):
        return job["input"] if answer is None else answer

    made = run_job(handler, {"id": "j", "input": job_input}, clock=lambda: next(times))
    return JobRecord(made.job, made.posts, gauge=Gauge(0.0, 0, 0, 0, gpu) if gpu else None)


def on_gpu(used: int) -> GpuGauge:
    return GpuGauge(used, used, 0, used, 80 * GB, devices=1, beside=0)


def draft(*records, build=None, pins=(), variables=(), models=(), weight_bytes=0, image=0, module=MODULE, **more):
    machine = machine_of(records, build, image_bytes=image, weight_bytes=weight_bytes)
    return Draft(
        module,
        Declaration("handler", "handler"),
        tuple(Pin(name, "1", f"{name}==1") for name in pins),
        Needs(tuple(variables), models=tuple(models)),
        machine,
        "3.11",
        tuple(records),
        **{"weights": weights_of(models)[0], **more},
    )


CPU = {"runsOn": "CPU", "containerDiskInGb": 10, "cpuFlavor": "cpu3c"}
GPU = {"runsOn": "GPU", "containerDiskInGb": 20, "gpuCount": 1, "gpuIds": "ADA_24"}


def hub(**config):
    said = {"title": "Tool", "description": "What it does", "type": "serverless", "category": "image"}
    return {**said, "config": {**GPU, **config}}


def variable(kind, **more):
    return {"key": "NAME", "input": {"name": "A name", "type": kind, "description": "What it is for", **more}}


# Each kind of thing that the Hub's publishing guide documents, once.
DOCUMENTED = {
    "least": hub(),
    "cpu": {**hub(), "config": CPU},
    "icon": {**hub(), "iconUrl": "https://pictures.example/icon.png"},
    "load balancer": hub(endpointType="LB"),
    "a card left out": hub(gpuIds="AMPERE_24,ADA_24,-NVIDIA L4"),
    "versions": hub(allowedCudaVersions=["12.8", "12.7"]),
    "static": hub(env=[{"key": "NAME", "value": "here"}]),
    "string": hub(env=[variable("string", default="/models/one", advanced=False)]),
    "required": hub(env=[variable("string", required=True)]),
    "huggingface": hub(env=[variable("huggingface", default="owner/model")]),
    "options": hub(env=[variable("string", options=[{"label": "Half", "value": "fp16"}], default="fp16")]),
    "number": hub(env=[variable("number", min=32, max=4096, default=1024)]),
    "boolean": hub(env=[variable("boolean", default=True, trueValue="on", falseValue="off")]),
    "presets": hub(presets=[{"name": "Fast", "defaults": {"A": "x", "B": 8, "C": False}}]),
}
# What was seen in published repositories that the Hub turned down, or would.
WRONG = {
    "env as an object": hub(env={"NAME": "here"}),
    "capital category": {**hub(), "category": "Image"},
    "no config": {key: value for key, value in hub().items() if key != "config"},
    "gpu without ids": {**hub(), "config": {"runsOn": "GPU", "containerDiskInGb": 20, "gpuCount": 1}},
    "cpu without flavor": {**hub(), "config": {"runsOn": "CPU", "containerDiskInGb": 20}},
    "disk as text": hub(containerDiskInGb="20"),
    "ids as a list": hub(gpuIds=["ADA_24"]),
    "only a card left out": hub(gpuIds="-NVIDIA L4"),
    "version as a number": hub(allowedCudaVersions=[12.4]),
    "default of another type": hub(env=[variable("number", default="1024")]),
    "pod": {**hub(), "type": "pod"},
    "config at the top": {**hub(), "containerDiskInGb": 20},
}


@pytest.mark.parametrize("said", DOCUMENTED.values(), ids=DOCUMENTED)
def test_the_schema_takes_what_the_guide_documents(said):
    schema("hub").validate(said)


@pytest.mark.parametrize("said", WRONG.values(), ids=WRONG)
def test_the_schema_refuses_what_the_hub_refuses(said):
    assert not schema("hub").is_valid(said)


TEST = {"name": "one", "input": {"prompt": "hi"}, "timeout": 10000}
TESTS = {"tests": [TEST], "config": {"gpuTypeId": "NVIDIA GeForce RTX 4090", "gpuCount": 1}}


@pytest.mark.parametrize(
    ("said", "good"),
    [
        (TESTS, True),
        ({**TESTS, "tests": [{"name": "one", "input": {}}]}, True),
        ({**TESTS, "config": {"cpuFlavor": "cpu3c", "env": [{"key": "A", "value": "b"}]}}, True),
        ({**TESTS, "config": {**TESTS["config"], "allowedCudaVersions": ["12.7"]}}, True),
        ({**TESTS, "tests": []}, False),
        ([TEST], False),
        ({**TESTS, "tests": [{**TEST, "input": "hi"}]}, False),
        ({**TESTS, "tests": [{**TEST, "timeout": 1.5}]}, False),
        ({**TESTS, "tests": [{**TEST, "expected_output": {}}]}, False),
        ({**TESTS, "config": {}}, False),
    ],
    ids=["gpu", "no timeout", "cpu", "versions", "no test", "bare list", "text", "half ms", "expected", "no machine"],
)
def test_the_schema_of_tests_takes_what_the_guide_documents_and_nothing_else(said, good):
    assert schema("tests").is_valid(said) is good


VARIABLES = (
    Variable("API_KEY", secret=True),
    Variable("MODEL", "owner/small"),
    Variable("STEPS", "20"),
    Variable("SCALE", "7.50"),
    Variable("FAST", "true"),
    Variable("LOUD", "False"),
    Variable("WHO", "you", optional=True),
    Variable("MAYBE", optional=True),
)


@pytest.mark.parametrize("build", [None, "cpu", "cu118", "cu124", "cu128", "cu130"])
def test_what_is_written_fits_the_schemas(build):
    made = draft(
        record({"prompt": "hi"}, 2.5),
        build=build,
        variables=VARIABLES,
        models=[Model("owner/small", "x", size=3 * GB)],
        weight_bytes=3 * GB,
        pins=["diffusers"],
    )
    said = json.loads(hub_json(made))
    schema("hub").validate(said)
    schema("tests").validate(json.loads(hub_tests(made)))
    assert said["config"]["runsOn"] == ("CPU" if build in (None, "cpu") else "GPU")
    assert (said["title"], said["description"], said["category"]) == ("Handler", "Says hello.", "image")


def test_variables_become_inputs_of_their_kind_and_give_back_their_very_text():
    env = {
        one["key"]: one["input"]
        for one in json.loads(hub_json(draft(variables=VARIABLES, models=MODELS)))["config"]["env"]
    }
    assert env["API_KEY"]["required"] is True
    assert "default" not in env["API_KEY"]
    assert env["MODEL"]["type"] == "huggingface"
    assert (env["STEPS"]["type"], env["STEPS"]["default"]) == ("number", 20)
    assert (env["SCALE"]["type"], env["SCALE"]["default"]) == ("string", "7.50")  # as a number it would become 7.5
    assert (env["FAST"]["default"], env["FAST"]["trueValue"]) == (True, "true")
    assert (env["LOUD"]["default"], env["LOUD"]["falseValue"]) == (False, "False")
    assert env["MAYBE"]["required"] is False


MODELS = (Model("owner/small", "AutoModel.from_pretrained", size=2 * GB),)


def test_a_test_is_the_bare_input_of_a_job_that_ran_with_time_for_a_cold_start():
    made = draft(record({"prompt": "hi"}, 10.0), record({"prompt": "hi"}), record({"n": 1}), models=MODELS)
    first, second = json.loads(hub_tests(made))["tests"]
    assert first == {"name": "handler_1", "input": {"prompt": "hi"}, "timeout": 120_000}
    assert second["timeout"] == 80_000


@pytest.mark.parametrize(
    "job_input",
    ["text", None, [1], {"api_key": "hunter2hunter2"}, {"image": "x" * 200_000}],
    ids=["text", "null", "list", "secret", "large"],
)
def test_an_input_that_the_hub_cannot_send_is_no_test(job_input):
    assert hub_tests(draft(record(job_input))) is None


def test_a_job_that_failed_is_no_test():
    assert hub_tests(draft(record({"a": 1}, answer={"error": "no"}))) is None


@pytest.mark.parametrize(
    ("used", "build", "first"),
    [(10 * GB, "cu124", "AMPERE_16"), (20 * GB, "cu124", "AMPERE_24"), (60 * GB, "cu124", "AMPERE_80")],
)
def test_the_pools_are_the_cheapest_that_hold_what_a_job_took(used, build, first):
    config = json.loads(hub_json(draft(record({}, gpu=on_gpu(used)), build=build)))["config"]
    ids = config["gpuIds"].split(",")
    assert ids[0] == first
    assert 1 <= len(ids) <= 3
    assert set(ids) <= {pool.id for pool in shipped().pools}


def test_without_a_measured_job_the_weights_choose_the_pool():
    small, large = (draft(build="cu124", weight_bytes=size * GB).machine for size in (2, 30))
    assert small.pools[0].memory_gb < 24 < large.pools[0].memory_gb
    assert not small.measured


def test_the_disk_holds_the_image_and_what_a_start_downloads():
    at_once = machine_of([], "cu124", image_bytes=22 * GB, weight_bytes=12 * GB)
    later = machine_of([], "cu124", image_bytes=10 * GB, weight_bytes=12 * GB, later_bytes=12 * GB)
    assert at_once.disk_gb == later.disk_gb == 30
    assert machine_of([], None, image_bytes=0, weight_bytes=0).disk_gb == 10


@pytest.mark.parametrize(
    ("pool", "build", "runs"),
    [
        ("ADA_80_PRO", "cu118", True),
        ("HOPPER_141", "cu124", True),
        ("BLACKWELL_180", "cu126", False),
        ("ADA_32_PRO", "cu128", True),
        ("AMPERE_16", "cu102", False),
        ("of tomorrow", "cu124", True),
        ("BLACKWELL_180", "cpu", True),
    ],
)
def test_a_build_runs_on_the_cards_that_it_has_code_for(pool, build, runs):
    assert runs_on(pool, build) is runs


def test_the_driver_is_at_least_as_new_as_the_build():
    assert cuda_versions("cu126")[:2] == ("12.6", "12.7")
    assert cuda_versions("cpu") == cuda_versions(None) == ()


@pytest.mark.parametrize(
    ("answer", "pins", "category"),
    [
        ({"vectors": [[0.5] * 384]}, ["pillow"], "embedding"),
        ({"scores": [0.5] * 3}, [], "language"),
        ("text", ["soundfile", "torch"], "audio"),
        ("text", ["transformers"], "language"),
        ("text", ["pillow"], "image"),
    ],
)
def test_the_category_follows_from_the_answer_and_the_packages(answer, pins, category):
    assert json.loads(hub_json(draft(record({}, answer=answer), pins=pins)))["category"] == category


@pytest.mark.parametrize(("name", "title"), [("text_to_image", "Text to image"), ("__x", "X"), ("_", "Worker")])
def test_a_title_is_made_to_be_read(name, title):
    assert title_of(name) == title
