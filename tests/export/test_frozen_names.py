"""Names whose present value goes into the worker: which, where they stand in the module, and what refuses them."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
import torch
from IPython.utils.text import SList

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.live import Live
from rp_notebook.export.module import module_of
from rp_notebook.export.plan import Plan
from rp_notebook.export.slicing import slice_cells
from rp_notebook.jobs.declaration import Declaration

HANDLER = "def handler(job):\n    return {}"


def exported(*cells, live, plan=None, failed=None, seconds=None, secrets=None):
    failed, seconds = failed or {}, seconds or {}
    runs = [
        CellRun(n, text, ok=n not in failed, failed_line=failed.get(n), seconds=seconds.get(n, 0.0))
        for n, text in enumerate(cells, start=1)
    ]
    declaration = Declaration("handler", "handler")
    found = slice_cells(runs, declaration, Live(live, {}, secrets or {}), plan=plan or Plan())
    return found, module_of(found, declaration).text


def answer(found, text, folder, monkeypatch, job=None):
    monkeypatch.setitem(sys.modules, "runpod", types.ModuleType("runpod"))
    for name, body in found.files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(body)
    space = {"__name__": "handler", "__file__": str(folder / "handler.py")}
    exec(compile(text, "handler.py", "exec"), space)
    return space["handler"](job)


def codes(found):
    return {finding.code for finding in found.findings}


def handler(expression):
    return HANDLER.format(expression)


STEP = "step *= 2"
# Cells, the kernel's values, the code, and what has to stand in the module and what may not.
FROZEN = [
    ("pushed", [handler("SAUCE")], {"SAUCE": [1, 2]}, "RPS105", ["SAUCE = [1, 2]"], []),
    ("restored", ["%store -r vocab", handler("vocab")], {"vocab": {"a": 1}}, "RPS105", ["vocab = {'a': 1}"], ["store"]),
    ("shell", ["files = !ls", "names = [f for f in files]", handler("names")], {"files": SList(["a"]), "names": ["a"]},
     "RPS111", ["files = ['a']", "names = [f for f in files]"], ["get_ipython"]),
    ("magic answer", ["out = %who_ls", handler("out")], {"out": ["x"]}, "RPS112", ["out = ['x']"], ["get_ipython"]),
    ("magic cell", ["%%sql rows <<\nselect 1", handler("rows")], {"rows": [(1,)]}, "RPS105", ["rows = [(1,)]"], []),
    ("ran five times", ["step = 1", *[STEP] * 5, handler("step")], {"step": 32}, "RPS104", ["step = 32"], [STEP]),
    ("used in between", ["step = 1", "early = step", *[STEP] * 5, handler("[early, step]")], {"step": 32, "early": 1},
     "RPS104", ["step = 1\n", "early = step", "step = 32"], [STEP]),
    ("list that grew", ["xs = []", *["xs.append(1)"] * 4, handler("xs")], {"xs": [1] * 4}, "RPS104",
     ["xs = [1, 1, 1, 1]"], ["append"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "live", "code", "there", "gone"), [r[1:] for r in FROZEN], ids=[r[0] for r in FROZEN]
)
def test_a_value_without_code_is_written_as_it_is(cells, live, code, there, gone, tmp_path, monkeypatch):
    found, text = exported(*cells, live=live)
    assert code in codes(found)
    assert all(part in text for part in there), text
    assert not any(part in text for part in gone), text
    names = sorted(set(live) & set(text.split("return ")[1].split("\n")[0].strip("[]").split(", ")))
    values = [list(live[name]) if isinstance(live[name], SList) else live[name] for name in names]
    got = answer(found, text, tmp_path, monkeypatch)
    assert got == (values if len(names) > 1 else values[0])


def test_what_a_statement_left_that_raised_is_written(tmp_path, monkeypatch):
    loop = "for n in range(9):\n    rows.append(1 / (3 - n))"
    cells = ["rows = []", loop, handler("rows")]
    found, text = exported(*cells, live={"rows": [1 / 3, 1 / 2, 1.0], "n": 3}, failed={2: 1})
    assert "RPS107" in codes(found)
    assert "for n" not in text
    assert answer(found, text, tmp_path, monkeypatch) == [1 / 3, 1 / 2, 1.0]


def test_an_array_becomes_a_file_that_the_findings_name(tmp_path, monkeypatch):
    found, text = exported(handler("emb.sum().item()"), live={"emb": np.arange(2000.0)})
    assert [*found.files] == ["assets/emb.npz"]
    said = next(f for f in found.findings if f.code == "RPS105")
    assert "numpy.ndarray (2000,) float64" in said.message
    assert "sha256" in said.message
    assert answer(found, text, tmp_path, monkeypatch) == np.arange(2000.0).sum()


def test_imports_for_a_value_do_not_take_a_name_that_the_notebook_uses(tmp_path, monkeypatch):
    cells = ["json = 5\ndef Path(x):\n    return x", handler("[json, len(rows), Path(1)]")]
    found, text = exported(*cells, live={"rows": [str(n) * 9 for n in range(900)], "json": 5})
    assert "import json as _json" in text
    assert answer(found, text, tmp_path, monkeypatch) == [5, 900, 1]


def test_imports_of_the_notebook_are_used_for_a_value(tmp_path, monkeypatch):
    found, text = exported("import numpy as np", handler("np.max(emb)"), live={"emb": np.arange(9.0), "np": np})
    assert text.count("import numpy as np") == 1
    assert answer(found, text, tmp_path, monkeypatch) == 8.0


class Service:
    pass


REFUSED = [
    ("no plain data", [handler("svc.run()")], {"svc": Service()}, "RPS105", "neither as JSON"),
    ("too large", [handler("rows")], {"rows": ["x" * 1000] * 2000}, "RPS133", "1 MB"),
    ("a secret", [handler("conf")], {"conf": {"api_key": "rosebud-9"}}, "RPS105", "secret"),
    ("known secret", [handler("conf")], {"conf": ["tulip-1234"]}, "RPS105", "secret"),
    ("grep", ["files = !ls", handler("files.grep('a')")], {"files": SList(["a"])}, "RPS111", "grep"),
    ("changed by jobs", ["xs = %who_ls", "def handler(job):\n    xs.append(job)\n    return xs"], {"xs": [1]},
     "RPS112", "changes `xs`"),
    ("shared with what jobs change", ["box = []", "def handler(job):\n    box.append(job)\n    return xs"],
     (lambda inner: {"xs": [inner], "box": inner})([1]), "RPS105", "changes `box`"),
    ("changed in between", ["files = !ls", "n = len(files)", "files.append('x')", handler("[n, files]")],
     {"files": SList(["a", "x"]), "n": 1}, "RPS112", "output of a shell"),
    ("interrupted model", ["class Net: pass\nnet = Net()\nfor n in range(3):\n    net.fit_one(n)", handler("net(1)")],
     {"net": Service(), "n": 1}, "RPS107", "neither as JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("cells", "live", "code", "why"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_value_that_cannot_be_written_truly_is_refused_with_the_reason(cells, live, code, why):
    failed = {1: 3} if "fit_one" in cells[0] else {}
    with pytest.raises(ExportRefused) as refusal:
        exported(*cells, live=live, failed=failed, secrets={"tulip-1234": "MY_KEY"})
    told = [finding for finding in refusal.value.findings if finding.code == code]
    assert any(why in finding.message for finding in told), refusal.value.findings


def test_a_lazy_cache_is_not_filled_with_what_the_kernel_holds():
    cache = (
        "def model():\n    global _model\n    try:\n        return _model\n    except NameError:\n        _model = 4"
    )
    _, text = exported(cache + "\n    return _model", handler("model()"), live={"_model": 4})
    assert "_model = 4\n" in text
    assert "\n_model = 4" not in text


TRAINING = [
    "import torch",
    "net = torch.nn.Linear(2, 1)",
    "opt = torch.optim.SGD(net.parameters(), lr=0.1)",
    "for _ in range(3):\n    loss = net(torch.ones(1, 2)).sum()\n    loss.backward()\n    opt.step()",
    "net.eval()",
    handler("net(torch.ones(1, 2)).item()"),
]


def test_training_offers_no_freezing_of_what_cannot_be_written():
    from sklearn.linear_model import LinearRegression

    cells = ["from sklearn.linear_model import LinearRegression", "m = LinearRegression()", "m.fit([[1]], [1])"]
    with pytest.raises(ExportRefused) as refusal:
        exported(*cells, handler("m.predict([[1]]).tolist()"), live={"m": LinearRegression().fit([[1]], [1])})
    (told,) = refusal.value.findings
    assert told.code == "RPS132"
    assert "--freeze" not in told.fix
    assert "save `m` to a file" in told.fix


def test_training_stops_the_export_and_offers_the_weights():
    live = {"torch": torch, "net": torch.nn.Linear(2, 1)}
    with pytest.raises(ExportRefused) as refusal:
        exported(*TRAINING, live=live)
    (told,) = refusal.value.findings
    assert (told.code, told.cell) == ("RPS132", 4)
    assert "--freeze net" in told.fix
    found, text = exported(*TRAINING, live=live, plan=Plan(trains=True))
    assert "opt.step()" in text
    assert "RPS132" in codes(found)


def test_training_is_not_taken_for_what_the_data_was_made_of(monkeypatch):
    space: dict = {}
    cells = [
        "import torch\nimport features",
        "words = {'a', 'b'}\nnet = torch.nn.Linear(2, 1)",
        "x = torch.stack([features.bag(words)])\nseen = []",
        "loss = net(x).sum()\nloss.backward()\nseen.append(1)",
        handler("[net, len(words)]"),
    ]
    monkeypatch.setitem(sys.modules, "features", types.SimpleNamespace(bag=lambda words: torch.ones(2)))
    for cell in cells:
        exec(cell, space)
    plan = Plan(freeze=(("net", "is frozen as you asked"),))
    text = exported(*cells, live=space, plan=plan)[1]
    assert "words = {'a', 'b'}" in text
    assert "backward" not in text
    with pytest.raises(ExportRefused, match="--freeze"):  # what the training cell itself wrote is no guess
        exported(
            "seen = []",
            *cells[:2],
            "x = torch.ones(1, 2)",
            "for _ in 'ab':\n    net(x).sum().backward()\n    seen.append(1)",
            handler("[net, seen]"),
            live=space,
            plan=plan,
        )


KEEPING = [
    "import torch\nseen = []\nstats = {'seen': seen}\ndata = [('a', 1.0)]\nnet = torch.nn.Linear(1, 1)",
    "for _, x in torch.utils.data.DataLoader(data):\n    net(x[None].float()).sum().backward()\n    seen.append(1)",
]


def test_what_training_wrote_into_keeps_it_and_the_plain_data_it_read_does_not():
    space: dict = {}
    for cell in KEEPING:
        exec(cell, space)
    plan = Plan(freeze=(("net", "is frozen as you asked"),))
    with pytest.raises(ExportRefused, match="RPS132"):
        exported(*KEEPING, handler("[net, stats]"), live=space, plan=plan)
    assert "backward" not in exported(*KEEPING, handler("[net, data]"), live=space, plan=plan)[1]
    assert "backward" not in exported(*KEEPING, handler("data"), live=space)[1]


@pytest.mark.parametrize("plan", [Plan(), Plan(trains=True)], ids=["stops", "trains"])
def test_an_estimator_that_learns_from_what_another_made_is_named_itself(plan):
    made = (
        "from sklearn.linear_model import LogisticRegression",
        "from sklearn.feature_extraction.text import CountVectorizer",
        "vec = CountVectorizer()\nX = vec.fit_transform(['good', 'bad'])",
        "clf = LogisticRegression()\nclf.fit(X, [1, 0])",
        handler("clf.predict(vec.transform(['good']))[0].item()"),
    )
    space: dict = {}
    for cell in made:
        exec(cell, space)
    try:
        findings = exported(*made, live=space, plan=plan)[0].findings
    except ExportRefused as refused:
        findings = refused.findings
    fixes = [finding.fix for finding in findings if finding.code == "RPS132"]
    assert [fix.partition(" to a file")[0] for fix in fixes] == ["save `vec`", "save `clf`"]


def test_frozen_weights_stand_in_for_the_training(tmp_path, monkeypatch):
    space: dict = {}
    for cell in TRAINING:
        exec(cell, space)
    found, text = exported(*TRAINING, live=space, plan=Plan(freeze=(("net", "is frozen as you asked"),)))
    assert "backward" not in text
    assert "optim" not in text
    assert "net.eval()" in text
    assert [*found.files] == ["assets/net.safetensors"]
    assert answer(found, text, tmp_path, monkeypatch) == space["handler"](None)


def test_what_holds_a_module_gets_its_frozen_weights_too(tmp_path, monkeypatch):
    space: dict = {}
    service = "class Service:\n    def __init__(self, net):\n        self.net = net\n    def run(self, x):\n"
    cells = [*TRAINING[:3], service + "        return self.net(x).item()\nsvc = Service(net)", *TRAINING[3:5]]
    cells.append(handler("svc.run(torch.ones(1, 2))"))
    for cell in cells:
        exec(cell, space)
    found, text = exported(*cells, live=space, plan=Plan(freeze=(("net", "is frozen as you asked"),)))
    assert "backward" not in text
    assert answer(found, text, tmp_path, monkeypatch) == space["handler"](None)


def test_a_long_computation_stops_the_export_and_can_be_frozen(tmp_path, monkeypatch):
    cells = ["import numpy as np", "emb = np.arange(6.0).reshape(2, 3)", handler("emb.tolist()")]
    live = {"np": np, "emb": np.arange(6.0).reshape(2, 3)}
    with pytest.raises(ExportRefused, match="140 s"):
        exported(*cells, live=live, seconds={2: 140.0})
    found, text = exported(*cells, live=live, seconds={2: 140.0}, plan=Plan(freeze=(("emb", "is frozen"),)))
    assert "assets/emb.npz" in text
    assert answer(found, text, tmp_path, monkeypatch) == live["emb"].tolist()


@pytest.mark.parametrize("cell", ["net = load_model('x')", "print(1)\nnet = make()", "import torch", "def f(): pass"])
def test_what_may_not_have_taken_long_itself_does_not_stop_the_export(cell):
    cells = ["def load_model(x): return x\ndef make(): return 1", cell, handler("net" if "net" in cell else "1")]
    found, _ = exported(*cells, live={}, seconds={2: 300.0})
    assert codes(found) == set()


def test_values_stand_beside_what_was_done_about_secrets():
    cells = [
        "import os\nTOKEN = 'sk-proj-" + "a1B2c3D4e5F6" * 3 + "'",
        "os.environ['HF_TOKEN'] = 'hf_" + "a1B2c3D4" * 4 + "'",
    ]
    found, text = exported(*cells, handler("[TOKEN, lut]"), live={"lut": {"a": 1}})
    assert "lut = {'a': 1}" in text
    assert {"RPS105", "RPS121"} <= codes(found)
    assert [f.cell for f in found.findings if f.code == "RPS121"] == [1, 2]
    assert ("a1B2c3D4" in text, "HF_TOKEN" in text) == (False, False)


def test_a_value_with_random_text_in_it_is_no_value_to_write():
    with pytest.raises(ExportRefused, match="holds a secret") as refusal:
        exported(handler("conf"), live={"conf": ["Zk3v9QpL7xT2mW8nR5yB1cF6"]})
    assert [finding.code for finding in refusal.value.findings] == ["RPS105"], "said once"
