"""Bodies against bodies: what is the same, what is close, and where they differ."""

import json

import pytest

from rp_notebook.export.recorded import RecordedJob, recorded_body
from rp_notebook.jobs.posts import post_of
from rp_notebook.proof.comparison import compare_bodies, compare_job, error_line


def body(value):
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("before", "after", "likeness", "detail"),
    [
        ({"output": 1}, {"output": 1}, "same", ""),
        ({"output": {"a": 1, "b": 2}}, {"output": {"b": 2, "a": 1}}, "same", ""),
        ({"output": 0.91}, {"output": 0.91 * (1 + 1e-7)}, "close", "numbers differ by up to 1e-07 of their size"),
        ({"output": 0.0}, {"output": 1e-12}, "close", "numbers differ by up to 1 of their size"),
        ({"output": 1}, {"output": 1.0}, "same", ""),
        ({"output": {"scores": [1, 2, 0.91]}}, {"output": {"scores": [1, 2, 0.12]}}, "different",
         "output.scores[2]: 0.91 became 0.12"),
        ({"output": 1}, {"output": 2}, "different", "output: 1 became 2"),
        ({"output": 10**7}, {"output": 10**7 + 1}, "different", "output: 10000000 became 10000001"),
        ({"output": True}, {"output": 1}, "different", "output: true became 1"),
        ({"output": 0.0}, {"output": False}, "different", "output: 0.0 became false"),
        ({"output": None}, {}, "different", "output is gone"),
        ({}, {"output": None}, "different", "output is new: null"),
        ({"output": [1]}, {"output": [1, 2]}, "different", "output: 1 items became 2"),
        ({"output": {"a b": 1}}, {"output": {"a b": "1"}}, "different", 'output["a b"]: 1 became "1"'),
        ({"output": [1]}, {"output": {"a": 1}}, "different", 'output: [1] became {"a": 1}'),
        ({"output": float("nan")}, {"output": float("nan"), "stopPod": True}, "different", "stopPod is new: true"),
        ({"output": [float("nan"), 1.0]}, {"output": [float("nan"), 1.0 + 1e-9]}, "close",
         "numbers differ by up to 1e-09 of their size"),
        ({"output": float("nan")}, {"output": 1.0}, "different", "output: NaN became 1.0"),
        ({"output": float("inf")}, {"output": float("-inf")}, "different", "output: Infinity became -Infinity"),
        ({"error": "a"}, {"error": "b"}, "different", 'error: "a" became "b"'),
    ],
    ids=lambda value: json.dumps(value)[:30],
)  # fmt: skip
def test_bodies_are_compared_value_by_value(before, after, likeness, detail):
    found = compare_bodies(body(before), body(after))
    assert (found.likeness, found.detail) == (likeness, detail)


def test_a_wider_tolerance_lets_more_pass():
    assert compare_bodies(b"[1.0]", b"[1.05]", 0.1).likeness == "close"
    assert compare_bodies(b"[1.0]", b"[1.05]", 0.01).likeness == "different"


def test_bodies_that_are_no_json_must_be_equal():
    assert compare_bodies(b"{", b"{").likeness == "same"
    assert compare_bodies(b"{", b"[").likeness == "different"


def error(message, kind="<class 'ValueError'>", trace="here"):
    return json.dumps({"error_type": kind, "error_message": message, "error_traceback": trace, "hostname": trace})


@pytest.mark.parametrize(
    ("before", "after", "likeness"),
    [
        (error("boom"), error("boom", trace="there"), "same"),
        (error("boom"), error("bang"), "different"),
        (error("no <A object at 0x7f01>"), error("no <A object at 0x7fE2>"), "same"),
        (error("no <A object at 0x7f01>"), error("no <B object at 0x7f01>"), "different"),
        ("no <A object at 0x7f01>", "no <A object at 0x7f02>", "same"),
        (error("boom"), error("boom", kind="<class 'KeyError'>"), "different"),
        (error("boom"), "boom", "different"),
        ("handler: a \ntraceback: here", "handler: a \ntraceback: there", "same"),
        ("handler: a \ntraceback: here", "handler: b \ntraceback: here", "different"),
    ],
    ids=[
        *("trace", "message", "address", "other object", "address in plain text", "type", "plain text"),
        *("generator", "generator's message"),
    ],
)
def test_of_errors_type_and_message_count(before, after, likeness):
    assert compare_bodies(body({"error": before}), body({"error": after})).likeness == likeness


@pytest.mark.parametrize(
    ("kept", "after", "same"),
    [
        ("***", "Bearer *** and more", True),
        ("see ***@db/x and ***", "see me:pw@db/x and key", True),
        ("see *** now", "see  now", False),
        ("see *** now", "see it then", False),
        ("see *** now ***", "see x now", False),
        ("***", "", False),
        ("a *** b *** a", "a x b a", False),
    ],
)
def test_a_secret_that_was_not_kept_may_be_anything_and_what_stands_around_it_counts(kept, after, same):
    found = compare_bodies(body({"output": [kept]}), body({"output": [after]}))
    assert found.likeness == ("same" if same else "different")


def test_an_error_fits_one_line():
    assert error_line(error("a\nb")) == "ValueError: a b"
    assert error_line("handler: a \ntraceback: here") == "a"
    assert error_line({"code": 1}) == "{'code': 1}"


def job_of(*posts):
    kept = [recorded_body(post.kind, post.body, is_stream=post.is_stream) for post in posts]
    return RecordedJob("j", {"input": 1}, tuple(kept))


ITEM, OTHER = post_of("stream", {"output": 1}), post_of("stream", {"output": 2})
DONE, PLAIN = post_of("done", {"output": []}, is_stream=True), post_of("done", {"output": []})
HALF, FULL = (post_of("progress", {"status": "IN_PROGRESS", "output": n}) for n in (50, 100))


@pytest.mark.parametrize(
    ("recorded", "posted", "detail"),
    [
        ([ITEM, OTHER, DONE], [ITEM, OTHER, DONE], ""),
        ([ITEM, OTHER, DONE], [OTHER, ITEM, DONE], "stream item 1: output: 1 became 2"),
        ([ITEM, OTHER, DONE], [ITEM, DONE], "2 streamed items became 1"),
        ([ITEM, DONE], [ITEM, OTHER, DONE], "1 streamed items became 2"),
        ([DONE], [PLAIN], "isStream: true became false"),
        ([HALF, FULL, PLAIN], [PLAIN, FULL, HALF], ""),
        ([HALF, FULL, PLAIN], [HALF, PLAIN], "progress update: it did not come"),
        ([HALF, PLAIN], [FULL, PLAIN], "progress update: output: 50 became 100"),
        ([HALF, PLAIN], [HALF, HALF, PLAIN], "1 progress updates became 2"),
    ],
    ids=["same", "order", "fewer", "more", "isStream", "late progress", "no progress", "other progress", "twice"],
)
def test_the_posts_of_a_job_are_compared(recorded, posted, detail):
    found = compare_job(job_of(*recorded), posted)
    assert (found.likeness, found.detail) == ("different" if detail else "same", detail)


def test_a_hashed_body_must_be_equal():
    big = post_of("done", {"output": "x" * 200_000})
    assert compare_job(job_of(big), [big]).likeness == "same"
    found = compare_job(job_of(big), [post_of("done", {"output": "y"})])
    assert found.detail.startswith("200,014 bytes became 15 ")


@pytest.mark.parametrize(
    ("posted", "detail"),
    [
        ([post_of("done", {"output": [1, 2.0]})], ""),
        ([ITEM, OTHER, DONE], ""),
        ([ITEM, post_of("done", {"output": [1, 2]}, is_stream=True)], ""),
        ([post_of("done", {"output": [1]})], "output: 2 items became 1"),
        ([post_of("done", {"error": error("boom")})], "an error instead of an output: ValueError: boom"),
    ],
    ids=["plain", "streamed", "aggregated", "other", "error"],
)
def test_an_output_is_compared_as_a_client_reads_it(posted, detail):
    found = compare_job(RecordedJob("j", {}, (recorded_body("output", b"[1, 2]"),)), posted)
    assert found.detail == detail
