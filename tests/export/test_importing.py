"""Existing worker repositories as notebooks, and exported again: the same posts, and little that differs."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

import pytest

from rp_notebook.errors import BadInput
from rp_notebook.export.adopting import read_worker, write_notebook
from rp_notebook.export.docker_lines import said_in
from rp_notebook.export.exporting import export_notebook
from rp_notebook.export.importing import imported
from rp_notebook.jobs.request import request_of
from rp_notebook.proof.clean import CleanRun

START = "runpod.serverless.start({'handler': handler})\n"
GUARDED = f'\n\nif __name__ == "__main__":\n    {START}'
LAZY = """\
import base64
import json
import os
from pathlib import Path

import runpod

from rp_schema import INPUT_SCHEMA
from engine.model import Predictor

HERE = Path(__file__).parent
LABELS = json.loads((HERE / "labels.json").read_text())  # in the order of the scores
MODEL_ID = os.environ.get("MODEL_ID", "tiny")
model = None


def load():
    # On the first job, so that a worker is there sooner.
    global model
    if model is None:
        model = Predictor(MODEL_ID)
    return model


class Encoder:
    def encode(self, text):
        return base64.b64encode(text.encode()).decode()


encoder = Encoder()


def handler(job):
    \"\"\"Says what it is asked.\"\"\"
    value = job["input"]
    unknown = set(value) - set(INPUT_SCHEMA)
    if unknown:
        return {"error": f"unknown: {sorted(unknown)}"}
    return {"text": encoder.encode(load().say(value["prompt"])), "label": LABELS[0]}
"""
LAZY_FILES = {
    "src/rp_schema.py": 'INPUT_SCHEMA = {"prompt": {"type": str, "required": True}}\n',
    "src/engine/__init__.py": "",
    "src/engine/model.py": "class Predictor:\n    def __init__(self, name):\n        self.name = name\n\n"
    "    def say(self, text):\n        return f'{self.name}: {text}'\n",
    "src/labels.json": '["good", "bad"]',
    "Dockerfile": 'FROM runpod/base:1\nENV MODEL_ID=big\nRUN apt-get update && \\\n    apt-get install -y ffmpeg\n'
    'ADD src .\nCMD ["python3", "-u", "/rp_handler.py"]\n',
    "test_input.json": '{"input": {"prompt": "hello"}}',
    "builder/fetch.py": "print('not the worker')\n",
}  # fmt: skip
# Name, files of the repository, inputs of jobs.
WORKERS = [
    ("lazy model in src with modules and data", {"src/rp_handler.py": LAZY + GUARDED, **LAZY_FILES},
     [{"prompt": "hi"}, {"x": 1}]),
    ("start at import", {"handler.py": "import runpod\n\nSCALE = 3\n\n\ndef handler(event):\n"
     "    return event['input']['n'] * SCALE\n\n\n" + START}, [{"n": 2}, {}]),
    ("async with concurrency", {"rp_handler.py": "import asyncio\n\nfrom runpod import serverless\n\n\n"
     "async def answer(job):\n    await asyncio.sleep(0)\n    return {'n': job['input']['n']}\n\n\n"
     "def more(current):\n    return min(current + 1, 4)\n\n\n"
     "serverless.start({'handler': answer, 'concurrency_modifier': more})\n"}, [{"n": 1}]),
    ("generator with aggregate, model under main", {"handler.py": "import runpod\n\n\ndef handler(job):\n"
     "    for word in job['input']['text'].split():\n        yield model(word)\n\n\nif __name__ == \"__main__\":\n"
     "    model = str.upper\n    runpod.serverless.start({'handler': handler, 'return_aggregate_stream': True})\n"},
     [{"text": "a b"}]),
    ("a bound method", {"handler.py": "import runpod\n\n\nclass Worker:\n    def __init__(self, bias):\n"
     "        self.bias = bias\n\n    def run(self, job):\n        return job['input']['n'] + self.bias\n\n\n"
     "worker = Worker(1)\nrunpod.serverless.start({'handler': worker.run})\n"}, [{"n": 4}]),
    ("a config of its own", {"handler.py": "import runpod as rp\n\n\ndef handler(job):\n    return [job['input']]\n\n\n"
     "config = {'handler': handler, 'refresh_worker': True}\nif __name__ == \"__main__\":\n"
     "    rp.serverless.start(config)\n"}, [{"n": 4}]),
    ("a decorator, a future import, two statements on a line", {"handler.py": "from __future__ import annotations\n"
     "import functools; import json\nimport runpod\n\nLOG: list[str] = []; LIMIT = 2\n\n\ndef logged(f):\n"
     "    @functools.wraps(f)\n    def inner(job: Job | None):\n        return json.loads(json.dumps(f(job)))\n"
     "    return inner\n\n\n@logged\ndef handler(job):\n    return {'cut': job['input']['text'][:LIMIT]}\n" + GUARDED},
     [{"text": "abcd"}]),
    ("a pod's mode beside it", {"handler.py": "import os\nimport runpod\n\n"
     "MODE = os.getenv('MODE_TO_RUN', 'serverless')\n\n\ndef handler(job):\n"
     "    return {'mode': MODE, **job['input']}\n\n\nif MODE == 'pod':\n"
     "    print(handler({'input': {}}))\nelse:\n    runpod.serverless.start({'handler': handler})\n"}, [{"a": 1}]),
]  # fmt: skip


def put(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def posts(files, inputs, environ):
    with CleanRun(files, environ=environ) as run:
        assert run.error is None, run.error
        ran = [run.run(request_of({"id": "j", "input": one})) for one in inputs]
    return [[(post.kind, error_type(post.value)) for post in one.posts] for one in ran]


def error_type(value):
    """A traceback names lines, which move."""
    error = value.get("error")
    return json.loads(error)["error_type"] if isinstance(error, str) and error.startswith("{") else value


@pytest.mark.parametrize(("files", "inputs"), [w[1:] for w in WORKERS], ids=[w[0] for w in WORKERS])
def test_a_worker_imported_and_exported_answers_alike_and_differs_little(tmp_path, files, inputs) -> None:
    worker = read_worker(put(tmp_path / "worker", files))
    write_notebook(worker, tmp_path / "notes" / "worker.ipynb")
    result = export_notebook(tmp_path / "notes" / "worker.ipynb", tmp_path / "again")
    assert [str(f) for f in result.findings if f.severity == "error"] == []
    before = {**worker.files, "handler.py": worker.source.encode()}
    environ = said_in(files.get("Dockerfile", "")).settings
    assert posts(result.repo, inputs, environ) == posts(before, inputs, environ)
    old, new = worker.source.splitlines(), result.module.splitlines()
    changed = [line for line in difflib.ndiff(old, new) if line[:2] in ("- ", "+ ") and line[2:].strip()]
    assert len(changed) <= 8, "\n".join(changed)


MAIN = """from __future__ import annotations
import runpod

from handler import run


def main():
    runpod.serverless.start({"handler": run})


main()
"""
RUN = """import tools


def run(job):
    return tools.twice(job["input"]["n"])


if __name__ == "__main__":
    raise SystemExit("this is not how it is started")
"""


def test_a_handler_py_that_something_else_starts_becomes_part_of_the_worker(tmp_path) -> None:
    tools = "def twice(n):\n    return 2 * n\n"
    files = {"src/main.py": MAIN, "src/handler.py": RUN, "src/tools.py": tools}
    worker = read_worker(put(tmp_path / "w", files))
    write_notebook(worker, tmp_path / "n" / "w.ipynb")
    result = export_notebook(tmp_path / "n" / "w.ipynb")
    assert posts(result.repo, [{"n": 4}], {}) == [[("done", {"output": 8})]]
    assert set(worker.files) == {"tools.py"}


STARTS = {
    "as a module": "import runpod\nimport handler\n\nrunpod.serverless.start({'handler': handler.run})\n",
    "among others, called otherwise": (
        "import os, handler as worker, runpod\n\nrunpod.serverless.start({'handler': worker.run})\n"
    ),
    "by a name of its own": "import runpod\nfrom handler import run as r\n\nrunpod.serverless.start({'handler': r})\n",
    "all of it": "import runpod\nfrom handler import *\n\nrunpod.serverless.start({'handler': run})\n",
    "in a function": "import runpod\n\n\ndef answer(job):\n    import handler\n    return handler.run(job)\n\n\n"
    "runpod.serverless.start({'handler': answer})\n",
}


@pytest.mark.parametrize("start", STARTS)
def test_a_handler_py_that_is_imported_as_a_module_goes_along_by_another_name(tmp_path, start) -> None:
    tools = "def twice(n):\n    import handler  # é\n    return handler.TIMES * n\n"
    files = {"main.py": STARTS[start], "handler.py": f"TIMES = 2\n{RUN}", "tools.py": tools}
    worker = read_worker(put(tmp_path / "w", files))
    assert set(worker.files) == {"tools.py", "worker_handler.py"}
    write_notebook(worker, tmp_path / "n" / "w.ipynb")
    result = export_notebook(tmp_path / "n" / "w.ipynb")
    assert [str(f) for f in result.findings if f.severity == "error"] == []
    assert posts(result.repo, [{"n": 4}], {}) == [[("done", {"output": 8})]]


def test_the_text_at_the_head_of_a_worker_stays_there(tmp_path) -> None:
    head = '"""Doubles numbers.\n\nUsed by the shop."""'
    source = f"{head}\nimport runpod\n\n\ndef handler(job):\n    return 2 * job['input']\n\n\n{{}}"
    worker = read_worker(
        put(tmp_path / "w", {"handler.py": source.format("runpod.serverless.start({'handler': handler})\n")})
    )
    write_notebook(worker, tmp_path / "n" / "w.ipynb")
    result = export_notebook(tmp_path / "n" / "w.ipynb")
    assert result.module.startswith(f"{head}\n\nimport runpod\n")
    assert [place and place[1] for place in result.lines[:4]] == [1, 2, 3, None]


def test_what_lies_around_a_worker_goes_along(tmp_path) -> None:
    files = {"src/rp_handler.py": LAZY + GUARDED, **LAZY_FILES, "requirements.txt": "runpod~=1.7\nno-such-thing==1\n"}
    worker = read_worker(put(tmp_path / "w", files))
    assert set(worker.files) == {"rp_schema.py", "engine/__init__.py", "engine/model.py", "labels.json"}
    texts = [cell.text for cell in worker.cells]
    assert '%pip install -q "no-such-thing==1"' in texts
    assert "%runpod apt ffmpeg" in texts
    assert "%runpod env MODEL_ID=big" in texts
    assert texts[-1] == '%runpod job {"prompt": "hello"}'
    assert "runpod/base:1" in texts[0]
    write_notebook(worker, tmp_path / "n" / "w.ipynb")
    dockerfile = export_notebook(tmp_path / "n" / "w.ipynb").repo["Dockerfile"].decode()
    assert "ffmpeg" in dockerfile
    assert "MODEL_ID=big" in dockerfile
    assert read_worker(tmp_path / "w").notebook == worker.notebook


def test_other_files_of_the_same_names_are_not_replaced(tmp_path) -> None:
    worker = read_worker(put(tmp_path / "w", {"src/rp_handler.py": LAZY + GUARDED, **LAZY_FILES}))
    put(tmp_path / "n", {"labels.json": "mine"})
    with pytest.raises(BadInput, match=r"labels\.json: another file"):
        write_notebook(worker, tmp_path / "n" / "w.ipynb")
    assert [path.name for path in (tmp_path / "n").iterdir()] == ["labels.json"]
    write_notebook(worker, tmp_path / "n" / "w.ipynb", force=True)
    assert write_notebook(worker, tmp_path / "n" / "w.ipynb") == []


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"app.py": b"print(1)"}, "no file there calls runpod.serverless.start"),
        ({"handler.py": b"def handler(:"}, "handler.py is not Python"),
        ({"handler.py": b"def handler(job): return 1"}, "handler.py never calls runpod.serverless.start"),
        ({"handler.py": b"import runpod\nrunpod.serverless.start({})"}, "has no 'handler'"),
    ],
    ids=["none", "broken", "no start", "no handler"],
)
def test_what_is_no_worker_is_said(files, said) -> None:
    with pytest.raises(BadInput, match=said):
        imported(files)
