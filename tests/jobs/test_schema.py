"""Input schemas: every rule is evaluated, and what the SDK's validator would do differently is told."""

from __future__ import annotations

import pytest
from runpod.serverless.utils.rp_validator import validate

from rp_notebook.errors import BadDeclaration, BadInput
from rp_notebook.jobs.schema import checked_schema, refuse_unfit, schema_findings

SCHEMA = {
    "prompt": {"type": str, "required": True, "constraints": lambda text: len(text) < 10},
    "steps": {"type": int, "required": False, "default": 20, "constraints": lambda n: 0 < n <= 50},
    "scale": {"type": float, "required": False, "default": None},
    "size": {"type": int | str, "required": False, "default": "small"},
}


@pytest.mark.parametrize(
    "given",
    [{"prompt": "a"}, {"prompt": "a", "steps": 50, "scale": 1, "size": 3}, {"prompt": "a", "scale": None}],
    ids=["least", "all", "null default"],
)
def test_what_fits_passes(given) -> None:
    refuse_unfit(given, checked_schema(SCHEMA))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "'prompt' is missing"),
        ({"prompt": 1}, "'prompt' should be str, not int (1)"),
        ({"prompt": "much too long"}, "'prompt' breaks its constraint"),
        ({"prompt": "a", "steps": -5}, "'steps' breaks its constraint (-5)"),
        ({"prompt": "a", "steps": True}, "'steps' should be int, not bool"),
        ({"prompt": "a", "stpes": 5}, "'stpes' is not in it"),
        ({"prompt": "a", "size": None}, "'size' should be int or str"),
        ([], "it is list, not an object"),
    ],
    ids=["missing", "type", "constraint", "dead constraint", "bool", "unknown", "null", "list"],
)
def test_what_does_not_fit_is_named(given, told: str) -> None:
    with pytest.raises(BadInput, match=r".+") as refusal:
        refuse_unfit(given, checked_schema(SCHEMA))
    assert told in str(refusal.value)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(BadInput) as refusal:
        refuse_unfit({"steps": "x", "other": 1}, SCHEMA)
    assert str(refusal.value).count(";") == 2


def test_a_constraint_that_the_sdk_never_evaluates_is_found() -> None:
    assert "errors" not in validate({"prompt": "a", "steps": -5}, SCHEMA)
    assert [(found.code, "'steps'" in found.message) for found in schema_findings(SCHEMA)] == [("RPJ140", True)]


@pytest.mark.parametrize(
    ("rule", "code"),
    [({"type": int, "default": 1}, "RPJ141"), ({"type": int, "required": False}, "RPJ142")],
    ids=["no required", "no default"],
)
def test_rules_that_make_the_sdk_refuse_are_found(rule, code: str) -> None:
    assert "errors" in validate({}, {"a": dict(rule)})
    assert [found.code for found in schema_findings({"a": rule})] == [code]


@pytest.mark.parametrize(
    "schema", [[], {"a": int}, {"a": {"type": "int"}}, {"a": {}}], ids=["list", "flat", "name", "empty"]
)
def test_what_is_no_schema_is_refused(schema) -> None:
    with pytest.raises(BadDeclaration):
        checked_schema(schema)
