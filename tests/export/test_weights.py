"""Where the weights of a worker are, what each way costs a start, and the script that brings them into an image."""

import subprocess
import sys

import pytest

from rp_notebook.errors import BadInput
from rp_notebook.export.fetching import fetch_weights
from rp_notebook.export.models import Model, models_of
from rp_notebook.export.weights import weights_of
from rp_notebook.jobs.pools import GB

COMMIT = "0c9f1d2e3b4a5968778695a4b3c2d1e0f9182736"


def hub(gb, name="a/b"):
    return Model(name, "AutoModel.from_pretrained", size=round(gb * GB), revision=COMMIT)


HUB_ONE = [hub(2)]
TORCH = [Model("pytorch/vision:resnet18", "torch.hub.load", "torch.hub", size=GB)]


@pytest.mark.parametrize(
    ("models", "other", "mode"),
    [
        ([hub(2)], 5, "bake"),
        ([hub(2), hub(3, "c/d")], 5, "bake"),
        ([hub(40)], 5, "cached"),
        ([hub(40), hub(3, "c/d")], 5, "volume"),
        ([hub(15)], 70, "cached"),
        ([*TORCH, hub(30)], 5, "volume"),
        (TORCH, 5, "bake"),
    ],
    ids=["small", "two small", "large", "two large", "large packages", "large, another hub", "another hub"],
)
def test_the_size_and_the_kind_decide_where_they_are(models, other, mode):
    weights, _ = weights_of(models, other_gb=other)
    assert weights.mode == mode


@pytest.mark.parametrize("asked", ["bake", "volume", "cached", "runtime"])
def test_what_is_asked_for_is_done(asked):
    weights, findings = weights_of(HUB_ONE, asked)
    assert weights.mode == asked
    assert [f.code for f in findings] == (["RPX255"] if asked == "runtime" else [])
    assert weights.baked_bytes == (2 * GB if asked == "bake" else 0)
    assert weights.later_bytes == (2 * GB if asked == "runtime" else 0)


def test_the_seconds_of_every_way_are_told():
    weights, _ = weights_of([hub(12)])
    seconds = {option.mode: option.seconds for option in weights.options}
    assert seconds["bake"] == seconds["cached"] == 12
    assert seconds["volume"] == pytest.approx(40)
    assert seconds["runtime"] == pytest.approx(132)


@pytest.mark.parametrize(
    ("models", "asked", "other", "code"),
    [
        ([hub(2), hub(1, "c/d")], "cached", 5, "RPX252"),
        (TORCH, "cached", 5, "RPX252"),
        ([hub(60)], "bake", 30, "RPX253"),
        ([hub(200)], "volume", 5, "RPX254"),
        ([Model("a/b", "pipeline")], None, 5, "RPX251"),
    ],
    ids=["two repositories", "another hub", "too large", "too slow", "unknown"],
)
def test_what_cannot_be_or_goes_wrong_later_is_told(models, asked, other, code):
    assert code in [finding.code for finding in weights_of(models, asked, other_gb=other)[1]]


def test_an_unknown_way_names_those_that_there_are():
    with pytest.raises(BadInput, match="bake, volume, cached, runtime"):
        weights_of(HUB_ONE, "usb")


def test_each_way_leads_the_loaders_to_its_place():
    ways = {mode: dict(weights_of([hub(1), *TORCH], mode)[0].settings) for mode in ("bake", "volume", "runtime")}
    assert ways["bake"] == {"TORCH_HOME": "/opt/torch", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    assert ways["volume"] == {"HF_HOME": "/runpod-volume/huggingface", "TORCH_HOME": "/runpod-volume/torch"}
    assert ways["runtime"] == {"TORCH_HOME": "/opt/torch"}
    cached = weights_of(HUB_ONE, "cached")[0].settings
    assert cached["HF_HUB_CACHE"] == "/runpod-volume/huggingface-cache/hub"
    assert cached["HF_HUB_OFFLINE"] == "1"


def test_a_worker_without_models_has_no_weights():
    weights, findings = weights_of([Model("en_core_web_sm", "spacy.load", "spacy")])
    assert (weights.mode, dict(weights.settings), findings) == (None, {}, ())


def laid_out(cache, repo="a--b", kind="models"):
    """A repository as huggingface_hub caches it."""
    folder = cache / f"{kind}--{repo}"
    snapshot = folder / "snapshots" / COMMIT
    (snapshot / "onnx").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    (snapshot / "config.json").write_text("{}")
    (snapshot / "onnx" / "model.bin").write_bytes(b"x" * 500)


@pytest.mark.parametrize(
    ("line", "repo"),
    [
        ("AutoModel.from_pretrained('a/b')", "a/b"),
        ("SentenceTransformer('small')", "sentence-transformers/small"),
        ("WhisperModel('tiny.en')", "Systran/faster-whisper-tiny.en"),
        ("load_dataset('a/b')", "a/b"),
    ],
)
def test_what_is_cached_is_fetched_at_its_commit_under_the_name_that_is_asked_for(tmp_path, line, repo):
    kind = "datasets" if "dataset" in line else "models"
    laid_out(tmp_path, repo.replace("/", "--"), kind)
    (model,) = models_of(f"m = {line}", {}, tmp_path)
    assert (model.size, model.files) == (502, ("config.json", "onnx/model.bin"))
    asked, made = fetched([model], f"m = {line}", tmp_path)
    assert asked == [(repo, kind.removesuffix("s"), COMMIT, ["config.json", "onnx/model.bin"])]
    assert (made / "refs" / "main").read_text() == COMMIT


def fetched(models, module, tmp_path):
    """Runs fetch_weights.py with a `huggingface_hub` that only notes what it is asked for."""
    there = tmp_path / "hub"
    there.mkdir()
    (there / "huggingface_hub.py").write_text(
        "import json, pathlib\n"
        "def snapshot_download(repo_id, repo_type, revision, allow_patterns):\n"
        "    print(json.dumps([repo_id, repo_type, revision, allow_patterns]))\n"
        f"    folder = pathlib.Path({str(there)!r}) / 'repo' / 'snapshots' / revision\n"
        "    folder.mkdir(parents=True)\n"
        "    return str(folder)\n"
    )
    import json

    said = subprocess.run(
        [sys.executable, "-c", fetch_weights(models, module)],
        env={"PYTHONPATH": str(there)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [tuple(json.loads(line)) for line in said.stdout.splitlines()], there / "repo"


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("torch.hub.load('a/b', 'net', weights=None)", 'torch.hub.load("a/b", \'net\', weights=None)'),
        ("whisper.load_model('base', device='cuda')", 'whisper.load_model("base")'),
        ("nltk.download('punkt')", 'nltk.download("punkt")'),
        ("timm.create_model(NAME, pretrained=True, device=DEVICE)", 'timm.create_model("vit", pretrained=True)'),
        ("ultralytics.YOLO('yolo11n.pt')", 'ultralytics.YOLO("yolo11n.pt")'),
    ],
)  # fmt: skip
def test_what_is_in_another_cache_is_loaded_by_the_modules_own_call_without_a_device(line, call):
    module = f"import torch, whisper, nltk, timm, ultralytics\nNAME = 'vit'\nm = {line}"
    text = fetch_weights(models_of(module, {}, None), module)
    assert text.splitlines()[-1] == call
    assert f"import {call.split('(')[0].rpartition('.')[0]}\n" in text
    compile(text, "fetch_weights.py", "exec")


def test_checkpoints_of_torch_hub_are_measured(tmp_path):
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "resnet18-f37072fd.pth").write_bytes(b"x" * 70)
    (folder / "resnet50-0676ba61.pth").write_bytes(b"x" * 900)
    (model,) = models_of(
        "import torch\nm = torch.hub.load('pytorch/vision', 'resnet18')", {}, tmp_path / "huggingface" / "hub"
    )
    assert (model.size, model.files) == (70, ("resnet18-f37072fd.pth",))
