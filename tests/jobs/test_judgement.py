"""What bites only in production is said at the job, with a code and a fix."""

from __future__ import annotations

import asyncio
import collections
import functools
import sys
import types

import pytest
from runpod.serverless import progress_update
from runpod.serverless.utils import rp_validator
from runpod.serverless.utils.rp_validator import validate

from rp_notebook import JobRecord, run_job
from rp_notebook.jobs.events import Started
from rp_notebook.jobs.job import Job, advance
from rp_notebook.jobs.request import request_of

JOB = {"id": "job-1", "input": {"n": 1}}
FAILING = {"error": "bad"}


def codes(record: JobRecord) -> list[str]:
    assert all(finding.fix for finding in record.findings)
    return [finding.code for finding in record.findings]


def returns(value: object):
    return lambda job: dict(value) if isinstance(value, dict) else value


class Errors:
    CLASS = {"error": "bad"}

    def __init__(self) -> None:
        self.own = {"error": "bad"}

    def bound(self, job):
        return self.own

    def __call__(self, job):
        return self.CLASS


TABLE = {"bad": {"error": "bad"}, 1: {"error": "bad"}, (): {"error": "bad"}}
ROWS = [{"error": "bad"}]
PAIR = (None, {"refresh_worker": True})


def enclosed():
    kept = {"error": "bad"}
    return lambda job: kept


def defaulted(job, kept={"error": "bad"}):  # noqa: B006 (as users write it)
    return kept


def keyword(job, *, kept={"error": "bad"}):  # noqa: B006
    return kept


async def awaited(job):
    return TABLE[1]


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        (lambda job: Errors.CLASS, "Errors.CLASS"),
        (Errors().bound, "self.own"),
        (lambda job: TABLE["bad"], "TABLE['bad']"),
        (awaited, "TABLE[1]"),
        (lambda job: TABLE[()], "TABLE[...]"),
        (lambda job: ROWS[0], "ROWS[0]"),
        (lambda job: PAIR[1], "PAIR[1]"),
        (enclosed(), "kept"),
        (defaulted, "kept"),
        (keyword, "kept"),
        (functools.partial(lambda extra, job: ROWS[0], 1), "ROWS[0]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_dict_that_outlives_the_job_is_told_by_its_name(handler, name: str, monkeypatch) -> None:
    for kept in (Errors.CLASS, *TABLE.values(), *ROWS):
        monkeypatch.setitem(kept, "error", "bad")
    (finding,) = run_job(handler, JOB).findings
    assert (finding.code, finding.fix) == ("RPJ111", f"return a copy: dict({name})")


def test_a_callable_objects_own_dict_is_told() -> None:
    class Service:
        def __init__(self) -> None:
            self.kept = {"error": "bad"}

        def __call__(self, job):
            return self.kept

    (finding,) = run_job(Service(), JOB).findings
    assert finding.fix == "return a copy: dict(self.kept)"


def test_looking_for_a_dict_that_is_kept_runs_no_code_of_the_user(monkeypatch) -> None:
    class Fragile(dict):
        def __getattribute__(self, name):
            raise RuntimeError("touched")

        items = __iter__ = __repr__ = None

    class FragileList(list):
        __iter__ = None

    class Proxy:
        def __getattribute__(self, name):
            raise RuntimeError("touched")

    monkeypatch.setitem(globals(), "FRAGILE", [Fragile(a=1), FragileList([1]), Proxy()])
    for at, fragile in enumerate([Fragile(a=1), FragileList([1]), Proxy()]):
        monkeypatch.setitem(globals(), f"FRAGILE_{at}", fragile)
    assert run_job(lambda job: {"error": "bad"}, JOB).answer == {"error": "bad"}


@pytest.mark.parametrize("spoil", [lambda job: job.pop("id"), lambda job: job.clear()], ids=["deleted", "cleared"])
def test_an_answer_without_an_address_is_lost(spoil) -> None:
    record = run_job(spoil, JOB)
    assert (record.posts, record.lost) == ((), "KeyError while the answer was prepared: KeyError: 'id'")
    assert codes(record) == ["RPJ101", "RPJ112"]
    assert "nothing can be posted" in record.findings[1].message


def test_an_answer_to_another_id_is_told_with_that_id() -> None:
    (finding,) = run_job(lambda job: job.update(id="other"), JOB).findings
    assert "its answer goes to 'other', job-1 never ends" in finding.message


def test_a_job_that_still_runs_is_not_lost() -> None:
    job = advance(Job("job-1", "handler", request_of(JOB)), Started(1.0))
    assert JobRecord(job, ()).findings == ()


def test_items_that_went_nowhere_are_told_once() -> None:
    def handler(job):
        yield "simulated_uploaded/a.png"
        yield {"path": "/app/local_upload/b.bin"}

    (finding,) = run_job(handler, JOB).findings
    assert (finding.code, "simulated_uploaded/a.png" in finding.message) == ("RPJ160", True)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "generator"])
def test_an_id_that_is_no_text_loses_the_answer(stream: bool) -> None:
    def plain(job):
        job["id"] = 5

    def streaming(job):
        yield 1
        job["id"] = 5
        yield 2

    record = run_job(streaming if stream else plain, JOB)
    lost = "job['id'] is int now: the answer has no address"
    assert record.lost == lost
    assert (record.items, record.dropped) == (([1], (lost,)) if stream else ([], ()))


def raises_inside(call):
    def handler(job):
        work = asyncio.sleep(0)
        try:
            return call(work)
        finally:
            work.close()

    return handler


def caught(work):
    try:
        return asyncio.run(work)
    except RuntimeError as error:
        return {"error": f"failed: {error}"}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (asyncio.run, "asyncio.run()"),
        (caught, "asyncio.run()"),
        (lambda work: asyncio.get_event_loop().run_until_complete(work), "loop.run_until_complete()"),
        (lambda work: asyncio.new_event_loop().run_until_complete(work), "loop.run_until_complete()"),
    ],
    ids=["run", "caught", "the running loop", "another loop"],
)
def test_a_loop_of_ones_own_is_told_by_the_call_that_needs_it(call, said: str) -> None:
    (finding,) = run_job(raises_inside(call), JOB).findings
    assert finding.code == "RPJ114"
    assert finding.message.startswith(said)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.Runner is new in Python 3.11")
@pytest.mark.filterwarnings("ignore:coroutine")
def test_a_runner_of_ones_own_is_told() -> None:
    def handler(job):
        with asyncio.Runner() as runner:
            raises_inside(runner.run)(job)

    assert codes(run_job(handler, JOB)) == ["RPJ114"]


@pytest.mark.parametrize(
    "value",
    [map(str, []), filter(None, []), zip(), range(3), {}.keys(), {}.items(), iter([]), collections.deque()],
    ids=lambda value: type(value).__name__,
)
def test_what_is_nearly_a_list_is_told_to_become_one(value: object) -> None:
    (finding,) = run_job(returns(value), JOB).findings
    assert (finding.code, finding.fix) == ("RPJ101", "write list(...) around it")


def test_a_read_only_view_of_a_dict_is_told_to_become_one() -> None:
    (finding,) = run_job(returns(types.MappingProxyType({1: 2})), JOB).findings
    assert finding.fix == "write dict(...) around it"


@pytest.mark.parametrize(
    ("handler", "code"),
    [
        (returns({1}), "RPJ101"),
        (returns("x" * 20_000_001), "RPJ102"),
        (returns({"errors": "x" * 20_000_001}), "RPJ102"),  # what nobody gets is not read
        (returns("x" * 10_000_001), "RPJ103"),
        (returns("x" * 9_500_000), "RPJ104"),
        (returns([float("nan")]), "RPJ108"),
        (returns({"error": {"code": 1}}), "RPJ109"),
        (returns({"errors": ["e"]}), "RPJ110"),
        (lambda job: FAILING.setdefault("error", "bad") and FAILING, "RPJ111"),
        (lambda job: job.update(id="other"), "RPJ112"),
        (lambda job: progress_update(job, 1), "RPJ113"),
        (lambda job: asyncio.run(asyncio.sleep(0)), "RPJ114"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.filterwarnings("ignore:coroutine")
def test_each_trap_has_its_code_and_its_fix(handler, code: str) -> None:
    assert codes(run_job(handler, JOB)) == [code]


@pytest.mark.parametrize("value", [["errors"], "errors", {"a": {"errors": 1}}, {"errors": []}], ids=repr)
def test_the_word_errors_alone_is_no_error(value) -> None:
    assert codes(run_job(returns(value), JOB)) == []


def test_only_the_first_dropped_items_are_told() -> None:
    def handler(job):
        for _ in range(5):
            yield {1}

    assert codes(run_job(handler, JOB)) == ["RPJ107"] * 3


def test_a_dropped_update_is_told_apart_from_a_dropped_item() -> None:
    def handler(job):
        progress_update(job, {1})
        yield {1}

    update, item, _ = [finding.message for finding in run_job(handler, JOB).findings]
    assert update == "production would drop a progress update: progress is set: not JSON"
    assert item == "production would drop a streamed item: output is set: not JSON"


def test_only_the_beginning_of_an_answer_is_read_for_what_an_exception_says() -> None:
    said = "This event loop is already running"
    assert codes(run_job(returns("x" * 99_900 + said), JOB)) == ["RPJ114"]
    assert codes(run_job(returns("x" * 100_000 + said), JOB)) == []


LIMITS = {"steps": {"type": int, "required": False, "default": 20, "constraints": lambda steps: steps > 0}}
OTHER = {"no": {"type": "text"}}


def validating(job):
    return rp_validator.validate(job["input"], LIMITS)


def checked_input(job):
    return [validate(given, LIMITS) for given in [job["input"]]]


async def calling(job):
    await asyncio.sleep(0)
    return checked_input(job) or OTHER


@pytest.mark.parametrize("handler", [validating, checked_input, calling])
def test_a_constraint_that_the_sdks_validator_never_looks_at_is_told(handler) -> None:
    assert codes(run_job(handler, {"steps": -5})) == ["RPJ140"]


def test_a_schema_that_the_sdk_does_not_validate_is_no_matter() -> None:
    assert not run_job(lambda job: str(LIMITS), JOB).findings


def test_errors_in_a_streamed_item_are_told() -> None:
    def handler(job):
        yield {"errors": ["e"]}

    assert codes(run_job(handler, JOB)) == ["RPJ110"]


def test_a_large_request_is_told() -> None:
    (finding,) = run_job(returns(1), {"image": "x" * 10_000_001}).findings
    assert (finding.code, finding.message) == ("RPJ105", "the request is 10.0 MB: only /runsync takes it")
    (finding,) = run_job(returns(1), {"image": "x" * 20_100_000}).findings
    assert (finding.code, finding.message) == ("RPJ105", "the request is 20.1 MB: neither /run nor /runsync takes it")


def test_items_that_are_too_large_or_dropped_are_told() -> None:
    def handler(job):
        yield "x" * 1_000_001
        yield {1}

    record = run_job(handler, JOB)
    assert codes(record) == ["RPJ106", "RPJ107"]
    assert "a streamed item is 1.0 MB" in record.findings[0].message


@pytest.mark.parametrize(
    "handler",
    [
        returns(None),
        returns({}),
        returns({"error": "text"}),
        returns({"errors": []}),
        returns("NaN"),
        returns(b"".decode()),
    ],
    ids=["none", "empty", "error", "no errors", "text NaN", "text"],
)
def test_what_is_fine_gets_no_finding(handler) -> None:
    assert not run_job(handler, JOB).findings


GOOD = {"x": 1}


def test_a_module_level_dict_that_the_sdk_leaves_alone_is_fine() -> None:
    assert not run_job(lambda job: GOOD, JOB).findings


def test_a_copy_of_a_module_level_dict_is_fine() -> None:
    assert not run_job(lambda job: dict(FAILING, error="bad"), JOB).findings
