"""A folder that was exported, and what its proof takes of this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rp_notebook.proof.proving import prove_folder

HANDLER = """
import os
import runpod

MODEL = os.environ["RPN_MODEL"]

def handler(job):
    return [MODEL, os.environ.get("RPN_OTHER")]

if __name__ == "__main__":
    runpod.serverless.start({"handler": handler})
"""


@pytest.mark.kernel
def test_the_worker_has_the_variables_that_its_export_names(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("RPN_MODEL", "small")
    monkeypatch.setenv("RPN_OTHER", "no business of the worker's")
    (tmp_path / "handler.py").write_text(HANDLER)
    (tmp_path / ".env.example").write_text("# a secret: set it as one on the endpoint\nRPN_MODEL=\nRPN_UNSET=1\n")
    (tmp_path / "jobs.jsonl").write_text(json.dumps({"input": 1, "output": ["small", None]}))
    proof = prove_folder(tmp_path, jobs=tmp_path / "jobs.jsonl")
    assert proof.passed, proof.findings
    assert [str(f).split(":")[0] for f in proof.findings if f.code == "RPP125"] == ["RPP125 RPN_MODEL"]
