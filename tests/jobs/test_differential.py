"""`run_job` against the real SDK's worker loop: zero differences, byte for byte."""

from __future__ import annotations

import json
import signal
from typing import TypeVar

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import LATEST, OLDEST
from tests.jobs.real_worker import Batch, recorded

pytestmark = pytest.mark.filterwarnings("ignore")  # the handlers here do what Python warns of

T = TypeVar("T")

PRELUDE = """
import asyncio, collections, dataclasses, datetime, decimal, enum, fractions, functools, pathlib, types, uuid
import numpy as np

class Text(str): pass
class Whole(int): pass
class Number(float): pass
class Rows(list): pass
class Table(dict): pass
class Colour(str, enum.Enum): RED = "red"
class Level(enum.IntEnum): LOW = 1
class Plain(enum.Enum): A = 1
@dataclasses.dataclass
class Box: v: int = 1
class NoRepr(dict):
    def __repr__(self): raise RuntimeError("unprintable")
class NoStr(str):
    def __format__(self, spec): raise RuntimeError("no format")
class OddText(str):
    def __repr__(self): raise RuntimeError("no repr")
class Mute(Exception):
    def __str__(self): raise RuntimeError("no words")
class NotText(Exception):
    def __str__(self): return 7
class Loud(Exception):
    def __str__(self): return "hé \\\\ud800 你"
class AllEqual:
    def __eq__(self, other): return True
    __hash__ = None
class NoEqual:
    def __eq__(self, other): raise RuntimeError("not comparable")
class NoPop(dict):
    def pop(self, *args): raise RuntimeError("no pop")
class NoItems(dict):
    def items(self): raise KeyError("no items")
def circular():
    found = {}; found["self"] = found; return found
def deep(n):
    found = 1
    for _ in range(n): found = [found]
    return found
def numbers(): yield 1
SHARED = {"error": "bad", "refresh_worker": 1, "x": 1}
def error(kind, *args): raise kind(*args)
"""

LEAVES = [
    *(
        "None",
        "True",
        "False",
        "0",
        "-1",
        "10**30",
        "10**5000",
        "1.5",
        "-0.0",
        "1e308",
        "float('nan')",
        "float('inf')",
        "''",
    ),
    *("'hi'", "'hé你😀'", "'\\ud800'", "'\"\\\\\\n\\t\\x00'", "'\\u2028'", "b'x'", "bytearray(b'x')", "(1, 2)", "()"),
    *("{1, 2}", "frozenset()", "set()", "1j", "...", "NotImplemented", "range(3)", "object", "numbers()", "numbers"),
    *("datetime.datetime(2026, 1, 1)", "datetime.timedelta(1)", "decimal.Decimal('1.5')", "fractions.Fraction(1, 3)"),
    *("uuid.UUID(int=1)", "pathlib.Path('x')", "Text('t')", "Whole(3)", "Number(0.5)", "Rows([1])", "Table(a=1)"),
    *("Colour.RED", "Level.LOW", "Plain.A", "Box()", "types.SimpleNamespace(a=1)", "types.MappingProxyType({})"),
    *("np.float64(0.1)", "np.float32(0.1)", "np.int64(3)", "np.bool_(1)", "np.str_('s')", "np.array([1, 2])"),
    *("np.array([1])", "np.array([])", "np.array(3)", "np.datetime64('2026-01-01')", "NoRepr(a=1)", "NoStr('x')"),
    *("OddText('x')", "AllEqual()", "NoEqual()", "NoItems(a=1)", "circular()", "deep(50)", "iter([1])"),
    *("collections.OrderedDict(b=1, a=2)", "collections.defaultdict(list)", "collections.Counter('aab')"),
    *("collections.namedtuple('P', 'x')(1)", "asyncio.sleep", "lambda: 1", "memoryview(b'x')", "Exception('e')"),
]
KEYS = ["'a'", "'error'", "'refresh_worker'", "'output'", "'stopPod'", "'status'", "''", "1", "1.5", "True", "None"]
KEYS += ["('t',)", "b'k'", "'\\ud800'", "Colour.RED", "Plain.A", "float('nan')", "Text('error')", "np.str_('error')"]
RAISED = [
    *("ValueError('boom')", "ValueError()", "KeyError('k')", "Mute()", "NotText()", "Loud()", "OSError(2, 'gone')"),
    *("UnicodeDecodeError('utf-8', b'x', 0, 1, 'bad')", "ExceptionGroup('g', [ValueError(1)])", "StopIteration(3)"),
    *(
        "RecursionError('deep')",
        "asyncio.TimeoutError()",
        "asyncio.CancelledError()",
        "GeneratorExit()",
        "MemoryError()",
    ),
]

DICTS = [  # what the SDK reads of a dict
    *("{}", "{'error': 'bad'}", "{'error': 'bad', 'refresh_worker': True, 'x': 2}", "{'refresh_worker': True}"),
    *("{'refresh_worker': 'no', 'x': 1}", "{'refresh_worker': [], 'x': 1}", "{'refresh_worker': None}"),
    *("{'errors': ['e']}", "{'status': 'FAILED'}", "{'stopPod': True}", "{'output': {'a': 1}}", "{1: 'a', None: 'b'}"),
    *("collections.OrderedDict(error='bad')", "Table(error='bad', x=1)", "NoPop(a=1)", "{'a': deep(50)}", "SHARED"),
    *(
        "SHARED",
        "{'error': deep(5000)}",
        "deep(5000)",
        "deep(300)",
        "[-10**4299]",
        "[10**4300]",
        "{'error': {'code': 1}, 'x': {1, 2}}",
    ),
]

leaves = st.sampled_from(LEAVES)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]"),
        st.lists(inner, max_size=2).map(lambda parts: f"({''.join(part + ', ' for part in parts)})"),
        st.lists(st.tuples(st.sampled_from(KEYS), inner), max_size=3).map(
            lambda pairs: f"{{{', '.join(f'{key}: {value}' for key, value in pairs)}}}"
        ),
    ),
    max_leaves=6,
)
RETURNING = {
    "sync": "def handler(job):\n    return CASES[job['input']]()\n",
    "async": "async def handler(job):\n    await asyncio.sleep(0)\n    return CASES[job['input']]()\n",
}
YIELDING = {
    "generator": (
        "def handler(job):\n    for make in CASES[job['input']]:\n        yield make()\n    return 'ignored'\n"
    ),
    "async generator": (
        "async def handler(job):\n    for make in CASES[job['input']]:\n        await asyncio.sleep(0)\n"
        "        yield make()\n"
    ),
}
OPTIONS = [
    {"return_aggregate_stream": aggregate, "refresh_worker": refresh}
    for aggregate in (False, True)
    for refresh in (False, True)
]
MANY = 150


def drawn(strategy: st.SearchStrategy[T], count: int) -> list[T]:
    """As many random examples, always the same ones: a worker runs them all at once."""
    found: list[T] = []

    @settings(max_examples=count, derandomize=True, database=None, phases=[Phase.generate])
    @given(strategy)
    def collect(example: T) -> None:
        found.append(example)

    collect()
    return found


def batches_of(count: int) -> list[Batch]:
    """A worker for each combination of options. One that is told to refresh gets every third job, and ends after it."""
    return [
        Batch("handler", range(0, count, 3), options, exit_code=0)
        if options["refresh_worker"]
        else Batch("handler", range(count), options)
        for options in OPTIONS
    ]


def error(raised: str) -> str:
    return f"error({raised.replace('(', ', ', 1)}"


@pytest.mark.kernel
@pytest.mark.parametrize("kind", RETURNING)
def test_every_value_and_exception_ends_as_in_a_worker(kind: str, differ) -> None:
    raised = [error(each) for each in RAISED if each != "StopIteration(3)"]
    cases = [*LEAVES, *(f"{{'error': {leaf}, 'x': 1}}" for leaf in LEAVES), *DICTS, *raised, *drawn(values, MANY)]
    source = f"{PRELUDE}\nCASES = [{', '.join(f'lambda: {case}' for case in cases)}]\n\n{RETURNING[kind]}"
    batches = batches_of(len(cases))
    assert differ(source, batches) == {LATEST: {}, OLDEST: {}}


@pytest.mark.kernel
@pytest.mark.parametrize("kind", YIELDING)
def test_every_item_streams_as_in_a_worker(kind: str, differ) -> None:
    items = [*LEAVES, *(f"{{'error': {leaf}}}" for leaf in LEAVES), *DICTS, *map(error, RAISED)]
    cases = [[], *([item] for item in items), *(["1", item, "2"] for item in items)]
    cases += drawn(st.lists(values, max_size=4), MANY)
    rows = (f"[{', '.join(f'lambda: {item}' for item in case)}]" for case in cases)
    source = f"{PRELUDE}\nCASES = [{', '.join(rows)}]\n\n{YIELDING[kind]}"
    batches = batches_of(len(cases))
    assert differ(source, batches) == {LATEST: {}, OLDEST: {}}


# Handlers whose kind is not what it seems, or that do more than answer (facts/runpod-contract.md 2.2, 10.1-10.4).
ODD = (
    PRELUDE
    + """
import sys, time
from runpod.serverless import progress_update
from runpod.serverless.utils.rp_debugger import FunctionTimer

class Service:
    def plain(self, job): return job["input"]
    def bound(self, job): yield job["input"]
    async def abound(self, job): yield job["input"]
    def __call__(self, job): yield 1
class AsyncCall:
    async def __call__(self, job): return job["input"]
class AsyncYield:
    async def __call__(self, job): yield 1
class Taker(dict):
    def __init__(self, job): super().__init__(error="taken", **job)
class Awaitable:
    def __init__(self, job): self.job = job
    def __await__(self):
        yield from asyncio.sleep(0.01).__await__()
        return self.job["input"]
async def coroutine(job):
    await asyncio.sleep(0)
    return job["input"]
def given(extra, job): return [extra, job]
def giving(extra, job): yield [extra, job]
def wraps(call): return functools.wraps(call)(lambda job: call(job))
def runs(job):
    work = asyncio.sleep(0)
    try: return asyncio.run(work)
    finally: work.close()
def loops(job): return asyncio.get_event_loop().is_running()
def drives(job):
    work = asyncio.sleep(0)
    try: return asyncio.get_event_loop().run_until_complete(work)
    finally: work.close()
def sets(job):
    decimal.setcontext(decimal.Context(prec=decimal.getcontext().prec + 1))
    return decimal.getcontext().prec
async def sets_async(job):
    decimal.setcontext(decimal.Context(prec=decimal.getcontext().prec + 1))
    return decimal.getcontext().prec
def sets_yielding(job):
    decimal.setcontext(decimal.Context(prec=decimal.getcontext().prec + 1))
    yield decimal.getcontext().prec
@FunctionTimer
def timed(job): return job["input"]
def nests(job):
    try: raise KeyError("first")
    except KeyError as first: raise ValueError("second") from (first if job["input"] else None)
def tells(job):
    progress_update(job, "1/2"); time.sleep(0.3)
    progress_update(job, {1, 2}); progress_update(job, job["input"]); time.sleep(0.3)
    return "told"
async def streams(job):
    for at in range(2):
        progress_update(job, at); await asyncio.sleep(0.3)
        yield at
def big(job): return "x" * 25_000_000
def closes(job):
    try: yield 1; yield {"error": "stop"}; yield 2
    finally: yield 3
def echoes(job): return job
def takes(): return 1
async def overlap(job):
    await asyncio.sleep((2 - job["input"]) / 50)
    return job["input"]
async def renames(job):
    if job["input"] == "exit":
        await asyncio.sleep(0.5)
        sys.exit(4)
    job["id"] = "other"
    return 1
def plain(job): return 1
def spoil(job):
    match job["input"]:
        case "delete": del job["id"]
        case "clear": job.clear()
        case "number": job["id"] = 5
        case "none": job["id"] = None
async def ends(job):
    if job["input"] == "exit":
        await asyncio.sleep(0.5)
        sys.exit(4)
async def spoils(job):
    await ends(job)
    spoil(job)
    return 1
async def spoils_streaming(job):
    yield 1
    await ends(job)
    spoil(job)
    yield 2
async def spoils_at_the_end(job):
    await ends(job)
    yield 1
    spoil(job)
EXITS = [SystemExit(3), SystemExit(), SystemExit("words"), KeyboardInterrupt()]
def sync_exit(job): raise EXITS[job["input"]]
async def async_exit(job): raise EXITS[job["input"]]
def generator_exit(job): yield 1; raise EXITS[job["input"]]
async def async_generator_exit(job): yield 1; raise EXITS[job["input"]]
"""
)
INPUTS = [None, 0, "hé", [1], {}, {"error": "given", "refresh_worker": True, "x": 1}, {"output": {}}]
ODD_HANDLERS = [
    *("Service().plain", "Service().bound", "Service().abound", "Service()", "AsyncCall()", "AsyncYield()", "Taker"),
    *("Awaitable", "coroutine", "lambda job: coroutine(job)", "functools.partial(given, 3)", "echoes", "takes"),
    *(
        "functools.partial(giving, 3)",
        "wraps(Service().bound)",
        "timed",
        "FunctionTimer(Service().__call__)",
        "runs",
        "loops",
        "nests",
    ),
    *(
        "sets",
        "sets_async",
        "sets_yielding",
        "tells",
        "streams",
        "closes",
        "wraps(coroutine)",
        "functools.partial(coroutine)",
        "lambda job: Service()(job)",
    ),
]


@pytest.mark.kernel
def test_odd_handlers_end_as_in_a_worker(differ) -> None:
    batches = [Batch(handler, INPUTS) for handler in ODD_HANDLERS]
    batches += [Batch(handler, [0, 1]) for handler in ("tells", "streams", "overlap")] + [Batch("big", [1])]
    assert differ(ODD, batches) == {LATEST: {}, OLDEST: {}}


@pytest.mark.kernel
def test_what_ends_the_process_of_a_worker_loses_the_job(differ) -> None:
    handlers = ("sync_exit", "async_exit", "generator_exit", "async_generator_exit")
    batches = [Batch(name, [0], exit_code=3) for name in handlers]
    spoiled = ["delete", "clear", "number", "none", "exit"]  # the last, since a worker never is idle after these
    batches += [Batch(name, spoiled, exit_code=4) for name in ("spoils", "spoils_streaming", "spoils_at_the_end")]
    batches += [Batch("sync_exit", [1], exit_code=0), Batch("sync_exit", [2], exit_code=1)]
    batches += [Batch(name, [3], exit_code=-signal.SIGINT) for name in handlers]
    assert differ(ODD, batches) == {LATEST: {}, OLDEST: {}}


@pytest.mark.kernel
def test_workers_refresh_lose_track_and_name_their_sdk_as_we_say(start_workers, tmp_path) -> None:
    renaming, failing = Batch("renames", [1, "exit"], exit_code=4), Batch("takes", [1])
    refreshing = Batch("plain", [1, 2], {"refresh_worker": True}, concurrency=1, exit_code=0)
    started = start_workers(ODD, [renaming, failing, refreshing])
    (renamed, _), (failed,) = recorded(ODD, [renaming, failing], tmp_path)
    assert [finding.code for finding in renamed.findings] == ["RPJ112"]
    for sdk, future in started.items():
        theirs = future.result()
        assert theirs[0].strays == (("other", renamed.posts[0]),)
        error = theirs[1].entries[0].posts[0].value["error"]
        assert json.loads(error)["runpod_version"] == sdk
        assert [entry.job.status for entry in theirs[2].entries] == ["COMPLETED", "IN_QUEUE"]
    assert failed.exception["runpod_version"] == LATEST
