"""What a module loads by name, in which revision, and how large it is in the cache."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from rp_notebook.export.models import Model, cache_folder, models_of, packages_behind

COMMIT = "0c9f1d2e3b4a5968778695a4b3c2d1e0f9182736"
HEAD = """
import os, torch, spacy, nltk
from transformers import AutoModel, pipeline
from diffusers import DiffusionPipeline
"""


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("m = AutoModel.from_pretrained('a/b')", ["a/b"]),
        ("ID = 'a/b'\nm = AutoModel.from_pretrained(ID)", ["a/b"]),
        ("m = AutoModel.from_pretrained(pretrained_model_name_or_path='a/b')", ["a/b"]),
        ("ORG = 'a'\nm = AutoModel.from_pretrained(f'{ORG}/b')", ["a/b"]),
        ("ORG = 'a'\nm = AutoModel.from_pretrained(ORG + '/b')", ["a/b"]),
        ("CFG = {'model': 'a/b'}\nm = AutoModel.from_pretrained(CFG['model'])", ["a/b"]),
        ("m = AutoModel.from_pretrained(os.environ.get('M', 'a/b'))", ["a/b"]),
        ("m = AutoModel.from_pretrained(KNOWN)", ["live/one"]),
        ("m = AutoModel.from_pretrained(cfg.model)", ["live/two"]),
        ("def load(name='a/b'):\n    return AutoModel.from_pretrained(name)", ["a/b"]),
        ("p = pipeline('text-generation', model='a/b')", ["a/b"]),
        ("p = pipeline('text-generation', 'a/b')", ["a/b"]),
        ("p = DiffusionPipeline.from_pretrained('a/b')\np.load_lora_weights('c/d')", ["a/b", "c/d"]),
        ("m = torch.hub.load('pytorch/vision', 'resnet18')", ["pytorch/vision:resnet18"]),
        ("n = spacy.load('en_core_web_sm')\nnltk.download('punkt')", ["en_core_web_sm", "punkt"]),
        ("from ultralytics import YOLO\nm = YOLO('yolo11n.pt')", ["yolo11n.pt"]),
        ("from datasets import load_dataset\nd = load_dataset('a/b', split='train')", ["a/b"]),
        ("m = AutoModel.from_pretrained('a/b')\nn = AutoModel.from_pretrained('a/b')", ["a/b"]),
        ("from nets import Net\nm = Net.from_pretrained('b0', path='w.pt')\nn = Net.from_pretrained('a/b')", ["a/b"]),
        ("class Net(Base):\n    pass\nm = Net.from_pretrained('b0')", ["b0"]),
        ("m = AutoModel.from_pretrained('./local')\nn = AutoModel.from_pretrained(unknown)", []),
    ],
)
def test_a_name_is_found_wherever_it_is_written(text: str, ids: list[str]) -> None:
    values = {"KNOWN": "live/one", "cfg": SimpleNamespace(model="live/two")}
    assert [model.id for model in models_of(HEAD + text, values, None)] == ids


def test_the_revision_and_the_size_come_from_the_cache(tmp_path) -> None:
    folder = tmp_path / "models--a--b"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    snapshot = folder / "snapshots" / COMMIT
    (snapshot / "sub").mkdir(parents=True)
    (folder / "blob").write_bytes(b"x" * 1000)
    (snapshot / "weights").symlink_to(folder / "blob")
    (snapshot / "sub" / "config.json").write_bytes(b"{}")
    (model,) = models_of("from transformers import AutoModel\nm = AutoModel.from_pretrained('a/b')", {}, tmp_path)
    assert model == Model("a/b", "AutoModel.from_pretrained", "model", 2, COMMIT, 1002)
    (pinned,) = models_of("m = AutoModel.from_pretrained('a/b', revision='v1')", {}, tmp_path)
    assert (pinned.revision, pinned.size) == ("v1", None)


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"HOME": "/h"}, "/h/.cache/huggingface/hub"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub"),
        ({"HF_HOME": "/hf"}, "/hf/hub"),
        ({"HF_HOME": "/hf", "HF_HUB_CACHE": "/c"}, "/c"),
    ],
)
def test_the_cache_is_where_the_hub_looks_for_it(environment: dict[str, str], folder: str) -> None:
    assert cache_folder(environment).as_posix() == folder


@pytest.mark.parametrize(
    ("text", "packages"),
    [
        ("AutoModel.from_pretrained('a/b', device_map='auto')", ("accelerate",)),
        ("AutoModel.from_pretrained('a/b', device_map=None)", ()),
        ("AutoModel.from_pretrained('a/b', load_in_4bit=True)", ("bitsandbytes",)),
        ("AutoModel.from_pretrained('a/b', attn_implementation='flash_attention_2')", ("flash-attn",)),
        ("pipe.load_lora_weights('c/d')", ("peft",)),
        ("import spacy\nspacy.load('en_core_web_sm')", ("en_core_web_sm",)),
        ("json.load(file)", ()),
    ],
)
def test_a_package_that_only_an_option_uses_is_named(text: str, packages: tuple[str, ...]) -> None:
    assert packages_behind(text) == packages
