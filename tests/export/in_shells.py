"""Notebooks in real shells with the recorder, exported there; the workers answer where no cell ever ran.

One interpreter imports what they need and is forked for each notebook and, before its first cell, for its worker.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
import types
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

AT_ONCE = 2
PATIENCE_S = 60
ENCODE = json.JSONEncoder().encode  # a notebook may replace json.dumps
SERVE = "from tests.export.in_shells import serve; serve()"


@dataclass(frozen=True)
class Told:
    """A notebook: the `cells` as they run, the files of its folder, and the inputs of its jobs.

    `climbs` says that the command itself is to look for a rung where the smallest export answers otherwise.
    """

    cells: Sequence[str]
    files: dict[str, str] = field(default_factory=dict)
    inputs: Sequence[Any] = ({"x": 1}, {"x": 2})
    handler: str = "handler"
    climbs: bool = True


@dataclass(frozen=True)
class Outcome:
    """What became of one: the answers in the notebook and of the worker, or the codes of a refusal.

    `kept` has cell and line of each exported statement, `rung` is that of the export, empty where there is none.
    """

    expected: Sequence[Any] = ()
    answers: Sequence[Any] = ()
    rung: str = ""
    refused: Sequence[str] = ()
    codes: Sequence[str] = ()
    kept: Sequence[Sequence[int]] = ()
    repo: dict[str, str] = field(default_factory=dict, repr=False)
    said: str = ""

    @property
    def is_true(self) -> bool:
        """Whether there is a worker that answers as the notebook does."""
        return bool(self.rung) and list(self.answers) == list(self.expected)


def outcomes(told: Sequence[Told], *modules: str) -> list[Outcome]:
    """Runs them all, some at a time, in an interpreter of their own, which has the modules at hand."""
    root = Path(__file__).parents[2]
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    ran = subprocess.run(
        [sys.executable, "-c", f"import {', '.join(('sys', *modules))}; {SERVE}"],
        input=json.dumps([asdict(one) for one in told]),
        capture_output=True,
        text=True,
        check=False,
        env={**environ, "PYTHONPATH": str(root)},
        cwd=root,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return [Outcome(**one) for one in json.loads(ran.stdout.splitlines()[-1])]


def serve() -> None:
    """Reads notebooks from stdin and writes what became of them."""
    import numpy  # noqa: F401 (once for all of them)
    import pandas  # noqa: F401 (see above)
    from IPython.core.interactiveshell import InteractiveShell  # noqa: F401 (see above)

    from rp_notebook.kernel import climbing, extension  # noqa: F401 (see above)
    from rp_notebook.proof import ladder  # noqa: F401 (see above)

    told = [Told(**one) for one in json.load(sys.stdin)]
    with tempfile.TemporaryDirectory() as scratch:
        places = [Path(scratch) / str(number) for number in range(len(told))]
        for number, one in enumerate(told):
            if number >= AT_ONCE:
                os.wait()
            if os.fork() == 0:
                signal.alarm(PATIENCE_S)
                try:
                    places[number].write_text(ENCODE(asdict(_outcome(one))))
                except BaseException:  # noqa: BLE001 (told to the parent by what it does not find)
                    traceback.print_exc()
                finally:
                    os._exit(0)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()
        ended = asdict(Outcome(said="its process ended"))
        print(json.dumps([json.loads(place.read_text()) if place.exists() else ended for place in places]))


def _outcome(told: Told) -> Outcome:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "project"
        for name, text in told.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)
        folder.mkdir(exist_ok=True)
        ask = _forked(lambda repo: _answers(*repo, told.inputs, Path(scratch) / "worker"))
        os.environ["IPYTHONDIR"] = scratch
        os.chdir(folder)
        sys.path.insert(0, "")
        with contextlib.redirect_stdout(sys.stderr):
            return _in_shell(told, ask)


def _in_shell(told: Told, ask: Callable[[Any], Any]) -> Outcome:
    from IPython.core.interactiveshell import InteractiveShell

    from rp_notebook.errors import ExportRefused
    from rp_notebook.export.plan import Plan
    from rp_notebook.jobs.query import Query
    from rp_notebook.kernel.climbing import climbed, exported

    shell = InteractiveShell.instance()
    shell.run_cell("%load_ext rp_notebook", store_history=False)
    exec(told.files.get("_before.py", ""), {"shell": shell})
    for cell in told.cells:
        shell.run_cell(cell.replace("@ELSEWHERE@", str(Path.cwd().parent / "elsewhere")), store_history=True)
    session = shell.meta["rp_notebook"]
    for given in told.inputs:
        shell.run_cell(f"%runpod job -n {told.handler} {ENCODE(given)}", store_history=True)
    handler = session.handlers.chosen(told.handler, session.namespace)
    records = session.history.records(Query(here=True))
    expected = [_shown(record) for record in records]
    flags = Namespace(python=None, base=None, trust_disk=False, strict=False, validate=False, weights=None)
    vars(flags).update(freeze=None, train=True, dry_run=False, timeout=60.0)
    try:
        result, rung = exported(session, handler, plan=Plan(trains=True)), "needed"
        answers = ask([dict(result.environ), {name: result.repo[name].decode("latin-1") for name in result.repo}])
        if answers != expected and told.climbs:
            climb = climbed(session, handler, flags)
            result, rung = climb.result, climb.rung
            verdicts = {job.verdict for job in climb.jobs}
            answers = expected if verdicts <= {"same", "close"} else [sorted(verdicts)]
    except ExportRefused as refusal:
        codes = [finding.code for finding in refusal.findings]
        return Outcome(expected, refused=codes, codes=codes, said=str(refusal))
    codes = [finding.code for finding in result.findings]
    kept = [[each.cell, each.line] for each in result.kept if each.cell]
    repo = {name: result.repo[name].decode("latin-1") for name in result.repo}
    return Outcome(expected, answers, rung, (), codes, kept, repo)


def _shown(record: Any) -> Any:
    """What a caller gets of a job: its posts."""
    bodies = [json.loads(post.body) for post in record.posts]
    return [
        {k: v for k, v in body.items() if k in ("output", "error")} if isinstance(body, dict) else body
        for body in bodies
    ]


def _forked(work: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A process as this one is now, that does the work when it is asked to."""
    asked, told = os.pipe(), os.pipe()
    if os.fork() == 0:
        os.close(asked[1])
        with os.fdopen(asked[0]) as file:
            text = file.read()
        if text:
            with os.fdopen(told[1], "w") as file:
                file.write(ENCODE(work(json.loads(text))))
        os._exit(0)
    os.close(asked[0])
    os.close(told[1])

    def ask(question: Any) -> Any:
        with os.fdopen(asked[1], "w") as file:
            file.write(ENCODE(question))
        with os.fdopen(told[0]) as file:
            return json.load(file)

    return ask


def _answers(environ: dict[str, str], repo: dict[str, str], inputs: Sequence[Any], folder: Path) -> Any:
    """What a worker answers whose files are these."""
    for name, text in repo.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("latin-1"))
    os.environ.update(environ)
    os.chdir(folder)
    sys.path[:] = [str(folder), *(path for path in sys.path if path)]
    from rp_notebook.jobs.handler import as_handler
    from rp_notebook.jobs.running import run_job

    given: list[dict[str, Any]] = []
    sdk = types.ModuleType("runpod")
    sdk.serverless = types.SimpleNamespace(start=given.append)  # type: ignore[attr-defined] # as the module calls it
    sys.modules["runpod"] = sdk
    module = types.ModuleType("__main__")
    module.__file__ = str(folder / "handler.py")
    sys.modules["__main__"] = module
    with contextlib.redirect_stdout(sys.stderr):
        try:
            exec(compile(repo["handler.py"], module.__file__, "exec", dont_inherit=True), module.__dict__)
        except Exception as error:  # noqa: BLE001 (what it raises is the answer)
            return f"{type(error).__name__}: {error}"
        start = given[0]
        handler = as_handler(start["handler"], aggregate=bool(start.get("return_aggregate_stream")))
        return [_shown(run_job(handler, {"input": one} if isinstance(one, dict) else one)) for one in inputs]
