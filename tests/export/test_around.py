"""Executed cells of a real shell, with magics, shell lines and changes of folder, to a worker far from them."""

from __future__ import annotations

import json

from tests.export.conftest import Cell, Project

CANARY = "hf_" + "cAnArY0123456789cAnArY"


def answered(project: Project, inputs: tuple[object, ...]) -> object:
    """What the written worker answers when the project is gone."""
    for folder in (project.folder, project.other):
        if folder.exists():
            folder.rename(project.root / f"gone {folder.name}")
    return project.run_worker(inputs)


def test_what_a_messy_session_needs_goes_along_and_nothing_else(cell: Cell, project: Project) -> None:
    project.put({"/data/table.csv": "a,b\n1,2\n", "/data/unused.csv": "no", "notes.txt": f"my token is {CANARY}"})
    project.put({".env": f"HF_TOKEN={CANARY}\n", "deep/v.txt": "zero one two"})
    cell("!echo made by the shell > made.txt")
    cell("%%writefile lit.py\nimport lit_more\n\ndef f(x):\n    return x * lit_more.K")
    cell("%%writefile lit_more.py\nK = 3")
    cell("import lit\nfrom pathlib import Path\nimport os, csv")
    cell(project.filled("ROOT = os.environ.get('NO_SUCH', '{other}') + '/data'"))
    cell("with open(ROOT + '/table.csv') as f:\n    table = list(csv.reader(f))")
    cell("print(open('notes.txt').read()); open('nothing.txt')")
    cell("%cd -q deep\nwords = Path('v.txt').read_text().split()")
    cell("%cd -q ..")
    cell("made = open('made.txt').read().strip()")
    cell("%%runpod_handler\ndef handler(job):\n    x = job['input']['x']\n    return [words[x], table, made, lit.f(x)]")
    here = cell('%runpod job {"x": 1}').result.output
    told = cell(f"%runpod export {project.worker}").result
    assert [finding.code for finding in told.findings if finding.severity == "error"] == []
    assert "RPS113" in [finding.code for finding in told.findings]
    files = json.loads((project.worker / "rp_manifest.json").read_text())["files"]
    own = {"handler.py", "Dockerfile", ".dockerignore", ".env.example", "README.md", "requirements.txt"}
    own |= {".runpod/hub.json", ".github/workflows/ci.yml"}
    own |= {"tests/jobs.jsonl", "tests/test_handler.py", "test_input.json", ".runpod/tests.json"}
    assert set(files) - own == {"lit.py", "lit_more.py", "made.txt", "v.txt", "assets/elsewhere/data/table.csv"}
    written = b"".join(path.read_bytes() for path in project.worker.rglob("*") if path.is_file())
    assert CANARY.encode() not in written
    assert str(project.root).encode() not in (project.worker / "handler.py").read_bytes()
    assert answered(project, (1,)) == [here]
