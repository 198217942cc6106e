"""Rows of `make bench` about exports: a long session, its growth, the recorder, and the command beside nbconvert's."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat

from tests.bench import Row, run

CELLS = 1000
# A dozen kinds of cells as sessions have them, the numbers of earlier ones in them; some 2 600 statements in 1000.
KINDS = (
    "def f{n}(v, k={n}):\n    # scaled\n    if v > k:\n        return v * k + v{a}\n    return v - k",
    "v{n} = {n} + v{a}\nprint(v{n})",
    "l{n} = [k * 2 for k in range({n} % 7 + 2)]\nl{n}.append({n})\nlen(l{n})",
    (
        "class C{n}:\n    scale = {n}\n    def __init__(self, a):\n        self.a, self.items = a, []\n"
        "    def add(self, x):\n        self.items.append(x * self.scale)\n        return self\n"
        "    def total(self):\n        return sum(self.items) + self.a"
    ),
    "o{n} = C{b}({n})\no{n}.add(3).add(4)\no{n}.total()",
    "for k in range(3):\n    d{n} = {{k: str(k)}}\n    print(d{n})",
    "%time w{n} = math.sqrt({n})\nw{n}",
    "cfg{n} = {{'a': {n}, 'b': [1, 2]}}\ncfg{n}['c'] = len(cfg{n})\ncfg{n}.update(z={n})",
    "with open('/dev/null') as fh:\n    t{n} = fh.read()\nt{n}.strip()",
    "try:\n    import ujson as js{n}\nexcept ImportError:\n    import json as js{n}\njs{n}.dumps([{n}])",
    "a{n}, b{n} = {n}, [{n}]\nb{n} += [a{n}]\nassert b{n}\nprint(a{n}, b{n})",
    "# a look\nres = [str(q) for q in range(10)]\nres[:3]\nprint(json.dumps(res))",
)


def session(count: int) -> list[str]:
    """The cells of a session, the handler last; it needs a quarter of them."""
    size = len(KINDS)
    cells = ["import json\nimport math", "v1 = 1"]
    for n in range(2, count - 1):
        earlier = 1 if n < size else (n // size * 7 % (n // size)) * size + 1
        cells.append(KINDS[n % size].format(n=n, a=earlier, b=n - 1))
    used = [
        f"{name}{n}"
        for n in range(size, count - size, 4 * size)
        for name, n in (("f", n), ("o", n + 4), ("cfg", n + 7))
    ]
    return [*cells, f"def handler(job):\n    return [job['input'], {', '.join(used)}]"]


def exports() -> list[Row]:
    """The rows."""
    return [long_session(), growth(), recorder(), command_over_nbconvert()]


def long_session() -> Row:
    """Seconds of the processor for a whole export of 1000 executed cells, over half a second."""
    took = exported_in(CELLS)
    return Row(f"export of {CELLS} cells / 0.5 s", took / 0.5, 1.0, f"{took * 1e3:.0f} ms")


def growth() -> Row:
    """Ten times as many cells, over ten times the seconds and a fifth."""
    once, tenfold = exported_in(CELLS), exported_in(10 * CELLS)
    detail = f"{tenfold:.2f} s against {once:.2f} s"
    return Row(f"export of {10 * CELLS} cells / of {CELLS}", tenfold / once, 12.0, detail)


def exported_in(count: int) -> float:
    """The least seconds of the processor that an export of a session takes in a process of its own."""
    code = f"""
import time
from rp_notebook.export.cells import CellRun
from rp_notebook.export.exporting import export_cells
from rp_notebook.jobs.declaration import Declaration
from tests.bench_export import session
def export(count):
    cells = [CellRun(n, text, f"id-{{n}}") for n, text in enumerate(session(count), start=1)]
    start = time.process_time()
    assert export_cells(cells, Declaration("handler", "handler")).kept
    return time.process_time() - start
export(20)  # what is imported on the way
print(export({count}))
"""
    return min(float(run(code)) for _ in range(3))


def recorder() -> Row:
    """What the recorder takes of a cell, over 5 us."""
    code = """
import time
from IPython.core.interactiveshell import InteractiveShell
from rp_notebook.kernel.recorder import Recorder
shell = InteractiveShell.instance()
results = []
shell.events.register("post_run_cell", results.append)
shell.run_cell("x = 1")
recorder, result, best = Recorder(shell), results[0], 1.0
for _ in range(20):
    start = time.perf_counter()
    for _ in range(1000):
        recorder.before(result.info)
        recorder.after(result)
    best = min(best, (time.perf_counter() - start) / 1000)
assert len(recorder.cells) >= 20_000
print(best)
"""
    took = float(run(code))
    return Row("the recorder / 5 us", took / 5e-6, 1.0, f"{took * 1e6:.2f} us a cell")


def command_over_nbconvert() -> Row:
    """The process `rp-notebook export` over `jupyter nbconvert --to script` of the same notebook, in turns."""
    with TemporaryDirectory() as folder:
        notebook = Path(folder) / "night.ipynb"
        cells = [nbformat.v4.new_code_cell(text) for text in session(100)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), notebook)
        ours = [
            "-m",
            "rp_notebook.cli",
            "export",
            str(notebook),
            "--out",
            f"{folder}/worker",
            "--force",
            "--handler",
            "handler",
        ]
        theirs = ["-m", "nbconvert", "--to", "script", "--log-level", "ERROR", str(notebook)]
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(5):
            for taken, command in zip(times, (ours, theirs), strict=True):
                start = time.perf_counter()
                subprocess.run([sys.executable, *command], check=True, capture_output=True, cwd=folder)
                taken.append(time.perf_counter() - start)
    one, other = (statistics.median(taken) for taken in times)
    return Row("rp-notebook export / nbconvert --to script", one / other, 1.0, f"{one:.2f} s against {other:.2f} s")
