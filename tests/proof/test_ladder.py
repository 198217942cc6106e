"""Exports that are replayed: which rung answers the jobs, and what is refused."""

from __future__ import annotations

import ast
import importlib
import os
import pickle
import random
import sys
import types
from dataclasses import replace

import fastjsonschema
import pytest

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.exporting import export_cells
from rp_notebook.export.live import Live
from rp_notebook.export.plan import Plan
from rp_notebook.export.recorded import recorded
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.running import run_job
from rp_notebook.proof.ladder import climb
from tests.export.test_fuzz import Notebook

DECLARED = Declaration("handler", "handler")


class Kernel:
    """A namespace in which cells ran and jobs were answered, as in a notebook."""

    def __init__(self, *cells: str) -> None:
        self.space: dict = {"__name__": "__main__"}
        self.out: dict = {}
        self.runs: list[CellRun] = []
        self.records: list = []
        for cell in cells:
            self.cell(cell)

    def cell(self, text: str) -> None:
        *rest, last = ast.parse(text).body
        number = len(self.runs) + 1
        if isinstance(last, ast.Expr):
            exec(compile(ast.Module(rest, []), "<cell>", "exec"), self.space)
            shown = eval(compile(ast.Expression(last.value), "<cell>", "eval"), self.space)
            self.out.update({number: shown} if shown is not None else {})
        else:
            exec(compile(text, "<cell>", "exec"), self.space)
        self.runs.append(CellRun(number, text))

    def job(self, given=1, **more):
        self.records.append(run_job(self.space["handler"], {"input": given, **more}))
        return self.records[-1].output

    def climb(self, plan=None, **options):
        def export(plan):
            live = Live(self.space, self.out)
            return export_cells(self.runs, DECLARED, live=live, records=self.records, plan=plan)

        return climb(export, [recorded(r) for r in self.records], self.space, plan=plan or Plan(), **options)


def handler(expression):
    return f"def handler(job):\n    x = job['input']\n    return {expression}"


def codes(findings):
    return {finding.code for finding in findings}


# Cells, the rung that answers, and what its module holds.
RUNGS = [
    ("needed", ["K = 2", "import json", handler("x * K")], "needed", "K = 2"),
    ("a name that only eval knows", ["HIDDEN = 2", handler("eval('HID' + 'DEN') * x")], "needed", "HIDDEN = 2"),
    ("changed by what looked like a look",
     ["import ctypes", "a = ctypes.c_int(0)", "ctypes.memset(ctypes.addressof(a), 1, 4)", handler("a.value")], "weak",
     "memset"),
    ("changed by a function that is said to change nothing",
     ["import ctypes", "a = ctypes.c_int(0)", "r = ctypes.memset(ctypes.addressof(a), 1, 4)", handler("a.value")],
     "full", "memset"),
]  # fmt: skip


@pytest.mark.parametrize(("cells", "rung", "holds"), [r[1:] for r in RUNGS], ids=[r[0] for r in RUNGS])
def test_the_first_rung_that_answers_the_jobs_is_taken(cells, rung, holds):
    kernel = Kernel(*cells)
    kernel.job(1)
    kernel.job(2)
    found = kernel.climb()
    assert (found.rung, found.proved) == (rung, True)
    assert [job.verdict for job in found.jobs] == ["same", "same"]
    assert holds in found.result.module
    assert ("RPS108" in codes(found.findings)) is (rung != "needed" or "HIDDEN" in holds)


def test_a_value_that_no_cell_made_so_is_taken_from_the_kernel():
    kernel = Kernel("table = {'a': 1}", handler("table"))
    kernel.space["table"]["b"] = 2  # as a widget's callback would
    kernel.job()
    found = kernel.climb()
    assert found.rung == "freeze"
    assert "table = {'a': 1, 'b': 2}" in found.result.module
    assert found.proved


def test_what_differs_and_cannot_be_written_is_refused_by_name():
    kernel = Kernel("class Net:\n    k = 1", "net = Net()", handler("net.k * x"))
    kernel.space["net"].k = 5
    kernel.job()
    with pytest.raises(ExportRefused, match="output: 5 became 1") as refusal:
        kernel.climb()
    assert "RPS108" in codes(refusal.value.findings)
    assert "net" in refusal.value.findings[0].message


def test_a_handler_that_counts_its_jobs_is_not_taken_for_a_random_one():
    count = "def handler(job):\n    hits['n'] += 1\n    return hits['n']"
    kernel = Kernel("hits = {'n': 0}", count)
    assert [kernel.job(), kernel.job()] == [1, 2]
    assert kernel.climb().rung == "needed"
    wrong = Kernel("hits = {'n': 0}", count)
    wrong.space["hits"]["n"] = 5
    wrong.job()
    with pytest.raises(ExportRefused, match="6 became 1"):
        wrong.climb()


def test_answers_that_differ_each_time_are_compared_by_shape():
    kernel = Kernel("import random", handler("{'x': x, 'score': random.random()}"))
    kernel.job()
    found = kernel.climb()
    assert [job.verdict for job in found.jobs] == ["varies"]
    assert "RPP113" in codes(found.findings)
    length = "def handler(job):\n    yield from range(random.randrange(5000))"
    streaming = Kernel("import random", length)
    streaming.job()
    (told,) = [finding.message for finding in streaming.climb().findings if finding.code == "RPP113"]
    assert "how much was posted: only its shape was compared" in told
    listed = Kernel("import random", handler("{'kept': 1, 'all': [*range(random.randrange(50_000))]}"))
    listed.job()
    assert [job.verdict for job in listed.climb().jobs] == ["varies"]
    choice = "{'score': random.random(), 'some': random.choice([None, *range(99)])}"
    some = Kernel("import random", handler(choice))
    some.job()
    assert some.climb().rung == "needed"
    other = Kernel("import random", "shift = [0]", handler("{'x': x + shift[0], 'score': random.random()}"))
    other.space["shift"][0] = 7
    other.job()
    assert other.climb().rung == "freeze", "what does not vary is compared all the same"


def test_weights_drawn_at_random_are_those_of_the_kernel():
    kernel = Kernel("import numpy as np", "W = np.random.rand(3)", handler("W.tolist()"))
    kernel.job()
    found = kernel.climb()
    assert (found.rung, [job.verdict for job in found.jobs]) == ("freeze", ["same"])
    assert "assets/W.npz" in found.result.repo
    cells = ["import random", "class Net:\n    def __init__(self):\n        self.w = random.random()", "net = Net()"]
    random_net = Kernel(*cells, handler("net.w"))
    random_net.job()
    with pytest.raises(ExportRefused, match="net: another value at each start") as refusal:
        random_net.climb()
    assert "RPS123" in codes(refusal.value.findings)


def test_an_id_made_at_the_start_may_be_another_one():
    kernel = Kernel("import uuid", "WORKER = uuid.uuid4().hex", handler("[x, WORKER]"))
    kernel.job()
    found = kernel.climb()
    assert (found.rung, [job.verdict for job in found.jobs]) == ("needed", ["varies"])
    assert {"RPS123", "RPP113"} <= codes(found.findings)


BLOCKED = [
    ("memory", "class OutOfMemoryError(RuntimeError): pass\nif ALONE:\n    raise OutOfMemoryError('full')"),
    ("offline", "if ALONE:\n    raise OSError('cannot be found in offline mode')"),
    ("time", "import time\nif ALONE:\n    time.sleep(90)"),
    ("killed", "import os\nif ALONE:\n    os.kill(os.getpid(), 9)"),
]


@pytest.mark.parametrize("cell", [b[1] for b in BLOCKED], ids=[b[0] for b in BLOCKED])
def test_a_replay_that_cannot_run_here_does_not_refuse_the_export(cell):
    # The clean process is an isolated one, and this one is not.
    kernel = Kernel("import sys\nALONE = sys.flags.isolated", cell + "\nelse:\n    K = 2", handler("x * K"))
    kernel.job()
    found = kernel.climb(timeout_s=3.0 if "sleep" in cell else 60.0)
    assert not found.proved
    assert "RPP112" in codes(found.findings)


def test_a_variable_that_is_not_set_here_is_named(monkeypatch):
    monkeypatch.setenv("RP_TEST_MODE", "fast")
    kernel = Kernel("import os", "MODE = os.environ['RP_TEST_MODE']", handler("MODE"))
    kernel.job()
    monkeypatch.delenv("RP_TEST_MODE")
    (said,) = [f for f in kernel.climb().findings if f.code == "RPP112"]
    assert "RP_TEST_MODE" in said.message


def test_a_variable_that_the_module_reads_is_handed_on(monkeypatch):
    monkeypatch.setenv("RP_TEST_MODE", "fast")
    kernel = Kernel("import os", "MODE = os.environ['RP_TEST_MODE']", handler("MODE"))
    kernel.job()
    assert kernel.climb().proved


@pytest.mark.parametrize(
    ("jobs", "said"), [((), True), (("a",), True), (("a", 1), False)], ids=["none", "failed", "completed"]
)
def test_what_differs_is_told_where_no_completed_job_tells_whether_it_matters(jobs, said):
    cells = "import random, time", "START = time.time()", "TABLE = {'k': random.random()}"
    kernel = Kernel(*cells, handler("(x / 2, len(TABLE), START > 0)"))
    for given in jobs:
        kernel.job(given)
    found = [finding.message for finding in kernel.climb().findings if finding.code == "RPS125"]
    assert [("TABLE" in message, "START" in message) for message in found] == [(True, False)] * said


def test_without_a_job_only_the_import_is_replayed():
    found = Kernel("K = 1", handler("x * K")).climb()
    assert not found.proved
    assert "RPP111" in codes(found.findings)
    with pytest.raises(ExportRefused, match="cannot be imported"):
        Kernel(
            "import sys\ndef setup():\n    assert not sys.flags.isolated\n    return 1", "K = setup()", handler("K")
        ).climb()


def test_a_file_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("1")
    kernel = Kernel("rows = iter(open('vsc.swor'[::-1]))", handler("next(rows)"))
    kernel.job()
    with pytest.raises(ExportRefused) as refusal:
        kernel.climb()
    assert refusal.value.findings[0].code == "RPP115"
    assert "rows.csv" in refusal.value.findings[0].fix


def test_what_a_file_of_keys_holds_is_not_written_and_the_file_not_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("export A_KEY='Some-Words-1'\n")
    kernel = Kernel("lines = []\nfor line in open('.env'):\n    lines.append(line)", handler("x + len(lines)"))
    kernel.runs = [replace(run, cwd=str(tmp_path)) for run in kernel.runs]
    kernel.job()
    with pytest.raises(ExportRefused) as refusal:
        kernel.climb()
    first, *_ = refusal.value.findings
    assert (first.code, "environment variables of the endpoint" in first.fix) == ("RPP115", True)
    assert "Some-Words-1" not in str(refusal.value)


FOUND_BY_THE_REPLAY = {
    "a class in a pickle": "import pickle\nlib = pickle.load(open('lib.pkl', 'rb'))",
    "a name that is put together, and an error that does not tell it": (
        "import importlib\ntry:\n    lib = importlib.import_module('fast' + 'jsonschema').JsonSchemaException('no')\n"
        "except ImportError:\n    raise RuntimeError('something is missing') from None"
    ),
}


@pytest.mark.parametrize("way", FOUND_BY_THE_REPLAY)
def test_a_package_that_no_line_imports_is_pinned_where_the_replay_needs_it(tmp_path, monkeypatch, way):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lib.pkl").write_bytes(pickle.dumps(fastjsonschema.JsonSchemaException("no")))
    kernel = Kernel(FOUND_BY_THE_REPLAY[way], handler("[x, str(lib)]"))
    kernel.runs = [replace(run, cwd=str(tmp_path)) for run in kernel.runs]
    kernel.job()
    found = kernel.climb()
    assert (found.rung, found.proved, found.replays) == ("needed", True, 2)
    pinned = [line.partition("==")[0] for line in found.result.repo["requirements.txt"].decode().splitlines()]
    assert pinned == ["fastjsonschema", "runpod"]
    assert "RPP134" in codes(found.findings)


def test_a_package_that_only_the_kernel_has_loaded_is_left_out(tmp_path, monkeypatch):
    site = tmp_path / "site-packages"
    requires = {"rp_maker": 'Requires-Dist: rp_option ; extra == "more"\n', "rp_option": ""}
    for name, lines in requires.items():
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{lines}")
        (info / "RECORD").write_text(f"{name}.py,,\n")
        (site / f"{name}.py").write_text("def made(x):\n    return [x]\n")
    monkeypatch.syspath_prepend(str(site))
    kernel = Kernel("import rp_maker", handler("rp_maker.made(x)"))
    importlib.import_module("rp_option")
    kernel.job()
    found = kernel.climb()
    assert (found.proved, "rp-option" in found.plan.spared) == (True, True)
    pinned = found.result.repo["requirements.txt"].decode()
    assert ("rp_maker==1.0" in pinned, "rp_option" in pinned) == (True, False)


def test_functions_that_no_job_executed_are_named():
    helper = "def used(x):\n    return x\ndef branch(x):\n    return -x"
    kernel = Kernel(helper, handler("used(x) if x > 0 else branch(x)"))
    kernel.job()
    (note,) = [f for f in kernel.climb().findings if f.code == "RPP114"]
    assert note.message == "no job executed branch()"
    kernel.job(-1)
    assert "RPP114" not in codes(kernel.climb().findings)


def test_a_climb_stops_after_so_many_replays():
    kernel = Kernel("table = {'a': 1}", handler("table"))
    kernel.space["table"]["b"] = 2
    kernel.job()
    with pytest.raises(ExportRefused):
        kernel.climb(replays=1)


def test_a_climb_goes_on_where_a_name_that_is_missing_is_there_already():
    kernel = Kernel("spoken = ''.join(['LIM', 'IT'])", "LIMIT = [1]", "table = eval(spoken)", "LIMIT = [2]")
    kernel.cell("def handler(job):\n    return [table, LIMIT]")
    kernel.job()
    assert kernel.climb().rung == "full"


@pytest.mark.parametrize("first", range(0, 20, 5))
def test_random_notebooks_are_exported_truly_or_refused(first, monkeypatch):
    monkeypatch.setitem(sys.modules, "runpod", types.ModuleType("runpod"))
    frozen, refused = 0, []
    for seed in range(first, first + 5):
        kernel = Kernel(*Notebook(seed).cells)
        by_hand = random.Random(seed)
        if seed % 2:  # something that no cell does
            lists = sorted(name for name, value in kernel.space.items() if name[0] == "l" and isinstance(value, list))
            kernel.space[by_hand.choice(lists)].append(99)
        expected = kernel.job(1, x=5)
        try:
            found = kernel.climb()
        except ExportRefused:
            refused.append(seed)
            continue
        frozen += found.rung == "freeze"
        space: dict = {"__name__": "handler", "__file__": os.devnull}
        exec(found.result.module, space)
        assert space["handler"]({"x": 5}) == expected, f"seed {seed}\n{found.result.module}"
    assert not [seed for seed in refused if seed % 2 == 0]
    print(f"seeds {first} to {first + 4}: {frozen} frozen, {refused} refused")


def test_what_only_this_machine_has_is_named(tmp_path, monkeypatch):
    (tmp_path / "outside.txt").write_text("hi")
    monkeypatch.setenv("RP_STRAY", "here")
    kernel = Kernel(
        "import os, tempfile",
        "def handler(job):\n"
        "    with tempfile.NamedTemporaryFile('w') as made:\n"
        "        open(made.name).close()\n"
        "    name = 'RP_' + 'STRAY'.upper()\n"
        "    return open(job['input'][::-1]).read() + os.environ.get(name, 'here')",
    )
    kernel.job(str(tmp_path / "outside.txt")[::-1])
    found = {finding.code: finding for finding in kernel.climb().findings}
    assert f"opened {tmp_path / 'outside.txt'} of this machine" in found["RPP118"].message
    assert "read RP_STRAY" in found["RPP119"].message


def test_a_job_from_before_a_change_does_not_count_where_it_would_answer_otherwise():
    kernel = Kernel("K = 2", handler("x * K"))
    kernel.job(3)
    kernel.job(0)
    kernel.cell("K = 5")
    early = [record.id for record in kernel.records]
    kernel.job(4)
    found = kernel.climb(early=early)
    assert [job.verdict for job in found.jobs] == ["skipped", "same", "same"], "0 is 0 times anything"
    assert (found.proved, found.outdated, found.replays) == (True, {early[0]}, 1)
    assert "RPP117" in codes(found.findings)


def test_a_job_that_hangs_on_jobs_from_before_a_change_is_no_test():
    kernel = Kernel("K, seen = 2, []", handler("(seen.append(x), [x * K, len(seen)])[1]"))
    kernel.job(3)
    early = [kernel.records[0].id]
    kernel.cell("K = 5")
    kernel.job(4)
    found = kernel.climb(early=early)
    assert ([job.verdict for job in found.jobs], found.proved) == (["skipped", "skipped"], False)
    assert any("jobs from before a change" in f.message for f in found.findings if f.code == "RPP111")
    kernel.cell("seen = []")
    kernel.job(4)
    found = kernel.climb(early=[record.id for record in kernel.records[:2]])
    assert ([job.verdict for job in found.jobs], found.proved) == (["skipped", "skipped", "same"], True)


def test_jobs_that_began_anew_are_tests_without_those_before():
    kernel = Kernel("seen = []", handler("(seen.append(x), len(seen))[1]"))
    kernel.job()
    kernel.job(2)
    kernel.cell("seen = []")
    early = [record.id for record in kernel.records]
    kernel.job(3)
    found = kernel.climb(early=early)
    assert ([job.verdict for job in found.jobs], found.proved) == (["skipped", "skipped", "same"], True)
    assert found.outdated == {*early}


def test_a_job_that_was_answered_otherwise_later_does_not_count():
    kernel = Kernel("K = 2", handler("x * K"))
    kernel.job(3)
    kernel.cell("K = 5")
    kernel.job(3)
    found = kernel.climb()
    assert [job.verdict for job in found.jobs] == ["skipped", "same"]


def test_nothing_more_than_what_is_needed_is_taken_when_strict():
    changed = "ctypes.memset(ctypes.addressof(a), 1, 4)"
    kernel = Kernel("import ctypes", "a = ctypes.c_int(0)", changed, handler("a.value"))
    kernel.job()
    with pytest.raises(ExportRefused) as refusal:
        kernel.climb(strict=True)
    assert codes(refusal.value.findings) == {"RPS108"}


def test_the_report_tells_what_was_taken_on_suspicion_and_where_it_ran():
    changed = "import io\nio.BufferedReader(io.BytesIO(b'ab')).readinto1(buf)\nn = 1"
    kernel = Kernel("buf = bytearray(2)", changed, handler("list(buf)"))
    kernel.job()
    suspected, where, imported, told = kernel.climb().lines
    assert imported.startswith("imported in ")
    assert suspected.startswith("likely: In[2] line 2 changes `buf`")
    assert where.startswith("verified in: a clean process on ")
    assert "1 of 1 jobs answered alike" in told
