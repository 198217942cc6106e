"""From what a person types to the job that a handler gets."""

from __future__ import annotations

import json
import re

import pytest

from rp_notebook.errors import BadInput
from rp_notebook.jobs.request import refuse_oversized, request_of


def circular() -> list[object]:
    found: list[object] = []
    found.append(found)
    return found


def deep() -> list[object]:
    found: list[object] = []
    for _ in range(100_000):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("job", "told"),
    [
        ({1}, "input is set: not JSON. write sorted(...) or list(...) around it"),
        ({"input": {"a": b"x"}}, "input.a is bytes: not JSON. send base64.b64encode(...).decode()"),
        ({"input": 1, "policy": {2}}, "policy is set: not JSON. write sorted(...) or list(...) around it"),
        ("\ud800", "input holds a lone surrogate: not UTF-8. clean the text with"),
        (circular(), "input[0] contains itself: not JSON. send only the part that the handler needs"),
        (deep(), "is nested more than 900 deep: not JSON. send only the part that the handler needs"),
    ],
    ids=["set", "bytes", "another key", "surrogate", "circular", "deep"],
)
def test_what_is_not_json_is_refused_with_its_place_and_the_fix(job: object, told: str) -> None:
    with pytest.raises(BadInput, match=re.escape(told)) as refused:
        request_of(job)
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(("mode", "form"), [("run", r"[0-9a-f-]{36}-u1"), ("runsync", r"sync-[0-9a-f-]{36}-u1")])
@pytest.mark.parametrize("job", [{"a": 1}, {"input": {"a": 1}}, {"id": 5, "input": {"a": 1}}])
def test_a_missing_id_is_made_up_in_the_platforms_form(job, mode, form) -> None:
    request = request_of(job, mode=mode)
    assert re.fullmatch(form, request.id)
    assert request.decoded() == {"id": request.id, "input": {"a": 1}}


def test_a_whole_job_keeps_its_id_and_its_other_keys() -> None:
    job = {"webhook": "w", "id": "mine", "input": "é"}
    request = request_of(job)
    assert (request.id, json.loads(request.body), list(request.decoded())) == ("mine", job, list(job))
    assert request.size == len(json.dumps(job, ensure_ascii=False).encode())
    with pytest.raises(AttributeError):
        request.id = "other"


@pytest.mark.parametrize(
    ("megabytes", "mode", "told"),
    [
        (10.1, "run", "the request is 10.1 MB and /run takes 10 MB; --mode runsync takes up to 20 MB: send a URL"),
        (20.1, "run", "the request is 20.1 MB and /run takes 10 MB: send a URL"),
        (20.1, "runsync", "the request is 20.1 MB and /runsync takes 20 MB: send a URL"),
        (9.9, "run", None),
        (19.9, "runsync", None),
    ],
)
def test_a_request_over_the_limit_of_its_route_is_refused(megabytes: float, mode, told: str | None) -> None:
    request = request_of("x" * int(megabytes * 1_000_000), mode=mode)
    if told is None:
        refuse_oversized(request, mode)
    else:
        with pytest.raises(BadInput, match=re.escape(told)):
            refuse_oversized(request, mode)
