"""What a worker posts for every return value, exception and kind of handler (facts/runpod-contract.md 10.1-10.3)."""

from __future__ import annotations

import asyncio
import collections
import contextvars
import datetime
import decimal
import enum
import functools
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from runpod.serverless.utils.rp_debugger import FunctionTimer

import rp_notebook
from rp_notebook import JobRecord, arun_job, run_job
from rp_notebook.jobs.runner import RENDER_DEPTH, RENDER_ITEMS, UNKNOWN_SDK, _is_foreign

JOB = {"id": "job-1", "input": {"n": 3}}


class Colour(str, enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


RETURNED = [
    ("hi", '{"output": "hi"}'),
    (None, '{"output": null}'),
    (True, '{"output": true}'),
    (False, '{"output": false}'),
    (3, '{"output": 3}'),
    (1.5, '{"output": 1.5}'),
    ({}, "{}"),
    ([], '{"output": []}'),
    ("", '{"output": ""}'),
    (0, '{"output": 0}'),
    ({"output": {"a": 1}}, '{"output": {"output": {"a": 1}}}'),
    ((1, 2), '{"output": [1, 2]}'),
    ({"error": "bad", "x": 1}, '{"output": {"x": 1}, "error": "bad"}'),
    ({"error": "bad"}, '{"error": "bad"}'),
    ({"error": ""}, "{}"),
    ({"error": None, "x": 1}, '{"output": {"x": 1}}'),
    ({"error": {"code": 1}}, '{"error": {"code": 1}}'),
    ({"errors": ["e"]}, '{"output": {"errors": ["e"]}}'),
    ({"refresh_worker": True}, '{"stopPod": true}'),
    ({"refresh_worker": True, "x": 1}, '{"output": {"x": 1}, "stopPod": true}'),
    ({"refresh_worker": "no", "x": 1}, '{"output": {"x": 1}, "stopPod": true}'),
    ({"error": "bad", "refresh_worker": True, "x": 2}, '{"output": {"x": 2}, "error": "bad", "stopPod": true}'),
    ({"stopPod": True}, '{"output": {"stopPod": true}}'),
    (collections.OrderedDict(error="bad"), '{"error": "bad"}'),
    (float("nan"), '{"output": NaN}'),
    ([float("inf")], '{"output": [Infinity]}'),
    ("hé你😀", '{"output": "hé你😀"}'),
    ({1: "a", None: "b"}, '{"output": {"1": "a", "null": "b"}}'),
    (Colour.RED, '{"output": "red"}'),
    (Level.LOW, '{"output": 1}'),
    (np.float64(0.5), '{"output": 0.5}'),
    (np.str_("s"), '{"output": "s"}'),
]

LOST = [
    ({1, 2}, "output is set: not JSON"),
    (b"x", "output is bytes: not JSON"),
    (datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc), "output is datetime.datetime: not JSON"),
    (decimal.Decimal("1.5"), "output is decimal.Decimal: not JSON"),
    (object(), "output is object: not JSON"),
    (np.float32(1), "output is numpy.float32: not JSON"),
    ({"boxes": [1, {"score": np.int64(2)}]}, "output.boxes[1].score is numpy.int64: not JSON"),
    ({"a b": {2: np.bool_(1)}}, 'output["a b"][2] is numpy.bool: not JSON'),
    ({("a", 1): 2}, "output has the key ('a', 1) (tuple): keys must be text"),
    ({"error": {1, 2}}, "error is set: not JSON"),
    (types.MappingProxyType({"error": "bad"}), "output is mappingproxy: not JSON"),
    ("\ud800", "output holds a lone surrogate: not UTF-8"),
]


@pytest.mark.parametrize(("value", "body"), RETURNED, ids=lambda value: repr(value)[:40])
def test_a_returned_value_is_posted_as_the_sdk_posts_it(value: object, body: str) -> None:
    record = run_job(lambda job: value, JOB)
    assert [(post.kind, post.is_stream, post.body.decode()) for post in record.posts] == [("done", False, body)]
    assert record.lost is None


@pytest.mark.parametrize(("value", "why"), LOST, ids=[why for _value, why in LOST])
def test_a_value_that_is_not_json_is_lost_and_named(value: object, why: str) -> None:
    record = run_job(lambda job: value, JOB)
    assert (record.posts, record.lost, record.status) == ((), why, "IN_PROGRESS")


def test_a_circular_answer_is_lost() -> None:
    loop: dict[str, object] = {}
    loop["self"] = loop
    record = run_job(lambda job: [loop], JOB)
    assert (record.posts, record.lost) == ((), "output[0].self contains itself: not JSON")


def test_a_value_that_only_the_encoder_refuses_is_lost_with_its_words() -> None:
    class Fickle(dict):
        asked = 0

        def items(self):
            self.asked += 1
            if self.asked == 1:
                raise TypeError("not now")
            return super().items()

    assert run_job(lambda job: Fickle(a=1), JOB).lost == "the answer is not JSON: not now"


def test_the_error_is_taken_out_of_the_handlers_own_dict() -> None:
    shared = {"error": "bad", "x": 1}
    bodies = [run_job(lambda job: shared, JOB).posts[0].body for _ in range(2)]
    assert bodies == [b'{"output": {"x": 1}, "error": "bad"}', b'{"output": {"x": 1}}']


def test_an_array_of_several_numbers_fails_in_the_sdks_own_comparison() -> None:
    record = run_job(lambda job: np.array([1, 2]), JOB)
    assert record.status == "FAILED"
    assert json.loads(record.error)["error_type"] == "<class 'ValueError'>"


def test_a_25_mb_answer_is_posted_whole_and_called_too_large() -> None:
    record = run_job(lambda job: "x" * 25_000_000, JOB)
    assert len(record.posts[0].body) == 25_000_000 + len('{"output": ""}')
    assert record.status == "COMPLETED"
    assert [finding.code for finding in record.findings] == ["RPJ102"]


def test_an_exception_is_posted_as_six_keys_in_text() -> None:
    def handler(job):
        raise ValueError("boom")

    record = run_job(handler, JOB)
    assert list(record.posts[0].value) == ["error"]
    error = json.loads(record.error)
    assert list(error) == [
        "error_type",
        "error_message",
        "error_traceback",
        "hostname",
        "worker_id",
        "runpod_version",
    ]
    assert (error["error_type"], error["error_message"]) == ("<class 'ValueError'>", "boom")
    assert error["error_traceback"].startswith("Traceback (most recent call last):\n")
    assert "in handler" in error["error_traceback"]
    assert "runner.py" not in error["error_traceback"]
    assert record.status == "FAILED"


def _raise():
    raise ValueError("boom")


async def _failing(job):
    await asyncio.sleep(0)
    _raise()


def _failing_later(job):
    return _failing(job)


@pytest.mark.parametrize("handler", [_failing, _failing_later], ids=["async", "returns a coroutine"])
def test_a_traceback_begins_in_the_handlers_own_code(handler) -> None:
    lines = run_job(handler, JOB).exception["error_traceback"].splitlines()
    assert [line.rsplit(", in ")[-1] for line in lines if line.startswith("  File")] == ["_failing", "_raise"]


def test_an_error_outside_the_handlers_code_is_told_with_the_place_that_calls_it() -> None:
    assert run_job(lambda: 1, JOB).exception["error_traceback"].count("  File") == 1


def test_an_exception_without_a_message_is_still_an_error() -> None:
    def handler(job):
        raise ValueError

    assert json.loads(run_job(handler, JOB).error)["error_message"] == ""


def test_a_handler_without_parameters_fails_with_a_type_error() -> None:
    assert json.loads(run_job(lambda: 1, JOB).error)["error_type"] == "<class 'TypeError'>"


def test_asyncio_run_in_a_sync_handler_fails_as_it_does_in_a_worker() -> None:
    async def work():
        return 1

    def handler(job):
        coroutine = work()
        try:
            return asyncio.run(coroutine)
        finally:
            coroutine.close()

    assert "running event loop" in json.loads(run_job(handler, JOB).error)["error_message"]


def test_an_exception_whose_text_fails_is_lost() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    def handler(job):
        raise Mute

    record = run_job(handler, JOB)
    assert (record.posts, record.status) == ((), "IN_PROGRESS")
    assert "no words" in (record.lost or "")


class Silent(dict):
    def __repr__(self) -> str:
        raise RuntimeError("unprintable")


class Unformatted(str):
    def __format__(self, spec) -> str:
        raise RuntimeError("unprintable")


class Unnamed(str):
    __slots__ = ()

    def __repr__(self) -> str:
        raise RuntimeError("unprintable")


def deep(value: object, levels: int) -> object:
    for _ in range(levels):
        value = [value]
    return value


def nested(least: int, most: int) -> list[object]:
    return [deep(1, levels) for levels in range(least, most)]


UNPRINTABLE = {
    "itself": lambda: Silent(a=1),
    "in a list": lambda: [1, Silent()],
    "in a tuple": lambda: (1, Silent()),
    "as a value": lambda: {"a": 1, "b": Silent()},
    "as a key": lambda: {Unnamed("k"): 1},
    "below others": lambda: [{"a": (0, [Silent()])}],
    "very deep": lambda: deep(Silent(), 150),
    "late": lambda: [0] * 999 + [Silent()],
    "a late value": lambda: {**dict.fromkeys("abcdef", 0), "last": Silent()},
    "formatted": lambda: Unformatted("x"),
}


@pytest.mark.parametrize("make", UNPRINTABLE.values(), ids=UNPRINTABLE)
def test_an_answer_that_cannot_be_rendered_is_the_handlers_error(make) -> None:
    record = run_job(lambda job: make(), JOB)
    assert record.exception["error_message"] == "unprintable"
    assert list(record.answer) == ["error"]


@pytest.mark.parametrize("make", UNPRINTABLE.values(), ids=UNPRINTABLE)
@pytest.mark.parametrize("stream", [True, False], ids=["generator", "async generator"])
def test_an_item_that_cannot_be_rendered_is_the_generators_error(stream: bool, make) -> None:
    record = run_job((gen if stream else agen)(make()), JOB)
    assert record.error.startswith("handler: unprintable \ntraceback: ")
    assert record.items == []


@pytest.mark.parametrize(
    "handler", [lambda job: Unnamed("x"), lambda job: (yield Unnamed("x"))], ids=["plain", "stream"]
)
def test_what_only_fails_in_the_sdks_own_log_loses_the_job(handler) -> None:
    record = run_job(handler, JOB)
    assert (record.posts, record.lost) == (
        (),
        "RuntimeError while the answer was prepared: RuntimeError: unprintable",
    )


@pytest.mark.parametrize(
    ("value", "foreign"),
    [
        ([1, {"a": (None, "x", 1.5, True)}], False),
        (deep(1, RENDER_DEPTH - 1), False),
        (deep(1, RENDER_DEPTH), True),
        ([0] * RENDER_ITEMS + [object()], False),
        ([0] * (RENDER_ITEMS - 1) + [object()], True),
        ({**dict.fromkeys(range(RENDER_ITEMS), 0), "last": object()}, False),
        ([[0] * RENDER_ITEMS, [object()]], False),
        ((), False),
        (b"", True),
    ],
    ids=["plain", "deep", "too deep", "after the first", "among the first", "values", "level", "empty", "bytes"],
)
def test_only_what_is_not_plain_is_rendered_and_only_the_first_of_it_looked_at(value: object, foreign: bool) -> None:
    assert _is_foreign(value) is foreign
    assert (RENDER_ITEMS, RENDER_DEPTH) == (1000, 100)


@pytest.mark.parametrize(
    ("raised", "word"),
    [(SystemExit(3), "sys.exit(3)"), (asyncio.CancelledError(), "CancelledError"), (KeyboardInterrupt(), "Keyboard")],
    ids=["exit", "cancelled", "keyboard"],
)
@pytest.mark.parametrize("kind", ["sync", "async", "generator", "async generator"])
def test_what_ends_a_worker_or_its_task_posts_nothing(raised: BaseException, word: str, kind: str) -> None:
    def sync(job):
        raise raised

    async def coroutine(job):
        raise raised

    def generator(job):
        yield 1
        raise raised

    async def async_generator(job):
        yield 1
        raise raised

    handlers = {"sync": sync, "async": coroutine, "generator": generator, "async generator": async_generator}
    record = run_job(handlers[kind], JOB)
    assert [post.kind for post in record.posts] == (["stream"] if "generator" in kind else [])
    assert word in (record.lost or "")
    if isinstance(raised, asyncio.CancelledError):  # the worker goes on, and nobody knows that no answer comes
        assert (record.status, record.outcome, record.error) == ("IN_PROGRESS", "LOST", None)
    else:
        assert (record.status, record.outcome, record.error) == ("FAILED", "FAILED", record.lost)


def posted(record: JobRecord) -> list[tuple[str, bool, str]]:
    return [(post.kind, post.is_stream, post.body.decode()) for post in record.posts]


def gen(*items: object):
    def handler(job):
        yield from items
        return "ignored"

    return handler


def agen(*items: object):
    async def handler(job):
        for item in items:
            await asyncio.sleep(0)
            yield item

    return handler


def stream(*bodies: str) -> list[tuple[str, bool, str]]:
    return [("stream", False, body) for body in bodies]


@pytest.mark.parametrize("make", [gen, agen], ids=["generator", "async generator"])
@pytest.mark.parametrize(
    ("items", "aggregate", "streamed", "final"),
    [
        ((1, 2), False, ('{"output": 1}', '{"output": 2}'), '{"output": []}'),
        ((1, 2), True, ('{"output": 1}', '{"output": 2}'), '{"output": [1, 2]}'),
        ((), False, (), '{"output": []}'),
        ((None,), True, ('{"output": null}',), '{"output": [null]}'),
        ((1, {"error": "oops", "x": 1}, 2), False, ('{"output": 1}',), '{"error": "oops"}'),
        ((1, {"error": {"code": 1}}), True, ('{"output": 1}',), '{"error": "{\'code\': 1}"}'),
        (({"error": ""},), False, ('{"output": {"error": ""}}',), '{"output": []}'),
        (({"refresh_worker": True},), False, ('{"output": {"refresh_worker": true}}',), '{"output": []}'),
        ((1, {1, 2}, 3), False, ('{"output": 1}', '{"output": 3}'), '{"output": []}'),
    ],
    ids=["plain", "aggregate", "empty", "none", "error", "error dict", "empty error", "refresh", "unencodable"],
)
def test_a_generator_streams(make, items, aggregate, streamed, final) -> None:
    record = run_job(make(*items), JOB, aggregate=aggregate)
    assert posted(record) == [*stream(*streamed), ("done", True, final)]


def test_an_aggregate_with_an_unencodable_item_is_lost() -> None:
    record = run_job(gen(1, {1, 2}, 3), JOB, aggregate=True)
    assert posted(record) == stream('{"output": 1}', '{"output": 3}')
    assert record.lost == "output[1] is set: not JSON"
    assert record.dropped == ("output is set: not JSON",)


def test_a_generator_that_raises_ends_with_plain_text() -> None:
    def handler(job):
        yield 1
        raise ValueError("boom")

    record = run_job(handler, JOB)
    assert posted(record)[0] == ("stream", False, '{"output": 1}')
    assert record.posts[1].is_stream
    assert record.error.startswith("handler: boom \ntraceback: Traceback (most recent call last):\n")
    assert record.status == "FAILED"


def test_config_refresh_adds_stop_pod_to_every_ending() -> None:
    assert posted(run_job(lambda job: 1, JOB, refresh=True)) == [("done", False, '{"output": 1, "stopPod": true}')]
    assert posted(run_job(gen(), JOB, refresh=True)) == [("done", True, '{"output": [], "stopPod": true}')]
    assert b'"stopPod": true' in run_job(lambda: 1, JOB, refresh=True).posts[0].body


class Service:
    def bound(self, job):
        yield job["input"]["n"]

    def __call__(self, job):
        yield 1


@pytest.mark.parametrize(
    "handler",
    [Service().bound, functools.partial(lambda extra, job: (yield extra), 3)],
    ids=["bound method", "partial"],
)
def test_bound_and_partial_generators_stream(handler) -> None:
    assert posted(run_job(handler, JOB)) == [*stream('{"output": 3}'), ("done", True, '{"output": []}')]


def test_generators_that_the_sdk_does_not_see_are_lost() -> None:
    def inner(job):
        yield 1

    @functools.wraps(inner)
    def wrapped(job):
        return inner(job)

    for handler in (wrapped, lambda job: inner(job), Service()):
        record = run_job(handler, JOB)
        assert (record.posts, record.lost) == ((), "output is generator: not JSON")


@pytest.mark.parametrize("style", ["async def", "returns a coroutine", "async call"])
def test_an_awaitable_answer_is_awaited(style: str) -> None:
    async def work(job):
        await asyncio.sleep(0.001)
        return asyncio.current_task() is not None

    class Callable:
        async def __call__(self, job):
            return await work(job)

    handler = {"async def": work, "returns a coroutine": lambda job: work(job), "async call": Callable()}[style]
    assert posted(run_job(handler, JOB)) == [("done", False, '{"output": true}')]


def test_a_loop_runs_while_a_sync_handler_does_and_none_after() -> None:
    record = run_job(lambda job: asyncio.get_running_loop().is_closed(), JOB)
    assert record.output is False
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_a_sync_handler_sees_its_loop_running() -> None:
    def handler(job):
        work = asyncio.sleep(0)
        try:
            asyncio.get_event_loop().run_until_complete(work)
        finally:
            work.close()

    assert run_job(lambda job: asyncio.get_event_loop().is_running(), JOB).output is True
    assert run_job(handler, JOB).exception["error_message"] == "This event loop is already running"


PRECISION = contextvars.ContextVar("precision", default=0)


def _precise(job):
    PRECISION.set(PRECISION.get() + 1)
    return PRECISION.get()


async def _precise_async(job):
    await asyncio.sleep(0)
    return _precise(job)


def _precise_stream(job):
    yield _precise(job)


async def _precise_async_stream(job):
    yield _precise(job)


async def _both_ways(handler) -> list[JobRecord]:
    here = [run_job(handler, JOB)] if handler in (_precise, _precise_stream) else []
    return [*here, *[await arun_job(handler, JOB) for _ in range(2)]]


@pytest.mark.parametrize("handler", [_precise, _precise_async, _precise_stream, _precise_async_stream])
def test_what_a_handler_sets_in_a_context_variable_ends_with_its_job(handler) -> None:
    records = [run_job(handler, JOB) for _ in range(2)] + asyncio.run(_both_ways(handler))
    assert {(record.items or [record.output])[0] for record in records} == {1}
    assert PRECISION.get() == 0


def test_a_sync_handlers_awaitable_sees_what_it_set_before() -> None:
    async def reads():
        return PRECISION.get()

    def handler(job):
        PRECISION.set(5)
        return reads()

    assert (run_job(handler, JOB).output, asyncio.run(arun_job(handler, JOB)).output) == (5, 5)


def test_a_function_timer_times_every_job() -> None:
    timed = FunctionTimer(_precise)
    assert [run_job(timed, JOB).output for _ in range(2)] == [1, 1]


def test_what_a_handler_binds_to_its_loop_still_works_in_the_next_job() -> None:
    made: list[asyncio.Future[int]] = []

    async def handler(job):
        if not made:
            made.append(asyncio.get_running_loop().create_future())
            return "made"
        asyncio.get_running_loop().call_later(0.001, made[0].set_result, 7)
        return await made[0]

    assert [run_job(handler, JOB).output for _ in range(2)] == ["made", 7]


def test_the_handler_gets_the_input_as_json_gives_it() -> None:
    record = run_job(lambda job: [type(job["input"]["pair"]).__name__, list(job["input"])], {"pair": (1, 2), 3: 4})
    assert record.output == ["list", ["pair", "3"]]


def test_a_handler_that_changes_its_input_does_not_change_the_callers() -> None:
    mine = {"input": {"items": [1]}}
    run_job(lambda job: job["input"]["items"].append(2), mine)
    assert mine == {"input": {"items": [1]}}


def test_jobs_run_without_the_sdk() -> None:
    code = (
        "import sys; from rp_notebook import run_job; found = run_job(lambda job: job['input'], 7).output, "
        "run_job(lambda: 1, 7).exception['runpod_version']; print(*found, 'runpod' in sys.modules)"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(rp_notebook.__file__).parents[1])}
    without_packages = [sys.executable, "-S", "-c", code]
    told = subprocess.run(without_packages, env=environ, capture_output=True, text=True, check=True).stdout
    assert told == f"7 {UNKNOWN_SDK} False\n"


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there, encoding and rendering have a limit of their own")
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "generator"])
def test_what_is_too_deep_to_encode_is_named(stream: bool) -> None:
    records = [run_job(gen(value) if stream else lambda job, value=value: value, JOB) for value in nested(800, 1000)]
    whys = [why for record in records for why in (record.lost, *record.dropped) if why]
    assert any(why.endswith("... is nested more than 900 deep: not JSON") for why in whys)


def test_exits_leave_no_trace_on_the_interpreter() -> None:
    run_job(lambda job: sys.exit(3), JOB)
    assert run_job(lambda job: 1, JOB).output == 1
