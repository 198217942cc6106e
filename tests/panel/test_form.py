"""The form for a job's input: the control that suits each key, with its limits."""

from __future__ import annotations

import pytest

from rp_notebook.export.input_fields import input_fields
from rp_notebook.panel.form import form_of, form_of_schema, sample_of

MODULE = """
from typing import Literal, Annotated
from pydantic import BaseModel, Field
class Given(BaseModel):
    prompt: str
    steps: int = Field(20, ge=1, le=100, description="how many")
    strength: float = Field(0.5, ge=0, le=1)
    fast: bool = False
    style: Literal["oil", "ink"] = "oil"
    tags: list[str] = []
    init_image: str | None = None
    voice: str | None = None
    image_url: str = ""
    seed: int | None = None
    name: str = Field("xyz", min_length=3)
def handler(job):
    given = Given(**job["input"])
    return job["input"]["whatever"]
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("prompt", {"control": "text", "required": True}),
        ("steps", {"control": "integer", "low": 1, "high": 100, "default": 20, "about": "how many", "required": False}),
        ("strength", {"control": "number", "low": 0, "high": 1, "default": 0.5}),
        ("fast", {"control": "boolean", "default": False}),
        ("style", {"control": "choice", "choices": ["oil", "ink"], "default": "oil"}),
        ("tags", {"control": "json", "default": []}),
        ("init_image", {"control": "image", "default": None}),
        ("voice", {"control": "audio"}),
        ("image_url", {"control": "text", "default": ""}),
        ("seed", {"control": "integer", "default": None}),
        ("name", {"control": "text", "rule": "length >= 3"}),
        ("whatever", {"control": "any", "required": True}),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_each_key_gets_the_control_that_suits_it(name: str, expected: dict) -> None:
    fields = {field["name"]: field for field in form_of(input_fields(MODULE, "handler"))}
    assert {key: fields[name].get(key, "nothing") for key in expected} == expected


def test_an_example_has_the_keys_that_must_be_there() -> None:
    text = "def handler(job):\n    given = job['input']\n"
    reads = "int(given['n'])", "float(given['x'])", "given['prompt'].upper()", "given.get('seed', 3)", "given['scores']"
    module = text + "".join(f"    {each}\n" for each in reads)
    sample = {"n": 1, "x": 1.0, "prompt": "...", "scores": "..."}
    assert sample_of(form_of(input_fields(module, "handler"))) == sample


@pytest.mark.parametrize(
    ("rule", "low", "high"),
    [
        ("0 < x < 100", 0, 100),
        ("x >= -1 and x <= 4.5", -1, 4.5),
        ("1 <= len(x) <= 5", None, None),
        ("x > y and z", None, None),
        ("length >= 3", None, None),
        ("not Python (", None, None),
    ],
)
def test_a_slider_has_the_limits_of_the_rule(rule: str, low: object, high: object) -> None:
    module = f"SCHEMA = {{'n': {{'type': float, 'required': True, 'constraints': lambda x: {rule}}}}}"
    if rule.startswith(("length", "not")):
        module = "SCHEMA = {'n': {'type': float, 'required': True}}"
    text = f"{module}\ndef handler(job):\n    return validate(job['input'], SCHEMA)\n"
    (field,) = form_of(input_fields(text, "handler"))
    assert (field.get("low"), field.get("high")) == (low, high)


def test_a_whole_number_begins_beyond_its_limit() -> None:
    text = "S = {'n': {'type': int, 'required': True, 'constraints': lambda x: 0 < x < 100}}\n"
    (field,) = form_of(input_fields(f"{text}def handler(job):\n    return validate(job['input'], S)\n", "handler"))
    assert (field["low"], field["high"]) == (1, 99)


def test_a_constraint_that_names_its_values_is_a_choice() -> None:
    text = "S = {'n': {'type': str, 'required': False, 'default': 'a', 'constraints': lambda x: x in ['a', 'b']}}\n"
    (field,) = form_of(input_fields(f"{text}def handler(job):\n    return validate(job['input'], S)\n", "handler"))
    assert (field["control"], field["choices"], field["default"]) == ("choice", ["a", "b"], "a")


def test_a_schema_without_its_text_gives_types_and_defaults() -> None:
    schema = {"prompt": {"type": str, "required": True}, "n": {"type": (int, float), "default": 2}, "m": {"type": dict}}
    assert form_of_schema(schema) == [
        {"name": "prompt", "control": "text", "required": True},
        {"name": "n", "control": "number", "required": False, "default": 2},
        {"name": "m", "control": "json", "required": False},
    ]
