"""A notebook as it is at night: typed tokens, training, cells run again, edited, deleted, failed. It ends proved."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page

from tests.journeys.lab import START_S, lab, page_of

SECRET = "hf_QwErTyUiOpAsDfGhJkLzXcVbNm1234567"  # made up
FEATURES = '''"""Bags of hashed words."""
import zlib

import torch

BUCKETS = 64


def bag(text, stopwords=()):
    found = torch.zeros(BUCKETS)
    for word in text.lower().split():
        if word not in stopwords:
            found[zlib.crc32(word.encode()) % BUCKETS] += 1
    return found
'''
URGENT = ("the server is down", "nobody can log in", "customers wait for the site", "payment fails for everyone")
OTHERS = ("please change my address", "how do I export a report", "thank you for the help", "a typo on the page")
CELLS = {
    "load": "%load_ext rp_notebook",
    "install": "%pip install -q torch",
    "imports": """import csv
import json
import os
import random
import urllib.request

import matplotlib.pyplot as plt
import torch
from torch import nn

from features import BUCKETS, bag""",
    "token": f"""API_TOKEN = "{SECRET}"
os.environ["HF_TOKEN"] = API_TOKEN


def notify(text):
    headers = {{"Authorization": f"Bearer {{API_TOKEN}}"}}
    urllib.request.urlopen(urllib.request.Request("https://example.com/hook", text.encode(), headers))""",
    "data": 'rows = list(csv.DictReader(open("tickets.csv")))\nrows[:3]',
    "words": 'STOPWORDS = set(open("{elsewhere}/stopwords.txt").read().split())\nlen(STOPWORDS)',
    "model": """class Urgency(nn.Module):
    def __init__(self, buckets, hidden=16):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(buckets, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, x):
        return self.layers(x).squeeze(-1)


model = Urgency(BUCKETS)
model""",
    "train": """torch.manual_seed(0)
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
x = torch.stack([bag(row["text"], STOPWORDS) for row in rows])
y = torch.tensor([float(row["urgent"]) for row in rows])
losses = []
for step in range(80):
    loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
losses[-1]""",
    "plot": 'plt.plot(losses)\nplt.title("loss")\nplt.show()',
    "eval": "model.eval()\n((model(x) > 0) == (y > 0)).float().mean()",
    "limit": "THRESHOLD = 0.5",
    "label": 'def label(score):\n    return "urgent" if score > THRESHOLD else "can wait"',
    "broken": "THRESHOLD = 0.6\nprint(label(modell(x[0])))",
    "handler": """%%runpod_handler
def handler(job):
    text = job["input"]["text"]
    with torch.no_grad():
        score = torch.sigmoid(model(bag(text, STOPWORDS).unsqueeze(0)))[0].item()
    if job["input"].get("notify"):
        notify(text)
    return {"label": label(score), "score": round(score, 3)}""",
    "job": '%runpod job {"text": "the server is down and customers wait"}',
    "export": "%runpod export urgency-worker",
    "freeze": "%runpod export urgency-worker --freeze model",
    "prove": "%runpod prove urgency-worker",
    "why": "%runpod why STOPWORDS",
    "strict": "%runpod export strict-worker --freeze model --strict",
}
# By hand and in this order: before the labels there was no threshold, and the training ran twice.
NIGHT = ("load", "install", "imports", "token", "data", "words", "model", "train", "plot", "train", "eval")
MORNING = ("label", "limit", "broken", "handler", "job")


class Desk:
    """A notebook in JupyterLab, whose cells have names."""

    def __init__(self, page: Page, names: list[str]) -> None:
        self.page = page
        self.names = names

    def run(self, *names: str) -> str:
        """Runs cells; what the last one shows."""
        for name in names:
            self._chosen(name, "notebook:run-cell")
            done = "i => window.jupyterapp.shell.currentWidget.content.model.cells.get(i).executionState !== 'running'"
            self.page.wait_for_function(IDLE, timeout=START_S * 1000)
            self.page.wait_for_function(done, arg=self.names.index(name), timeout=START_S * 1000)
        return self.page.locator(".jp-Cell").nth(self.names.index(names[-1])).locator(".jp-OutputArea").inner_text()

    def edit(self, name: str, text: str) -> None:
        cell = "window.jupyterapp.shell.currentWidget.content.model.cells.get(i)"
        self.page.evaluate(f"([i, text]) => {cell}.sharedModel.setSource(text)", [self.names.index(name), text])

    def delete(self, name: str) -> None:
        self._chosen(name, "notebook:delete-cell")
        self.names.remove(name)

    def save(self) -> None:
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    def _chosen(self, name: str, command: str) -> None:
        code = """async ([i, command]) => {
            const notebook = window.jupyterapp.shell.currentWidget.content;
            notebook.deselectAll();
            notebook.activeCellIndex = i;
            await window.jupyterapp.commands.execute(command);
        }"""
        self.page.evaluate(code, [self.names.index(name), command])


IDLE = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"


@pytest.mark.browser
def test_a_messy_notebook_ends_in_a_proved_worker_and_its_secrets_in_none(tmp_path) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    laid_out(project, elsewhere)
    with lab(tmp_path) as address, page_of(address.format("project/night.ipynb"), height=9000) as page:
        page.wait_for_function(IDLE, timeout=START_S * 1000)
        desk = Desk(page, list(CELLS))
        desk.run(*NIGHT)
        assert "COMPLETED" in desk.run(*MORNING)
        desk.edit("broken", "THRESHOLD = 0.9")
        desk.delete("label")
        desk.save()

        refused = desk.run("export")
        assert "RPS132 the worker would train at every cold start: backward, step() (cell 10, line 6)" in refused
        assert "--freeze model" in refused

        written = desk.run("freeze")
        assert "CREATED" in written
        assert "1 of 1 jobs answered alike in a clean process; rung 1 (what is needed)" in written
        told = {line.split()[0] for line in written.splitlines() if line.startswith("RP")}
        assert told == EXPECTED, written
        assert "`THRESHOLD = 0.6` is exported, in night.ipynb as last saved it is now `THRESHOLD = 0.9`" in written

        assert "PROVED" in desk.run("prove")
        assert "defines `STOPWORDS`, which handler() uses" in desk.run("why")
        assert "REFUSED" in desk.run("strict")
        page.screenshot(path=os.environ.get("NIGHT_PNG", str(tmp_path / "night.png")))
    worker = project / "urgency-worker"
    holds_what_it_needs(worker)
    answers_alone(worker)


# Deleted, edited, failed half-way, another order; a token; weights and a file that go along; what no job has run.
EXPECTED = {"RPS101", "RPS102", "RPS103", "RPS107", "RPS108", "RPS121", "RPX234", "RPP114"}


def laid_out(project: Path, elsewhere: Path) -> None:
    project.mkdir()
    elsewhere.mkdir()
    (project / "features.py").write_text(FEATURES)
    tickets = [f"{text},{int(text in URGENT)}" for text in (*URGENT, *OTHERS)]
    (project / "tickets.csv").write_text("\n".join(["text,urgent", *tickets]))
    (elsewhere / "stopwords.txt").write_text("the a is my do I")
    texts = [text.replace("{elsewhere}", str(elsewhere)) for text in CELLS.values()]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [nbformat.v4.new_code_cell(text) for text in texts]
    nbformat.write(nbformat.v4.new_notebook(metadata=spec, cells=cells), project / "night.ipynb")


def holds_what_it_needs(worker: Path) -> None:
    module = (worker / "handler.py").read_text()
    for gone in ("csv", "matplotlib", "optimizer", "losses", "backward", "rows", "random", "get_ipython"):
        assert gone not in module
    assert {path.name for path in (worker / "assets").iterdir()} == {"model.safetensors", "stopwords.txt"}
    assert (worker / "features.py").read_text() == FEATURES
    assert "HF_TOKEN" in (worker / ".env.example").read_text()
    for path in worker.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path


def answers_alone(worker: Path) -> None:
    """It runs under the SDK's own local test, in its folder, with the variable that it asks for."""
    environ = {**os.environ, "HF_TOKEN": SECRET}
    command = [sys.executable, "handler.py", "--test_input", '{"input": {"text": "the server is down"}}']
    run = subprocess.run(command, cwd=worker, env=environ, capture_output=True, text=True, check=False)
    assert "'label': 'urgent'" in run.stdout, run.stdout + run.stderr
