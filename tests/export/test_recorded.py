"""Jobs kept as tests: what a line holds, what stays out of it, and what a hand-written one may say."""

import json

import pytest

from rp_notebook.errors import BadInput
from rp_notebook.export.recorded import dump_jobs, error_parts, load_jobs, recorded
from rp_notebook.jobs.events import Cancelled, Completed, Lost, Started, TimedOut
from rp_notebook.jobs.job import Job, advance
from rp_notebook.jobs.posts import Post, post_of
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.request import request_of


def record_of(job, *posts, end=None):
    request = request_of(job)
    done = advance(Job(request.id, "handler", request), Started(1.0))
    return JobRecord(advance(done, end or Completed(2.0, posts[-1])), posts)


def kept(job, *posts, end=None):
    """The job after a round trip through the file."""
    one = recorded(record_of(job, *posts, end=end))
    (back,) = load_jobs(dump_jobs([one]))
    assert back == one
    return one


JOB = {"id": "j", "input": {"z": 1, "a": "é"}}


@pytest.mark.parametrize(
    "body",
    [b'{"output": {"z": 1, "a": "\xc3\xa9"}}', b'{"output":1}', b'{"output": NaN}', b'{"output": 1e2}', b"{}"],
    ids=["plain", "no blanks", "NaN", "another spelling", "empty"],
)
def test_a_body_survives_byte_for_byte(body):
    assert kept(JOB, Post("done", body)).posts[0].body == body


def test_streams_progress_and_the_whole_request_survive():
    posts = (
        post_of("stream", {"output": 1}),
        post_of("progress", {"status": "IN_PROGRESS", "output": 2}),
        post_of("done", {"output": []}, is_stream=True),
    )
    job = kept({**JOB, "webhook": "http://x", "policy": {"ttl": 10_000}}, *posts)
    assert [(post.kind, post.is_stream) for post in job.posts] == [
        ("stream", False),
        ("progress", False),
        ("done", True),
    ]
    assert job.request == {**JOB, "webhook": "http://x", "policy": {"ttl": 10_000}}
    assert list(job.request["input"]) == ["z", "a"]


def test_a_large_body_is_kept_by_hash():
    (post,) = kept(JOB, post_of("done", {"output": "x" * 200_000})).posts
    assert (post.body, post.bytes, len(post.sha256)) == (None, 200_014, 64)


def test_a_lost_job_says_why():
    assert kept(JOB, end=Lost(2.0, "output is set: not JSON")).lost == "output is set: not JSON"


@pytest.mark.parametrize(("end", "word"), [(Cancelled(2.0), "cancelled"), (TimedOut(2.0), "out of time")], ids=str)
def test_a_job_that_was_ended_from_outside_cannot_be_replayed(end, word):
    assert word in kept(JOB, end=end).skip


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"api_key": "abcdef"}, "input.api_key"),
        ({"apiKey": "abcdef"}, "input.apiKey"),
        ({"a": [{"HF_TOKEN": "abcdef"}]}, "input.a[0].HF_TOKEN"),
        ({"password": "abcdef"}, "input.password"),
        ({"credentials": {"user": "abcdef"}}, "input.credentials.user"),
        ({"text": "use hf_abcdefABCDEFabcdefABCDEF please"}, "input.text"),
        ({"text": "-----BEGIN RSA PRIVATE KEY-----\nabcdef"}, "input.text"),
        ({"text": "AKIA" + "ABCDEFGH" * 2}, "input.text"),
    ],
    ids=["key", "camel", "token", "password", "below", "hf", "pem", "aws"],
)
def test_a_secret_is_masked_and_the_job_says_that_it_cannot_run(given, path):
    job = kept({"id": "j", "input": given}, post_of("done", {"output": 1}))
    assert path in job.skip
    assert b"abcdef" not in dump_jobs([job])


@pytest.mark.parametrize(
    "given",
    [
        {"max_tokens": 100},
        {"eos_token": "</s>"},
        {"tokens": ["a"]},
        {"tokenizer": "bert"},
        {"api_key": ""},
        {"key": "v"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_what_only_sounds_like_a_secret_is_kept(given):
    job = kept({"id": "j", "input": given}, post_of("done", {"output": 1}))
    assert (job.skip, job.request["input"]) == (None, given)


def test_an_answer_that_repeats_a_secret_is_kept_by_hash():
    job = kept({"id": "j", "input": {"password": "abcdef"}}, post_of("done", {"output": "you said abcdef"}))
    assert job.posts[0].body is None


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (
            json.dumps(
                {"error_type": "<class 'E'>", "error_message": "m", "error_traceback": "/home/me", "hostname": "h"}
            ),
            ("<class 'E'>", "m"),
        ),
        ("handler: two\nlines \ntraceback: File /home/me", ("", "two\nlines")),
    ],
    ids=["plain", "generator"],
)
def test_of_an_error_the_type_and_message_are_kept_and_no_path(error, parts):
    job = kept(JOB, post_of("done", {"error": error}))
    assert error_parts(json.loads(job.posts[0].body)["error"]) == parts
    assert b"/home/me" not in dump_jobs([job])


@pytest.mark.parametrize("text", ["boom", "{not json", "{}", "[1]", '{"error_type": 1}'], ids=str)
def test_another_error_text_has_no_parts(text):
    assert error_parts(text) is None


def test_the_same_jobs_give_the_same_bytes_with_sorted_keys():
    jobs = [recorded(record_of(JOB, post_of("done", {"output": 1})))] * 2
    lines = dump_jobs(jobs).splitlines()
    assert lines[0] == lines[1]
    assert list(json.loads(lines[0])) == ["id", "input", "posts"]


def test_hand_written_lines_need_only_an_input():
    first, second, third = load_jobs(
        b'{"input": {"a": 1}}\n\n{"input": 1, "output": [1.5]}\r\n{"input": 1, "expected": 2}'
    )
    assert (first.id, first.request, first.posts) == ("line-1", {"id": "line-1", "input": {"a": 1}}, ())
    assert [(post.kind, post.body) for post in (*second.posts, *third.posts)] == [
        ("output", b"[1.5]"),
        ("output", b"2"),
    ]
    assert load_jobs(dump_jobs([first, second, third])) == (first, second, third)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{", "line 2 is not JSON"),
        (b"[1]", "line 2: a JSON list"),
        (b"{}", 'line 2: there is no "input"'),
        (b'{"input": 1, "outputs": 2}', "line 2: unknown key 'outputs'"),
        (b'{"input": 1, "id": 5}', 'line 2: "id" is a JSON int'),
        (b'{"input": 1, "posts": [{"kind": "gone"}]}', "line 2: each of"),
        (b'{"input": 1, "posts": [{"kind": "done"}]}', "line 2: a post has one of"),
        (b'{"input": "\xff"}', "line 2 is not JSON"),
    ],
    ids=["cut", "list", "empty", "unknown key", "id", "kind", "no body", "not text"],
)
def test_a_bad_line_is_named(line, words):
    with pytest.raises(BadInput, match=words):
        load_jobs(b'{"input": 1}\n' + line)
