"""`make bench`: what this tool costs, as ratios of two measurements of the same run.

    python -m tests.bench [--json]

Each row is (name, ratio, what it may be at most). New rows go into ROWS.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

SHOWN = 1e9  # as `at_most`: nothing is asked of it


@dataclass(frozen=True)
class Row:
    name: str
    ratio: float
    at_most: float
    detail: str

    @property
    def holds(self) -> bool:
        return self.ratio <= self.at_most


def main() -> int:
    from tests.bench_endpoint import endpoint_over_sdk  # they need our Row
    from tests.bench_export import exports
    from tests.bench_peers import peers
    from tests.bench_start import starts

    rows = [*(row() for row in ROWS), *exports(), *peers(), *starts(), *endpoint_over_sdk()]
    if "--json" in sys.argv[1:]:
        print(json.dumps({"rows": [asdict(row) | {"holds": row.holds} for row in rows]}, indent=1))
    else:
        width = max(len(row.name) for row in rows)
        for row in rows:
            mark = "ok " if row.holds else "OVER"
            most = f"at most {row.at_most:g}" if row.at_most < SHOWN else "shown only"
            print(f"{mark:4} {row.name:<{width}}  {row.ratio:8.3f}  ({most})  {row.detail}")
    return 0 if all(row.holds for row in rows) else 1


def import_over_python() -> Row:
    """Seconds of `import rp_notebook` in bare IPython, over 100 ms."""
    ours = imported("import IPython", "import rp_notebook")
    return Row("import rp_notebook / 100 ms", ours / 0.1, 1.0, f"{ours * 1e3:.1f} ms over bare IPython")


def load_over_ipython() -> Row:
    """Seconds of `%load_ext rp_notebook` in a started shell, over 100 ms; neither runpod nor torch comes with it."""
    shell = "from IPython.core.interactiveshell import InteractiveShell as S; ip = S.instance(); ip.run_cell('1')"
    ours = imported(shell, "ip.run_line_magic('load_ext', 'rp_notebook')")
    return Row("%load_ext / 100 ms", ours / 0.1, 1.0, f"{ours * 1e3:.1f} ms over a running IPython")


def cell_over_20_us() -> Row:
    """What the loaded extension adds to a trivial cell, over 20 us."""
    code = """
import time
from IPython.core.interactiveshell import InteractiveShell
ip = InteractiveShell.instance()
def once(n=300):
    start = time.perf_counter()
    for _ in range(n):
        ip.run_cell("x = 1", store_history=False)
    return (time.perf_counter() - start) / n
once(); bare, loaded = [], []
for _ in range(15):  # in turns, and the least of each: what a neighbour on the machine adds is not ours
    bare.append(once()); ip.run_line_magic("load_ext", "rp_notebook")
    loaded.append(once()); ip.run_line_magic("unload_ext", "rp_notebook")
print(min(loaded) - min(bare))
"""
    extra = float(run(code))
    return Row("a cell with the recorder / 20 us", extra / 20e-6, 1.0, f"{extra * 1e6:.1f} us more a cell")


def job_over_sdk() -> Row:
    """`run_job` over the SDK's own, each called from plain Python in this process."""
    with sdk() as sdk_run_job:
        import rp_notebook

        ours, theirs = interleaved(
            lambda: rp_notebook.run_job(trivial, JOB), lambda: asyncio.run(sdk_run_job(trivial, dict(JOB))), 300
        )
    return Row("run_job / the SDK's", ours / theirs, 1.0, f"{ours * 1e6:.0f} us against {theirs * 1e6:.0f} us")


def job_over_handler() -> Row:
    """What `run_job` adds to a call of the handler, with its history on the disk, over 40 us."""
    import rp_notebook

    with on_disk():
        ours, bare = interleaved(lambda: rp_notebook.run_job(trivial, JOB), lambda: trivial(JOB), 5000)
    return Row("run_job over its handler / 40 us", (ours - bare) / 40e-6, 1.0, f"{(ours - bare) * 1e6:.1f} us more")


def large_history() -> Row:
    """Opening a history of 100 000 jobs and filtering, sorting and counting them, over a second."""
    import rp_notebook
    from rp_notebook.jobs.history import History
    from rp_notebook.jobs.query import Query

    with on_disk() as path:
        for number in range(100_000):
            rp_notebook.run_job(trivial, {"id": f"job-{number}", "input": {"number": number}})
        time.sleep(0.1)  # the last ones are written behind
        start = time.perf_counter()
        history = History(lambda: [path])  # as the next kernel opens it
        found = [history.lines(query) for query in (Query(text="9999}"), Query(order="ms", last=100), Query(last=100))]
        tally = history.tally()
        taken = time.perf_counter() - start
        history.close()
    assert (len(found[0]), tally) == (10, {"COMPLETED": 100_000})
    return Row("a history of 100 000 jobs / 1 s", taken, 1.0, f"{taken * 1e3:.0f} ms to open and look through")


@contextlib.contextmanager
def on_disk():
    """Keeps the jobs of this process in a file, as a notebook with the extension does."""
    from rp_notebook.jobs.ambient import notebook
    from rp_notebook.jobs.handlers import Handlers
    from rp_notebook.jobs.history import History

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "jobs.sqlite"
        history = History(lambda: [path])
        notebook.opened(history, Handlers())
        try:
            yield path
        finally:
            notebook.closed()
            history.close()


def awaited_job_over_sdk() -> Row:
    """`arun_job` over the SDK's `run_job` with the JSON that a worker takes and posts, both awaited in one loop."""
    with sdk() as sdk_run_job:
        import rp_notebook

        async def worked() -> bytes:
            return json.dumps(await sdk_run_job(trivial, json.loads(TAKEN)), ensure_ascii=False).encode()

        ours, theirs = asyncio.run(interleaved_awaits(lambda: rp_notebook.arun_job(trivial, JOB), worked, 300))
    return Row("arun_job / the SDK's", ours / theirs, 2.0, f"{ours * 1e6:.0f} us against {theirs * 1e6:.0f} us")


def items_over_20_us() -> Row:
    """A streamed item in `run_job`, over 20 us (50 000 a second). The SDK's generator beside it encodes nothing."""
    with sdk():
        from runpod.serverless.modules.rp_job import run_job_generator

        import rp_notebook

        async def consumed(handler: Callable[[object], object]) -> None:
            async for _ in run_job_generator(handler, dict(JOB)):
                pass

        worst, detail = 0.0, ""
        for handler in (generator, async_generator):
            ours, theirs = interleaved(
                lambda handler=handler: rp_notebook.run_job(handler, JOB),
                lambda handler=handler: asyncio.run(consumed(handler)),
                7,
            )
            if ours / ITEMS > worst:
                worst = ours / ITEMS
                detail = f"{handler.__name__}: {ITEMS / ours:,.0f} items a second, {ITEMS / theirs:,.0f} from the SDK's"
    return Row("a streamed item / 20 us", worst / 20e-6, 1.0, detail)


def large_answer_over_dumps() -> Row:
    """A job with a 20 MB answer over one json.dumps(...).encode() of it."""
    import rp_notebook

    worst, detail = 0.0, ""
    for name, answer in (("base64 text", "A" * 20_000_000), ("rows", [{"score": 0.123456, "label": "cat"}] * 520_000)):
        ours, dumps = interleaved(
            lambda answer=answer: rp_notebook.run_job(lambda job: answer, JOB),
            lambda answer=answer: json.dumps({"output": answer}, ensure_ascii=False).encode(),
            9,
        )
        if ours / dumps > worst:
            worst, detail = ours / dumps, f"{name}: {ours * 1e3:.0f} ms against {dumps * 1e3:.0f} ms"
    return Row("a 20 MB answer / json.dumps", worst, 1.1, detail)


ROWS: tuple[Callable[[], Row], ...] = (
    import_over_python,
    load_over_ipython,
    cell_over_20_us,
    job_over_handler,
    job_over_sdk,
    awaited_job_over_sdk,
    items_over_20_us,
    large_answer_over_dumps,
    large_history,
)
JOB = {"id": "job-1", "input": {}}
TAKEN = json.dumps(JOB)
ITEMS = 10_000


def trivial(job: object) -> dict[str, int]:
    return {"a": 1}


def generator(job: object):
    for n in range(ITEMS):
        yield {"token": n}


async def async_generator(job: object):
    for n in range(ITEMS):
        yield {"token": n}


@contextlib.contextmanager
def sdk():
    """The SDK's run_job, with its log at its default level going nowhere."""
    from runpod.serverless.modules.rp_job import run_job

    with contextlib.redirect_stdout(io.StringIO()):
        yield run_job


def interleaved(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[float, float]:
    """The median seconds of each, measured in turns so that a busy machine slows both."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for taken, call in zip(times, (first, second), strict=True):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


async def interleaved_awaits(
    first: Callable[[], Awaitable[object]], second: Callable[[], Awaitable[object]], rounds: int
) -> tuple[float, float]:
    """`interleaved` for what is awaited in one loop."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for taken, call in zip(times, (first, second), strict=True):
            start = time.perf_counter()
            await call()
            taken.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def imported(before: str, measured: str) -> float:
    code = f"import time\n{before}\nstart = time.perf_counter()\n{measured}\nprint(time.perf_counter() - start)"
    return min(float(run(code)) for _ in range(5))


def run(code: str) -> str:
    environ = {**os.environ, "IPYTHONDIR": os.environ.get("TMPDIR", "/tmp")}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ
    ).stdout.split()[-1]


if __name__ == "__main__":
    sys.exit(main())
