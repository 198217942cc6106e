"""Random notebooks with what real ones hold besides plain values: odd ways to change things, and to share them."""

from __future__ import annotations

from functools import partial

from tests.export.test_fuzz import Notebook

HEADS = (
    "import os, random, functools, operator\nimport numpy as np",
    """class Acc:
    bonus = 0
    made = []
    def __init__(self, v):
        self.v = v
        self.log = []
        Acc.made.append(self)
    def __iadd__(self, by):
        self.v += by
        self.log.append(by)
        return self
    def __setitem__(self, key, value):
        self.log.append([key, value])
    def __lshift__(self, other):
        other.append(self.v)
        return self
    def __call__(self, a):
        self.log.append(a)
        return self.v + self.bonus
    @property
    def level(self):
        return self.v
    @level.setter
    def level(self, value):
        self.v = value
        self.log.append('level')
    def total(self):
        return self.v + self.bonus + len(self.log) + len(Acc.made)""",
    """class Into:
    def __init__(self, target, v):
        self.target, self.v = target, v
    def __enter__(self):
        self.target.append(self.v)
        return self.target
    def __exit__(self, *error):
        self.target.append(-1)
        return True""",
    "HOOKS = []\nTABLE = {}\ndef hook(fn):\n    HOOKS.append(fn)\n    return fn",
    """def counted(into):
    def deco(fn):
        @functools.wraps(fn)
        def inner(*a, **k):
            into.append(1)
            return fn(*a, **k)
        return inner
    return deco""",
    "def pairs(items):\n    for item in list(items)[:3]:\n        yield item if isinstance(item, int) else 0",
    "q0, q1 = Acc(1), Acc(2)",
    "a0 = np.arange(6)\na1 = a0[1:4]\na2 = np.zeros(3, dtype=int)",
    "g0 = iter([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4])\nt0 = (l0, [5])",
    "random.seed(1)\nnp.random.seed(1)",
    "i2, i3, l2, l3 = 4, 6, [1], [2]\ndef f2(a, k=0):\n    return a + k",
    """class Kind:
    kinds = []
    def __init_subclass__(cls, **k):
        Kind.kinds.append(cls.__name__)
class Named:
    def __set_name__(self, owner, name):
        HOOKS.append(lambda a: a)
class Shared:
    items = []
    def put(self, v):
        self.items.append(v)
    @classmethod
    def count(cls, v):
        cls.items.append(v)
    def total(self):
        return [*self.items, self.v if hasattr(self, 'v') else 0]""",
    "@functools.lru_cache(None)\ndef c0(a):\n    return a + i1 + len(l0)",
    "def pair():\n    inner = []\n    return [inner], [inner, 1]",
    "from collections import defaultdict\nfrom threading import Thread\nd4 = defaultdict(list)",
    "s0, s1 = Shared(), Shared()",
    "import fz_mod\nfrom fz_star import *\nb0 = fz_mod.Box0()",
    """import io, json
from collections import ChainMap
rows0, many0, named0, buf0 = [], [], {}, io.StringIO()
for r0 in range(2):
    rows0.append({'r': r0})
    many0.append(Acc(r0))
    named0[r0] = [r0]
chain0 = ChainMap({}, named0)""",
    """_got0, _known0 = None, {}
def get0():
    global _got0
    if _got0 is None:
        _got0 = [i1]
    return _got0
def known0(k):
    if k not in _known0:
        _known0[k] = [k, i2]
    return _known0[k]
class Lazy0:
    def __init__(self):
        self.it = None
    def get(self):
        if self.it is None:
            self.it = [i3]
        return self.it
z0 = Lazy0()""",
    """def ticker():
    n = 0
    def tick(by=1):
        nonlocal n
        n += by
        return n
    return tick
ticks0 = [ticker() for _ in range(2)]
tick0 = ticker()""",
    """import queue
MADE0, queue0 = {}, queue.Queue()
def maker0(k):
    MADE0['last'] = k
    def run(v):
        MADE0[str(v)] = k
        return v
    return run
def into0(d):
    def put(e, k):
        e[k] = len(e)
    put(d, 'i')
    return len(d)
run0, named1 = maker0(1), (lambda: f2)()""",
    """from contextlib import ExitStack
class Count0:
    seen = 0
    def __init__(self):
        self.n = 0
    def go(self, v):
        self.n += 1
        Count0.seen += 1
        return v
def memo0(fn):
    kept = {}
    def inner(k):
        if k not in kept:
            kept[k] = fn(k)
        return kept[k]
    return inner
@memo0
def m0(k):
    return k + i1
def tell0(v):
    tell0.last = 7
    tell0.many += 1
    return v
tell0.many = 0
count0, tally0 = 0, {'n': 0}
def bump0(v):
    global count0
    count0 += 1
    tally0['n'] += 1
    return v
c8, c9, stack0 = Count0(), Count0(), ExitStack()""",
)
FILES = {
    "fz_mod.py": """STATE = {'k': 0}
TOOLS = {}
level = None
_kept = []
def put(v):
    _kept.append(v)
def start(v):
    global level
    level = v
def fill(into, v):
    into.append(v)
    return len(into)
def look(into):
    return len(into)
def tool(fn):
    TOOLS[fn.__name__] = fn
    return fn
def told():
    return [STATE['k'], sorted(TOOLS), level, list(_kept)]
class Box0:
    def __init__(self):
        self.items = []
    def add(self, v):
        self.items.append(v)
        return self
    def keep(self, v):
        _kept.append(v)
""",
    "fz_star.py": """_state = []
OFFSET = 3
def star_put(v):
    _state.append(v)
    return len(_state)
def star_told():
    return list(_state)
""",
    "fz_data.txt": "one two three",
}


class OddNotebook(Notebook):
    """As `Notebook`, with stranger steps among its own."""

    def __init__(self, seed: int) -> None:
        self.odd = False
        super().__init__(seed)
        at = next(i for i, cell in enumerate(self.cells) if cell.startswith("def show"))
        head = 1 + 2 * len(self.alive)
        r = self.r
        self.odd = True
        body = [self.step() for _ in range(r.randint(8, 30))]
        body += [r.choice(body) for _ in range(r.randint(0, 4))]
        asked = r.sample(ASKED, r.randint(2, 5))
        calls = f"def handler(job):\n    x = job['x']\n    return show([x, {', '.join([*asked, self.any('list')])}])"
        after = [self.step() for _ in range(r.randint(0, 3))]
        self.cells = [*self.cells[:head], *HEADS, *self.cells[head:at], *body, self.cells[at], calls, *after]

    def step(self) -> str:
        if not self.odd or self.r.random() < 0.3:
            return super().step()
        return self.strange() if self.r.random() < 0.6 else self.stranger()

    def stranger(self) -> str:
        """Changes that go by a name's text, a class, a cache, a method handed on, or a module of one's own."""
        r, any_ = self.r, self.any
        q, n, lists = r.choice(["q0", "q1"]), self.num(), partial(any_, "list")
        s = r.choice(["s0", "s1"])
        return r.choice([
            f"globals()['i2'] = {n}", f"globals().update(i3={n}, l3=[{n}])", f"globals()[f'i{{1 + 1}}'] = {n}",
            f"exec('i2 = {r.randint(0, 9)}')", f"vars()['l2'] = {lists()}", "i3 = globals()['i2']",
            "type(q0).bonus += 1", f"{q}.__class__.bonus = {n}", f"{q}.made.append({q})", f"{s}.put({n})",
            f"{s}.count({n})", f"Shared.count({n})", f"{s}.v = {n}", f"type({s}).items = [{n}]", "s1 = Shared()",
            f"match {any_('nest')}:\n    case [m0, *_]:\n        m0.append({n})\n    case _:\n        pass",
            f"match {lists()}:\n    case [_, *m1]:\n        l3 = m1\n    case _:\n        l3 = []",
            f"match {any_('dict')}:\n    case {{'a': i2, **more}}:\n        {lists()}.append(len(more))",
            "class D1(Kind):\n    one = Named()", "T1 = type('T1', (Kind,), {})",
            f"getattr({lists()}, 'append')({n})", f"operator.methodcaller('append', {n})({lists()})",
            f"add0 = {lists()}.append", f"add0 = {lists()}.append\nlist(map(add0, [1]))",
            f"t1 = Thread(target={lists()}.append, args=({n},))\nt1.start()\nt1.join()",
            f"t1 = Thread(target={s}.put, args=({n},))", "t1 = Thread(target=fz_mod.put, args=(4,))\nt1.start()",
            "c0(1)", "c0(2)", "i2 = c0(1)", f"i1 = {n}", f"l2 = l3 = [{n}]", "l2, l3 = pair()", "l2[0].append(5)",
            "d4['x']", f"d4['y'].append({n})", f"d4[{n}] = {lists()}",
            f"fz_mod.put({n})", f"fz_mod.start({n})", f"fz_mod.fill({lists()}, {n})", f"i2 = fz_mod.fill({lists()}, 1)",
            f"fz_mod.look({lists()})", f"fz_mod.STATE['k'] = {n}", f"b0.add({n})", "b1 = b0.add(2)", f"b0.keep({n})",
            f"@fz_mod.tool\ndef f3(a, k=1):\n    {lists()}.append(a)\n    return a", f"star_put({n})",
            f"for r0 in rows0:\n    r0['k'] = {n}", f"rows0.append({{'r': {n}}})", f"rows0[0]['a'] = {lists()}",
            f"for m0 in many0[:1]:\n    m0.v = {n}", f"many0.append({q})", f"max(many0, key=lambda m: m.v).v = {n}",
            f"random.choice(rows0)['c'] = {n}", f"named0[5] = {lists()}", "one0 = named0[0]",
            f"one0 = named0[1]\none0.append({n})",
            f"for v0 in named0.values():\n    v0.append({n})", f"chain0[7] = {n}", "chain0[0].append(3)",
            f"json.dump({n}, buf0)", f"buf0.write(str({n}))", f"list(map(lambda r: r.update(m={n}), rows0))",
            "get0()", "g1 = get0()", f"get0().append({n})", "known0('a')", "known0('b').append(1)", "known0('a')",
            "z0.get()", f"z0.get().append({n})", "z0 = Lazy0()", "_got0 = None", "tick0()", "ticks0[0](2)",
            "for t9 in ticks0:\n    t9(3)",
            f"run0 = maker0({n})", f"run0({n})", f"into0({any_('dict')})", "named1(3)",
            "named1 = (lambda: maker0(2))()",
            f"queue0.put({n})", "if queue0.qsize():\n    queue0.get()", f"queue0.put({lists()})",
            f"l2 = sorted({lists()}, key=lambda v: str(v) * i2)", f"i3 = max(i2, {n}, key=lambda v: v * i1)",
            f"c9.go({n})", "c8.go(1)", "c8 = c9", "c9.n = 3", "i2 = c9.go(4)", "m0(1)", "m0(2)", "i2 = m0(1)",
            f"bump0({n})", "i2 = bump0(3)", "i3 = count0", "count0 = 5",
            f"tell0({n})", "i3 = tell0(2)", "tell0.many = 5", f"stack0.callback({lists()}.append, {n})",
            "stack0.close()", f"stack0.enter_context(Into({lists()}, {n}))",
            "np.add.at(a0, [0, 1], 2)", "a1 = a0.reshape(2, 3).T[0] if a0.size == 6 else a0",
            f"i3 = star_put({n}) + OFFSET", "l2 = open('fz_data.txt').read().split()", "b0 = fz_mod.Box0()",
        ])  # fmt: skip

    def strange(self) -> str:
        r, any_ = self.r, self.any
        q, n, fn = r.choice(["q0", "q1"]), self.num(), any_("fn")
        lists = partial(any_, "list")
        return r.choice([
            f"{q} += {n}", f"{q}['k'] = {n}", f"{q} << {lists()}", f"{q}({n})", f"{q}.level = {n}",
            f"Acc.bonus = {n}", "Acc.bonus += 1", f"{q}.bonus = {n}", "q0 = q1", f"q1 = Acc({n})",
            f"setattr({q}, 'v', {n})", f"{q}.__dict__['v'] = {n}", f"vars({q}).update(v={n})",
            f"operator.setitem({any_('dict')}, 'o', {n})",
            f"operator.iadd({lists()}, [{n}])",
            f"with Into({lists()}, {n}) as into:\n    into.append(2)",
            f"with Into({lists()}, {n}):\n    raise ValueError",
            f"try:\n    {lists()}.append({n})\n    1 / 0\nexcept ArithmeticError:\n    {lists()}.append(8)",
            f"try:\n    {lists()}.append({n})\nfinally:\n    {any_('dict')}['f'] = 1",
            f"@hook\ndef f0(a, k=1):\n    {lists()}.append(a)\n    return a + k",
            f"@counted({lists()})\ndef f1(a, k=1):\n    return a + {any_('int')}",
            f"for h in HOOKS[:2]:\n    h({n})", f"HOOKS.append({lists()}.append)", f"TABLE['x'] = {lists()}.append",
            f"TABLE.setdefault('x', {lists()}.append)({n})", f"TABLE['y'] = {fn}",
            f"p0 = functools.partial({lists()}.insert, 0)\np0({n})", f"list(map({lists()}.append, [1, 2]))",
            f"[{lists()}.append(q) for q in range(2)]", f"any({lists()}.append(q) for q in range(2))",
            f"functools.reduce(lambda a, b: {lists()}.append(b) or b, [1, 2])",
            f"for q in pairs({lists()}):\n    {lists()}.append(q)", "i0 = next(g0)", f"{lists()}.append(next(g0))",
            f"def f0(a, acc=[{n}]):\n    acc.append(a)\n    return len(acc)",
            f"f2 = {fn}", f"f3 = lambda a, k=2: a + {any_('int')}",
            f"a1[0] = {n}", "a0 += 1", "a1 = a0[::2]", f"a0[2] = {n}", "a2 = a0.reshape(2, 3)[1]", "a2[:] = 4",
            "a0 = a0 * 2", "np.add(a0, 1, out=a0)", f"a0.fill({n})", "a1.sort()", "np.random.seed(2)",
            "i2 = int(np.random.randint(9))", "i3 = random.randint(0, 9)", f"random.shuffle({lists()})",
            "random.seed(5)",
            f"os.environ['FZ_A'] = str({n})", "i2 = int(os.environ.get('FZ_A', '4'))",
            f"if (w := {n}) > 2:\n    {lists()}.append(w)",
            f"match {n}:\n    case 1 | 2:\n        {lists()}.append(12)\n    case m:\n        {any_('dict')}['m'] = m",
            f"t0[0].append({n})", f"t0 = ({lists()}, t0[1])", "t0[1].append(1)",
            f"{lists()}[:] = [{n}]", f"{any_('dict')} |= {{'u': {n}}}", f"first, *rest = [{n}, 2, 3]\nl1 = rest",
            f"l2 = sorted({lists()})", f"l3 = {lists()}[:]", f"{any_('dict')}.pop('zz', None)",
            f"class Late(Acc):\n    bonus = {n}\nq1 = Late({n})",
            f"Acc.total = lambda self: self.v * 2 + {any_('int')}",
            "old = Acc.__call__\nAcc.__call__ = lambda self, a: old(self, a) + 1",
            f"Box.bump = lambda self, by=1: {lists()}.append(by) or self.v", f"{any_('obj')}.put = {lists()}.append",
            f"{any_('obj')}.put({n})", f"{any_('obj')}.bump()",
        ])  # fmt: skip


ASKED = [
    "q0.total()", "q1.total()", "[q0.v, q0.log]", "q1(x)", "[int(v) for v in a0]", "[int(v) for v in a1]",
    "[int(v) for v in a2]", "len(HOOKS)", "sorted(TABLE)", "t0[0]", "t0[1]",
    "os.environ.get('FZ_A')", "i0", "i1", "i2", "i3", "f0(x)", "f1(x)", "f2(x)", "len(Acc.made)", "Acc.bonus",
    "o0.bump()", "o1.total()", "next(g0)", "fz_mod.told()", "star_told()", "b0.items", "c0(1)", "sorted(map(str, d4))",
    "rows0", "[m.v for m in many0]", "named0", "sorted(map(str, chain0))", "buf0.getvalue()", "get0()", "known0('a')",
    "z0.get()", "tick0()", "ticks0[0](0)", "known0('b')",
    "sorted(map(str, MADE0.items()))", "queue0.qsize()", "run0(x)", "named1(x)",
    "c9.n", "Count0.seen", "sorted(vars(c8))", "m0(1)", "m0(2)", "getattr(tell0, 'last', 0)", "tell0.many", "c9.go(x)",
    "count0", "tally0['n']", "bump0(x)",
    "Kind.kinds", "s0.total()", "Shared.items", "l2", "l3", "sorted(fz_mod.TOOLS)", "len(d4['y'])",
]  # fmt: skip
