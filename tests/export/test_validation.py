"""Inputs checked before the handler: by what the code says of them, or by the user's schema with every constraint."""

import asyncio
import json
import sys

import pytest

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.exporting import export_cells
from rp_notebook.jobs.declaration import Declaration

PLAIN = """
def handler(job):
    prompt: str = job["input"]["prompt"]
    mode = job["input"].get("mode", "fast")
    if mode not in ("fast", "good"):
        raise ValueError(mode)
    return [prompt, float(job["input"].get("scale", 1))]
"""
SCHEMA = """
SCHEMA = {
    "prompt": {"type": str, "required": True},
    "steps": {"type": int, "required": False, "default": 20, "constraints": lambda n: 0 < n <= 50},
    "seed": {"type": int | None, "required": False, "default": None},
}
"""


def exported(*cells, **declared):
    runs = [CellRun(number, text) for number, text in enumerate(cells, start=1)]
    return export_cells(runs, Declaration("handler", "handler", **declared), validate=True)


def started(result, tmp_path, monkeypatch):
    """The handler that the module would hand to the SDK."""
    import runpod

    for name in ("handler.py", "input_check.py"):
        (tmp_path / name).write_bytes(result.repo[name])
    given = []
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "input_check", raising=False)
    monkeypatch.setattr(runpod.serverless, "start", given.append)
    exec(compile(result.module, "handler.py", "exec"), {"__name__": "__main__"})
    return given[0]


@pytest.mark.parametrize(
    ("job_input", "wrong"),
    [
        ({"prompt": "x"}, None),
        ({"prompt": "x", "mode": "good", "unheard of": 1}, None),
        ({"prompt": "x", "scale": "2"}, None),
        ({}, "'prompt' is required"),
        ({"prompt": 3}, "'prompt' should be str, not int"),
        ({"prompt": "x", "mode": "slow"}, "'mode' should be one of 'fast', 'good'"),
        ("text", "input should be an object, not str"),
        ({"mode": 1}, "'prompt' is required; 'mode' should be str, not int"),
    ],
)
def test_an_input_is_held_to_what_the_code_says_for_certain(job_input, wrong, tmp_path, monkeypatch):
    config = started(exported(PLAIN), tmp_path, monkeypatch)
    answer = config["handler"]({"id": "j", "input": job_input})
    assert answer.get("error") == wrong if isinstance(answer, dict) else wrong is None


@pytest.mark.parametrize(
    ("job_input", "wrong"),
    [
        ({"prompt": "x", "steps": 50}, None),
        ({"prompt": "x", "steps": 51}, "'steps' breaks its constraint: 51"),
        ({"prompt": "x", "steps": True}, "'steps' should be int, not bool"),
        ({"prompt": "x", "seed": None}, None),
        ({"prompt": "x", "seed": "1"}, "'seed' should be int or NoneType, not str"),
        ({"prompt": "x", "unheard of": 1}, "'unheard of' is not an input"),
    ],
)
@pytest.mark.parametrize("how", ["named", "by the SDK's validator"])
def test_every_constraint_of_the_users_schema_is_evaluated(how, job_input, wrong, tmp_path, monkeypatch):
    if how == "named":
        result = exported(SCHEMA, "def handler(job):\n    return [1]", schema="SCHEMA")
    else:
        handler = "def handler(job):\n    return [validate(job['input'], SCHEMA)]"
        result = exported("from runpod.serverless.utils.rp_validator import validate", SCHEMA, handler)
    config = started(result, tmp_path, monkeypatch)
    answer = config["handler"]({"id": "j", "input": job_input})
    assert (answer["error"] if isinstance(answer, dict) else None) == wrong
    assert set(config) == {"handler"}


KINDS = {
    "generator": "def handler(job):\n    yield job['input']['a']\n    yield 2",
    "async generator": "async def handler(job):\n    yield job['input']['a']\n    yield 2",
    "coroutine": "async def handler(job):\n    return job['input']['a']",
}


@pytest.mark.parametrize("text", KINDS.values(), ids=KINDS)
def test_a_checked_handler_is_of_the_kind_that_it_was(text, tmp_path, monkeypatch):
    from runpod.serverless.modules.rp_handler import is_generator
    from runpod.serverless.modules.rp_job import run_job, run_job_generator

    config = started(exported(text, aggregate=True, concurrency=3), tmp_path, monkeypatch)
    assert config["return_aggregate_stream"] is True
    assert config["concurrency_modifier"](1) == 3

    async def told(job_input):
        job = {"id": "j", "input": job_input}
        if not is_generator(config["handler"]):
            return await run_job(config["handler"], job)
        return [item["output"] async for item in run_job_generator(config["handler"], job)]

    assert is_generator(config["handler"]) is ("yield" in text)
    good, bad = asyncio.run(told({"a": 1})), asyncio.run(told({}))
    assert good == ([1, 2] if "yield" in text else {"output": 1})
    assert bad == ([{"error": "'a' is required"}] if "yield" in text else {"error": "'a' is required"})


def test_the_module_stays_mapped_line_by_line_to_its_cells():
    result = exported("X = 1", SCHEMA, "def handler(job):\n    return X", schema="SCHEMA")
    text = result.module.splitlines()
    assert "from input_check import checked" in text
    assert len(result.lines) == len(text)
    for line, place in zip(text, result.lines, strict=True):
        if line.startswith("    return X"):
            assert place == (3, 2)
        if "checked" in line:
            assert place is None
    manifest = json.loads(result.repo["rp_manifest.json"])
    assert "input_check.py" in manifest["files"]


@pytest.mark.parametrize(
    "config", ["CONFIG", "dict(handler=handler)", "make_config(handler)"], ids=["variable", "call", "function"]
)
def test_a_config_in_which_no_handler_stands_is_refused(config):
    cells = [
        "import runpod\ndef make_config(h): return {'handler': h}",
        "def handler(job):\n    return 1",
        "CONFIG = {'handler': handler}",
    ]
    with pytest.raises(ExportRefused, match="RPX250"):
        exported(*cells, config=config)


def test_without_the_flag_nothing_is_checked():
    result = export_cells([CellRun(1, PLAIN)], Declaration("handler", "handler"))
    assert "input_check.py" not in result.repo
    assert "checked" not in result.module
