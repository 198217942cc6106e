"""The cases of `facts/slicing.md` section 3: what is kept, what is not, and what the module answers."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import inspect
import json
import sys
import types
from dataclasses import dataclass

import pytest

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.declarations import declarations
from rp_notebook.export.live import Live
from rp_notebook.export.magics import magic_of
from rp_notebook.export.module import module_of
from rp_notebook.export.plan import Plan
from rp_notebook.export.rereading import history_of
from rp_notebook.export.slicing import slice_cells
from rp_notebook.jobs.declaration import Declaration

FAKES = {
    "faketorch.py": """
class _Cuda:
    def is_available(self): return False
cuda = _Cuda()
PLUGIN = 0
grad = True
_seed = 0
def manual_seed(n):
    global _seed
    _seed = n
def set_grad_enabled(on):
    global grad
    grad = on
class Net:
    def __init__(self, k):
        self.k, self.mode, self.device, self.hooks = k + _seed, 'train', None, []
    def eval(self):
        self.mode = 'eval'
        return self
    def to(self, device):
        self.device = device
        return self
    def register_forward_hook(self, fn):
        self.hooks.append(fn)
        return len(self.hooks)
    def load_state_dict(self, state):
        self.k = state['k']
        return 'ok'
    def __call__(self, x):
        y = x * self.k + (100 if self.mode == 'train' else 0)
        for hook in self.hooks:
            y = hook(y)
        return y
class Trainer:
    def __init__(self, model, data):
        self.model, self.data = model, data
    def train(self):
        self.model.k += sum(self.data)
def load(path):
    return {'k': 9}
def from_pretrained(name):
    return Net(len(name))
""",
    "fakeplugin.py": "import faketorch\nfaketorch.PLUGIN = 5\n",
    "plotlib.py": "def plot(*a, **k): pass\ndef show(*a, **k): pass\ndef figure(*a, **k): pass\n",
    "utils.py": "import helper2\ndef double(x): return helper2.twice(x)\n",
    "helper2.py": "def twice(x): return 2 * x\n",
    "pkg/__init__.py": "",
    "pkg/mod.py": "def thing(): return 'thing'\n",
    "data/vocab.txt": "zero one two three",
    "labels.json": '["a", "b", "c"]',
}
OWN_MODULES = ("faketorch", "fakeplugin", "plotlib", "utils", "helper2", "pkg", "pkg.mod")


def handler(expression: str) -> str:
    return f"+def handler(job):\n    x = job['input']['x']\n    return {expression}"


@dataclass(frozen=True)
class Case:
    """Cells as lists of statements: `+` ones must be in the export, `-` ones must not, `~` ones may."""

    name: str
    cells: tuple[tuple[str, ...], ...]
    codes: tuple[str, ...] = ()
    answers: bool = True
    failed: tuple[tuple[int, int | None], ...] = ()
    needs: str | None = None


def case(name, *cells, codes="", answers=True, failed=(), needs=None) -> Case:
    return Case(
        name,
        tuple((c,) if isinstance(c, str) else tuple(c) for c in cells),
        tuple(codes.split()),
        answers,
        failed,
        needs,
    )


CASES = [
    case(
        "basic",
        ["+import numpy as np", "-import plotlib as plt", "-import fractions as pd"],
        ["+SCALE = 3", "-UNUSED = [1, 2, 3]", "-xs = np.arange(10)", "-plt.plot(xs)", "-plt.show()"],
        "+def scale(v):\n    # keep this comment\n    return v * SCALE  # trailing",
        ["-df = pd.Fraction(1)", "-df.as_integer_ratio()"],
        "-print(scale(4))",
        handler("{'y': float(np.sqrt(scale(x)))}"),
    ),
    case(
        "late_global",
        "+def post(v):\n    return v + OFFSET",
        "-OFFSET = 1",
        "-t = post(1)",
        "+OFFSET = 10",
        handler("post(x) * FACTOR"),
        "+FACTOR = 7",
    ),
    case(
        "helper_redefined_after",
        "-def norm(v):\n    return v",
        handler("norm(x)"),
        "-print(handler({'input': {'x': 1}}))",
        "+def norm(v):\n    return v / 2",
    ),
    case("rerun_increment", "+step = 1", "+step *= 2", "+step *= 2", "+step *= 2", handler("x + step"), codes="RPS104"),
    case(
        "eval_to_device",
        "+import faketorch as torch",
        "+model = torch.Net(5)",
        "+device = 'cuda' if torch.cuda.is_available() else 'cpu'",
        "+model.to(device)",
        "+model.eval()",
        "-model(3)",
        ["-sample = model(4)", "-print(sample)"],
        handler("model(x)"),
    ),
    case(
        "cfg_subscript",
        ["+cfg = {'k': 1}", "-other = {'k': 2}"],
        ["+cfg['k'] = 5", "-other['k'] = 9"],
        "+cfg.update(beam=4)",
        "-cfg.get('k')",
        "-len(cfg), sorted(cfg)",
        handler("x * cfg['k'] * cfg['beam']"),
    ),
    case(
        "loop_append",
        "+labels = []",
        "+for w in 'cat dog'.split():\n    labels.append(w)",
        "+labels.append('eel')",
        "-for l in labels:\n    print(l)",
        handler("labels[x]"),
    ),
    case(
        "alias_mutation",
        "+a = [1]",
        "+b = a",
        "+b.append(41)",
        ["-c = list(a)", "-c.append(99)"],
        handler("x + sum(a)"),
    ),
    case(
        "callee_mutates_arg",
        "+cfg = {}",
        ["+def setup(d, n):\n    d['n'] = n", "-def show(d):\n    print(d)"],
        "+setup(cfg, 6)",
        "-show(cfg)",
        handler("x * cfg['n']"),
    ),
    case(
        "trainer_alias",
        "+import faketorch as torch",
        "+model = torch.Net(1)",
        "+trainer = torch.Trainer(model=model, data=[2, 3])",
        "+trainer.train()",
        "+model.eval()",
        handler("model(x)"),
        codes="RPS132",
    ),
    case(
        "class_globals",
        ["+import json", "+BIAS = 1"],
        ["+class Base:\n    def pre(self, x): return x + BIAS", "-class Unrelated:\n    pass"],
        "+class Service(Base):\n    def run(self, x):\n        return json.dumps({'v': helper(self.pre(x))})",
        "+def helper(v):\n    return v * 2",
        "+svc = Service()",
        handler("svc.run(x)"),
    ),
    case(
        "decorator_factory",
        "+import functools, time",
        "+def timed(label):\n    def deco(fn):\n        @functools.wraps(fn)\n        def inner(*a):\n"
        "            t = time.time()\n"
        "            return {'label': label, 'out': fn(*a)}\n        return inner\n    return deco",
        "+LABEL = 'v1'",
        "+@timed(LABEL)\ndef handler(job):\n    return job['input']['x'] + 1",
        "-LABEL = 'v2'",
    ),
    case(
        "closure_factory",
        "+import faketorch as torch",
        "+def make(model, k):\n    def h(job):\n        return model(job['input']['x']) + k\n    return h",
        ["+net = torch.Net(3)", "+net.eval()"],
        "+K = 5",
        "+handler = make(net, K)",
        ["-K = 6", "-net = None"],
    ),
    case(
        "lazy_global",
        "+import faketorch as torch",
        [
            "+_model = None",
            (
                "+def get_model():\n    global _model\n    if _model is None:\n"
                "        _model = torch.Net(4).eval()\n    return _model"
            ),
        ],
        handler("get_model()(x)"),
        "-handler({'input': {'x': 9}})",
    ),
    case(
        "star_import",
        ["+from math import *", "+from os.path import *"],
        handler("floor(sqrt(x * 9)) + len(basename('a/b'))"),
    ),
    case(
        "try_import",
        "+try:\n    import ujson_not_there as json\nexcept ImportError:\n    import json",
        handler("json.dumps({'x': x})"),
    ),
    case(
        "cond_device",
        "+import faketorch as torch",
        "+if torch.cuda.is_available():\n    dtype = 'fp16'\n    dev = 0\nelse:\n    dtype = 'fp32'\n    dev = -1",
        ["-verbose = True", "-if verbose:\n    print(dev)"],
        handler("[x, dtype, dev]"),
    ),
    case(
        "magics",
        ["-%matplotlib inline", "-%load_ext autoreload", "-%autoreload 2", "-%pip install -q nothing-at-all || true"],
        ["-!echo hello", "-files = !ls"],
        ["%%time", "+import faketorch as torch", "+model = torch.Net(2)", "+model.eval()"],
        "+%time tok = {'a': 1}",
        "-model?",
        "-%env MODE=fast",
        ["%%bash", "echo hi"],
        "-%timeit -n1 -r1 model(2)",
        handler("model(x) + tok['a']"),
    ),
    case(
        "top_await",
        ["+import asyncio", "+async def fetch(n):\n    await asyncio.sleep(0)\n    return n * 2"],
        "+val = await fetch(21)",
        handler("x + val"),
    ),
    case(
        "monkeypatch_module",
        "+import faketorch as torch",
        "+old = torch.Net.__call__",
        "+torch.Net.__call__ = lambda self, v: old(self, v) * 10",
        "+m = torch.Net(2).eval()",
        handler("m(x)"),
        codes="RPS140",
    ),
    case(
        "environ_before_import",
        "+import os",
        "+os.environ['FAKE_MODE'] = 'turbo'",
        "-os.environ['UNRELATED_TOKEN'] = 'hf_secretsecretsecretsecretsecretsecret'",
        "+import faketorch as torch",
        handler("x if os.environ.get('FAKE_MODE') == 'turbo' else torch.load('nope')"),
        codes="RPS121",
    ),
    case(
        "error_cell_partial",
        ["+W = 11", "-bad = 1 / 0", "-W = 99"],
        "+def f(v):\n    return v * W",
        handler("f(x)"),
        failed=((1, 2),),
    ),
    case("edited_cell", "+T = 0.5", handler("x * T")),
    case("deleted_cell", "+def clean(v):\n    return v - 1", handler("clean(x)")),
    case(
        "unpack_walrus_with_for",
        "+import json",
        "+(lo, hi), *rest = (1, 5), 7, 8",
        "+if (n := len(rest)) > 1:\n    m = n * 10",
        "+with open('labels.json') as fh:\n    labels = json.load(fh)",
        "+for i, name in enumerate(labels):\n    last = (i, name)",
        "+index = {v: k for k, v in enumerate(labels)}",
        handler("[lo, hi, rest, m, labels[x], last, index['b']]"),
    ),
    case(
        "dataclass_annotations",
        "+from __future__ import annotations",
        "+from dataclasses import dataclass, field, fields",
        "+from typing import get_type_hints, Optional",
        "+@dataclass\nclass Inner:\n    v: int = 0",
        "+@dataclass\nclass Req:\n    x: int\n    inner: Optional[Inner] = None",
        "+def hints() -> dict:\n    return {k: str(v) for k, v in get_type_hints(Req, globals()).items()}",
        handler("[Req(x).x, len(sorted(hints()))]"),
    ),
    case(
        "seeded_weights",
        "+import numpy as np",
        "+np.random.seed(7)",
        "+W = np.random.rand(3)",
        ["-noise = np.random.rand(100)", "-noise.mean()"],
        handler("float(W[x])"),
    ),
    case(
        "seed_with_draws_between",
        "+import random",
        "+random.seed(7)",
        "+random.random()",
        "+W = random.random()",
        "-random.random()",
        handler("W + x"),
    ),
    case(
        "local_module_and_files",
        ["-import sys", "+from pathlib import Path"],
        ["+import utils", "+from pkg.mod import thing"],
        "+ROOT = Path('data')",
        "+vocab = (ROOT / 'vocab.txt').read_text().split()",
        handler("[utils.double(x), thing(), vocab[x]]"),
    ),
    case(
        "out_history",
        "+40 + 2",
        "+base = _",
        "+[1, 2, 3]",
        "+tail = Out[3]",
        handler("x + base + sum(tail)"),
        codes="RPS114",
    ),
    case(
        "dotted_imports",
        ["-import xml.dom", "+import xml.etree.ElementTree"],
        ["+import os.path as osp", "-import concurrent.futures"],
        "+def handler(job):\n    x = job['input']['x']\n"
        "    e = xml.etree.ElementTree.fromstring('<a b=\"%d\"/>' % x)\n"
        "    return [e.get('b'), osp.basename('q/w')]",
    ),
    case(
        "side_effect_import",
        "+import faketorch as torch",
        "+import fakeplugin",
        handler("x + torch.PLUGIN"),
        codes="RPS141",
    ),
    case(
        "partial_bound",
        "-from functools import partial",
        "+class Svc:\n    def __init__(self, k): self.k = k\n"
        "    def handle(self, job): return job['input']['x'] * self.k",
        "+svc = Svc(8)",
        "+handler = svc.handle",
        ["-p = partial(print, 'hi')", "-p()"],
    ),
    case(
        "async_generator_handler",
        ["+import asyncio", "+async def tick(i):\n    await asyncio.sleep(0)\n    return i * STEP"],
        "+STEP = 3",
        "+async def handler(job):\n    for i in range(job['input']['x']):\n        yield await tick(i)",
    ),
    case("swap_del", "+a, b, tmp = 1, 2, 3", "+a, b = b, a", "-del tmp", "+tmp = 30", handler("[x, a, b, tmp]")),
    case(
        "numpy_inplace",
        "+import numpy as np",
        "+m = np.ones((3, 3))",
        "+np.fill_diagonal(m, 5)",
        "+m *= 2",
        "+m[0, 1] = 7",
        "-m.sum()",
        "-np.linalg.norm(m)",
        ["+perm = np.arange(5)", "+rng = np.random.default_rng(0)", "+rng.shuffle(perm)"],
        handler("[m[x].tolist(), perm.tolist()]"),
    ),
    case(
        "pandas_inplace",
        "+import pandas as pd",
        "+df = pd.DataFrame({'k': [3, 1, 2], 'v': ['c', 'a', 'b']})",
        "+df['w'] = df.k * 2",
        "+df.sort_values('k', inplace=True)",
        "+df.columns = ['key', 'val', 'w']",
        "-df.head()",
        "-df.describe()",
        "-df.shape",
        "+lookup = df.set_index('key')['val'].to_dict()",
        handler("lookup[x]"),
        needs="pandas",
    ),
    case("default_args", "+K = 2", "+def f(v, k=K):\n    return v ** k", "-K = 50", handler("f(x)")),
    case(
        "class_attr_set_later",
        "+class Config:\n    dim = 1",
        "+Config.dim = 64",
        "-print(Config.dim)",
        handler("x * Config.dim"),
    ),
    case("function_attr", "+def f(v):\n    return v + f.bias", "+f.bias = 9", "-f(1)", handler("f(x)")),
    case(
        "singledispatch",
        "+from functools import singledispatch",
        "+@singledispatch\ndef show(v):\n    return 'obj'",
        "+@show.register(int)\ndef _(v):\n    return 'int'",
        "+@show.register(str)\ndef _(v):\n    return 'str'",
        handler("[show(x), show('s')]"),
    ),
    case(
        "registry_decorator",
        [
            "+REG = {}",
            "+def register(name):\n    def deco(fn):\n        REG[name] = fn\n        return fn\n    return deco",
        ],
        "+@register('dbl')\ndef double(v):\n    return v * K",
        "+@register('neg')\ndef neg(v):\n    return -v",
        "+K = 2",
        handler("[REG[n](x) for n in sorted(REG)]"),
    ),
    case(
        "init_subclass",
        "+class Plugin:\n    known = []\n"
        "    def __init_subclass__(cls, **k):\n        Plugin.known.append(cls.__name__)",
        "+class A(Plugin):\n    pass",
        "+class B(Plugin):\n    pass",
        handler("[x, Plugin.known]"),
    ),
    case(
        "forward_hook",
        "+import faketorch as torch",
        ["+net = torch.Net(2)", "+net.eval();"],
        "+def clamp(y):\n    return min(y, LIMIT)",
        "+LIMIT = 3",
        "+h = net.register_forward_hook(clamp)",
        handler("net(x)"),
    ),
    case(
        "load_state_dict",
        "+import faketorch as torch",
        "+net = torch.Net(1)",
        "+sd = torch.load('w.json')",
        "-sd",
        ["+msg = net.load_state_dict(sd)", "-print(msg)"],
        "+net.eval()",
        ["-out = net(5)", "-out"],
        handler("net(x)"),
    ),
    case(
        "semicolons_multi",
        ["+import os, json", "+import re as regex"],
        "+A = 1; B = 2; C = A + B",
        "+D = [\n    1,  # one\n    2,\n]",
        handler("[C, D, regex.sub('a', 'b', 'aaa'), json.dumps(x)]"),
    ),
    case(
        "same_name_many_versions",
        "+data = [1, 2, 3]",
        "+mean = sum(data) / len(data)",
        "-data = [100, 200]",
        "-data.append(5)",
        "-mean2 = sum(data)",
        "+data = {'k': 4}",
        handler("mean + x + data['k']"),
    ),
    case(
        "interactive_globals_fn",
        "+state = {'hits': 0}",
        "+def bump():\n    state['hits'] += 1\n    return state['hits']",
        ["~bump()", "~bump()"],
        handler("[x, bump() > 0]"),
    ),
    case(
        "inner_lambda_table",
        "+OPS = {'sq': lambda v: v ** POW, 'id': lambda v: v}",
        "+POW = 2",
        "-POW_UNUSED = 3",
        handler("OPS['sq'](x)"),
    ),
    case(
        "set_grad_seed",
        "+import faketorch as torch",
        "+torch.manual_seed(3)",
        "+torch.set_grad_enabled(False)",
        "+net = torch.Net(1).eval()",
        handler("[net(x), torch.grad]"),
    ),
    case(
        "bare_builder_noise",
        "+import faketorch as torch",
        "+net = torch.from_pretrained('org/model')",
        "+net.eval()",
        "-net",
        "-batch = [1, 2, 3]",
        "-preds = [net(b) for b in batch]",
        "-max(preds)",
        "-import plotlib as plt",
        ["-plt.figure(figsize=(3, 3))", "-plt.plot(batch, preds)"],
        "-handler_result = None",
        handler("net(x)"),
        "-handler_result = handler({'input': {'x': 1}})",
        "-handler_result",
    ),
]


def cells_of(case: Case, cwd: str = "") -> list[CellRun]:
    failed = dict(case.failed)
    return [
        CellRun(
            n,
            "\n".join(s[1:] if s[0] in "+-~" else s for s in statements),
            ok=n not in failed,
            failed_line=failed.get(n),
            cwd=cwd,
        )
        for n, statements in enumerate(case.cells, start=1)
    ]


def marked(case: Case, sign: str) -> set[tuple[int, int]]:
    found = set()
    for cell, statements in enumerate(case.cells, start=1):
        line = 1
        for statement in statements:
            if statement[0] == sign:
                found.add((cell, line))
            line += statement.count("\n") + 1
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, text in FAKES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "runpod", types.ModuleType("runpod"))
    for name in ("FAKE_MODE", "UNRELATED_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("builtins.print", lambda *a, **k: None)
    return tmp_path


def fresh() -> None:
    for name in OWN_MODULES:
        sys.modules.pop(name, None)


def run_plainly(cells: list[CellRun]) -> dict:
    """What the cells define when they run one after the other."""
    fresh()
    space: dict = {"__name__": "__main__", "Out": {}}
    done: set[int] = set()
    for statement in history_of(cells).statements:
        if magic_of(statement.node) or "get_ipython" in statement.text or statement.unit in done:
            continue
        done.add(statement.unit)
        if statement.shown:
            value = run(f"__shown = {statement.text}", space)["__shown"]
            if value is not None:
                space["_"] = space["Out"][statement.cell.number] = value
        else:
            run(statement.text, space)
    return space


def run(text: str, space: dict) -> dict:
    code = compile(text, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(code, space)
    if inspect.iscoroutine(result):
        asyncio.run(result)
    return space


def answers(handle, inputs=(1, 2)) -> list:
    found = []
    for x in inputs:
        answer = handle({"input": {"x": x}})
        if inspect.isasyncgen(answer):
            answer = asyncio.run(collected(answer))
        found.append(json.loads(json.dumps(answer)))
    return found


async def collected(answer) -> list:
    return [item async for item in answer]


TRAINS = Plan(trains=True)


def exported(cells, name="handler", live=None, plan=TRAINS):
    declaration = declarations(cells).get(name) or Declaration(name, name)
    found = slice_cells(cells, declaration, live, plan=plan)
    return found, module_of(found, declaration)


def module_space(text: str) -> dict:
    fresh()
    module = types.ModuleType("handler")
    sys.modules["handler"] = module
    space = module.__dict__
    space["__file__"] = "handler.py"
    exec(compile(text, "handler.py", "exec", dont_inherit=True), space)
    return space


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_slice_of_the_case_is_right(case, folder):
    cells = cells_of(case, str(folder))
    found, module = exported(cells)
    kept = {(k.cell, k.line) for k in found.kept}
    assert marked(case, "+") - kept == set(), f"missing\n{module.text}"
    assert kept - marked(case, "+") - marked(case, "~") == set(), f"superfluous\n{module.text}"
    assert set(case.codes) <= {f.code for f in found.findings}
    assert "get_ipython" not in module.text
    assert "hf_secret" not in module.text
    assert len(module.lines) == len(module.text.splitlines())
    if case.needs and importlib.util.find_spec(case.needs) is None:
        return
    assert answers(module_space(module.text)["handler"]) == answers(run_plainly(cells)["handler"])


@pytest.mark.parametrize("rung", ["weak", "full"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_higher_rung_holds_more_and_answers_alike(case, rung, folder):
    if case.needs and importlib.util.find_spec(case.needs) is None:
        pytest.skip(f"{case.needs} is not installed")
    cells = cells_of(case, str(folder))
    found, module = exported(cells, plan=Plan(rung=rung, trains=True))
    assert marked(case, "+") <= {(k.cell, k.line) for k in found.kept}
    assert "get_ipython" not in module.text
    assert answers(module_space(module.text)["handler"]) == answers(run_plainly(cells)["handler"])


def test_a_value_without_a_cell_is_frozen_when_the_kernel_has_it():
    cells = [CellRun(1, "def handler(job):\n    return SAUCE[job['input']['x']]")]
    found, module = exported(cells, live=Live({"SAUCE": [1, 2, 3]}, {}))
    assert "SAUCE = [1, 2, 3]" in module.text
    assert "RPS105" in {f.code for f in found.findings}


REFUSED = [
    ("nowhere", ["def handler(job): return helper(job)"], "RPS109", 1),
    ("deleted", ["K = 1", "del K", "def handler(job): return K"], "RPS109", 3),
    ("ipython", ["def handler(job): return get_ipython().run(job)"], "RPS110", 1),
    ("display_import", ["from IPython.display import Image", "def handler(job): return Image(job)"], "RPS110", 1),
    ("opaque_magic", ["%%cython\ndef fast(x):\n    return x", "def handler(job): return fast(job)"], "RPS112", 1),
    ("shell_output", ["files = !ls", "def handler(job): return files"], "RPS112", 1),
    ("unparsable", ["def helper(x):\n    return x +", "def handler(job): return helper(job)"], "RPS107", 1),
    ("used_before", ["y = K + 1", "K = 2", "def handler(job): return y"], "RPS109", 1),
]


@pytest.mark.parametrize(("cells", "code", "cell"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_worker_that_would_be_wrong_is_refused_by_name(cells, code, cell):
    with pytest.raises(ExportRefused) as refusal:
        exported([CellRun(n, text) for n, text in enumerate(cells, start=1)])
    assert (code, cell) in {(f.code, f.cell) for f in refusal.value.findings}


def test_a_thousand_cells_that_lead_to_each_other_are_followed_to_the_first():
    chain = ["v0 = 1", *(f"v{n} = v{n - 1} + 1" for n in range(1, 1500)), "def handler(job):\n    return v1499"]
    cells = [CellRun(number, text) for number, text in enumerate(chain, start=1)]
    assert len(slice_cells(cells, Declaration("handler", "handler")).kept) == len(cells)


def test_a_seed_that_is_set_again_before_anything_is_drawn_is_taken_once():
    seed = "torch.manual_seed(0)"
    once = ["import torch", seed, seed, "def handler(job):\n    return torch.relu(job)"]
    twice = ["import torch", seed, "w = torch.rand(2)", seed, "def handler(job):\n    return w"]
    for texts, seeds in ((once, 1), (twice, 2)):
        cells = [CellRun(number, text) for number, text in enumerate(texts, start=1)]
        kept = slice_cells(cells, Declaration("handler", "handler")).kept
        assert [each.text for each in kept].count(seed) == seeds


@pytest.mark.parametrize(
    ("made", "moves"),
    [
        ("lut = json.load(open('lut.json'))", True),
        ("lut = set(open('lut.txt').read().split())", True),
        ("lut = open('plugin.py', 'w').write('')", False),
        ("open = print\nlut = open('lut.json')", False),
        ("lut = numpy.array(1)", False),
    ],
)
def test_imports_move_up_over_what_only_makes_a_value(made, moves):
    texts = ["import json\nimport numpy", made, "from torch import relu", "def handler(job):\n    return relu(lut)"]
    cells = [CellRun(number, text) for number, text in enumerate(texts, start=1)]
    declaration = Declaration("handler", "handler")
    module = module_of(slice_cells(cells, declaration), declaration).text
    assert (module.index("from torch") < module.index("lut =")) is moves
