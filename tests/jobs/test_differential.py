"""`run_job` against the real SDK's worker loop: zero differences, byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.jobs.real_worker import differences

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
def error(kind, *args): raise kind(*args)
"""

LEAVES = [
    *("None", "True", "False", "0", "-1", "10**30", "1.5", "-0.0", "1e308", "float('nan')", "float('inf')", "''"),
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
MANY = 250
once = settings(
    max_examples=2,  # the first is always the least one; each costs a worker
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
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


def returned(cases: list[str], body: str) -> str:
    return f"{PRELUDE}\nCASES = [{', '.join(f'lambda: {case}' for case in cases)}]\n\n{body}"


def yielded(cases: list[list[str]], body: str) -> str:
    rows = (f"[{', '.join(f'lambda: {item}' for item in case)}]" for case in cases)
    return f"{PRELUDE}\nCASES = [{', '.join(rows)}]\n\n{body}"


@pytest.mark.kernel
@pytest.mark.parametrize("kind", RETURNING)
def test_every_kind_of_value_and_exception_ends_as_in_a_worker(kind: str, tmp_path) -> None:
    raised = [f"error({error.replace('(', ', ', 1)}" for error in RAISED if error != "StopIteration(3)"]
    cases = [*LEAVES, *(f"{{'error': {leaf}, 'x': 1}}" for leaf in LEAVES), *raised, "NoPop(a=1)", "{'a': deep(50)}"]
    assert not differences(returned(cases, RETURNING[kind]), range(len(cases)), tmp_path)


@pytest.mark.kernel
@pytest.mark.parametrize("aggregate", [False, True], ids=["plain", "aggregate"])
@pytest.mark.parametrize("kind", YIELDING)
def test_every_kind_of_item_streams_as_in_a_worker(kind: str, aggregate: bool, tmp_path) -> None:
    errors = [f"error({error.replace('(', ', ', 1)}" for error in RAISED]
    items = [*LEAVES, *(f"{{'error': {leaf}}}" for leaf in LEAVES), *errors]
    cases = [[], *([item] for item in items), *(["1", item, "2"] for item in items)]
    source = yielded(cases, YIELDING[kind])
    assert not differences(source, range(len(cases)), tmp_path, return_aggregate_stream=aggregate)


@pytest.mark.kernel
@pytest.mark.parametrize("kind", RETURNING)
def test_random_nested_values_end_as_in_a_worker(kind: str, tmp_path_factory) -> None:
    @once
    @given(st.lists(values, min_size=MANY, max_size=MANY))
    def check(cases: list[str]) -> None:
        scratch = tmp_path_factory.mktemp("worker")
        assert not differences(returned(cases, RETURNING[kind]), range(len(cases)), scratch)

    check()


@pytest.mark.kernel
@pytest.mark.parametrize("kind", YIELDING)
def test_random_streams_end_as_in_a_worker(kind: str, tmp_path_factory) -> None:
    @once
    @given(st.lists(st.lists(values, max_size=4), min_size=MANY, max_size=MANY), st.booleans())
    def check(cases: list[list[str]], aggregate: bool) -> None:
        source = yielded(cases, YIELDING[kind])
        scratch = tmp_path_factory.mktemp("worker")
        assert not differences(source, range(len(cases)), scratch, return_aggregate_stream=aggregate)

    check()
