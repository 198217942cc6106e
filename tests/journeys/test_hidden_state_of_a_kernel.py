"""A kernel beside a notebook file that goes on without it: what the export finds is what a colleague would."""

from __future__ import annotations

import json
import time
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel

pytestmark = pytest.mark.kernel
CELLS = {
    "load": "%load_ext rp_notebook",
    "scale": "SCALE = 3",
    "clean": "def clean(v):\n    return v - 1",
    "twice": "SCALE *= 2",
    "handler": "%%runpod_handler\ndef handler(job):\n    return clean(job['input']) * SCALE",
}


def save(path: Path, cells: dict[str, str]) -> None:
    made = [nbformat.v4.new_code_cell(text, id=name) for name, text in cells.items()]
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)


def test_a_kernel_knows_what_the_saved_notebook_hides(tmp_path, monkeypatch) -> None:
    path = tmp_path / "night.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    manager, client = start_new_kernel(cwd=str(tmp_path))

    def run(name: str, text: str) -> str:
        """Runs a cell as a front end does: with the id of its cell."""
        shown: list[str] = []
        message = client.session.msg("execute_request", {"code": text, "silent": False, "store_history": True})
        message["metadata"] = {"cellId": name}
        client.shell_channel.send(message)
        while True:
            told = client.get_iopub_msg(timeout=60)
            if told["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            content = told["content"]
            shown.append(content.get("data", {}).get("text/plain", content.get("text", "")))
            if content.get("execution_state") == "idle":
                return "\n".join(shown)

    try:
        for name, text in CELLS.items():
            run(name, text)
        run("twice", CELLS["twice"])
        time.sleep(0.05)
        save(path, {**{k: v for k, v in CELLS.items() if k != "clean"}, "scale": "SCALE = 4"})
        told = " ".join(run("export", "%runpod export worker").split())  # lines are wrapped
        assert all(code in told for code in ("RPS101", "RPS102", "RPS103", "RPS104"))
        assert "`SCALE = 3` is exported, in night.ipynb as last saved it is now `SCALE = 4`" in told
        assert "REFUSED" in run("strict", "%runpod export elsewhere --strict")
        assert "In[3] line 1-2: def clean(v):" in run("why", "%runpod why clean")
        assert run("why", "%runpod why In[1]").count("- In[1]") == 1, "the cell that loads us runs while we look back"
        said = json.loads((tmp_path / "worker" / "rp_manifest.json").read_text())
        assert {cell["id"] for cell in said["cells"].values()} == {"scale", "clean", "twice", "handler"}
        assert "2 cells changed since the export to worker" in run("card", "%runpod")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
