"""What clients send: what passes, what a worker gets of it, and what is refused."""

import gzip
import json

import pytest

from rp_notebook.endpoint.asked import asked_of, asked_openai, ttl_of
from rp_notebook.errors import RequestRefused


def given(body, mode="run"):
    return asked_of(body if isinstance(body, bytes) else json.dumps(body).encode(), mode)


@pytest.mark.parametrize(
    ("mode", "form"),
    [("run", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-u1"), ("runsync", r"sync-[0-9a-f]{8}-.*-u1")],
)
def test_ids_have_the_platforms_form(mode, form):
    import re

    asked = given({"input": {}}, mode)
    assert re.fullmatch(form, asked.request.id)
    assert asked.request.decoded()["id"] == asked.request.id


@pytest.mark.parametrize("value", [{}, None, 0, "text", [1], {"a": {"b": None}}], ids=repr)
def test_any_json_is_an_input(value):
    assert given({"input": value}).request.decoded()["input"] == value


def test_what_the_platform_does_not_know_is_dropped_and_the_rest_is_passed_on():
    known = {
        "input": {"a": "é\u2028"},
        "webhook": "https://example.com/x",
        "policy": {"executionTimeout": 5000, "ttl": 10000, "lowPriority": True},
        "s3Config": {"bucketName": "b"},
    }
    asked = given({"id": "mine", "foo": 1, **known})
    assert asked.request.decoded() == {"id": asked.request.id, **known}
    assert (asked.timeout_s, asked.ttl_s, asked.low_priority, asked.webhook) == (5, 10, True, "https://example.com/x")
    plain = given(known)
    assert plain.request.decoded() == {"id": plain.request.id, **known}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[1]",
        b"{}",
        b'{"inputs": 1}',
        b'{"input": NaN}',
        b"\xff\xfe",
        b'\xef\xbb\xbf{"input": 1}',
        b'{"input": 1} x',
        b'{"input": ' + b"1" * 5000 + b"}",
        b'{"input": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"input": 1, "policy": 1}',
        b'{"input": 1, "policy": {"ttl": 1}}',
        b'{"input": 1, "policy": {"executionTimeout": "5000"}}',
        b'{"input": 1, "policy": {"lowPriority": 1}}',
        b'{"input": 1, "s3Config": []}',
        b'{"input": 1, "webhook": "ftp://x"}',
        b'{"input": 1, "webhook": "http://x:99999"}',
        b'{"input": 1, "webhook": 5}',
    ],
    ids=lambda body: repr(body[:40]),
)
def test_what_cannot_be_a_job_is_a_400(body):
    with pytest.raises(RequestRefused) as refused:
        given(body)
    assert refused.value.status == 400


def test_a_packed_body_is_refused_as_one():
    with pytest.raises(RequestRefused, match="send it as it is"):
        given(gzip.compress(b'{"input": 1}'))


def test_what_passes_can_be_read_where_the_stack_is_deeper():
    deep = b'{"input": ' + b"[" * 400 + b"]" * 400 + b"}"

    def below(frames):
        return given(deep).request.decoded() if frames == 0 else below(frames - 1)

    assert below(100)["input"]


@pytest.mark.parametrize(("mode", "limit"), [("run", 10_000_000), ("runsync", 20_000_000)])
def test_a_body_over_the_limit_is_a_413(mode, limit):
    body = b'{"input": "%s"}'
    fits = body % (b"x" * (limit - len(body) + 2))
    assert len(fits) == limit
    assert given(fits, mode).request.decoded()["input"]
    with pytest.raises(RequestRefused) as refused:
        given(fits + b" ", mode)
    assert refused.value.status == 413


def test_an_openai_call_is_a_job_with_its_route():
    asked = asked_openai("/v1/chat/completions", b'{"stream": true}')
    assert asked.request.decoded()["input"] == {
        "openai_route": "/v1/chat/completions",
        "openai_input": {"stream": True},
    }
    assert asked_openai("/v1/models", b"").request.decoded()["input"]["openai_input"] is None


@pytest.mark.parametrize("text", ["", "x", "9999", "604800001", "1e5"])
def test_a_ttl_outside_its_limits_is_refused(text):
    with pytest.raises(RequestRefused):
        ttl_of(text)
    assert ttl_of("10000") == 10
