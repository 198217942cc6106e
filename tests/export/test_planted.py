"""Notebooks with one planted defect each, of the kinds that real ones have: every one is told by an export."""

from __future__ import annotations

import pytest

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.exporting import export_document

H = "%%runpod_handler\ndef handler(job):\n"
TOKEN = "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZ012345678"
# What is wrong, the cells, and the codes of which one has to be among the findings.
PLANTED = [
    # Code selection
    ("a deleted name", ["x = 1", "del x", H + "    return x"], "RPS109"),
    ("a name no cell defines", [H + "    return ghost(job)"], "RPS109"),
    (
        "a function of a library replaced",
        ["import json\nold = json.dumps\njson.dumps = lambda *a, **k: old(*a, **k)", H + "    return json.dumps(1)"],
        "RPS140",
    ),
    (
        "training at the start",
        [
            "from sklearn.linear_model import LinearRegression\nm = LinearRegression()",
            "m.fit([[1]], [1])",
            H + "    return m.predict([[1]]).tolist()",
        ],
        "RPS132",
    ),
    (
        "a thread at the start",
        ["import threading\nt = threading.Thread(target=print)\nt.start()", H + "    return t.name"],
        "RPS150",
    ),
    ("chance at the start", ["import random\nseed = random.random()", H + "    return seed"], "RPS123"),
    (
        "network at the start",
        ["import urllib.request\nd = urllib.request.urlopen('http://x.example/y').read()", H + "    return len(d)"],
        "RPS122",
    ),
    # Dependencies
    ("a module that is not installed", ["import not_a_module_xyz", H + "    return not_a_module_xyz.f()"], "RPX201"),
    (
        "a branch of a repository",
        ["!pip install git+https://github.com/x/yolk_xyz@main", "import yolk_xyz", H + "    return yolk_xyz.z"],
        "RPX213",
    ),
    (
        "another version than is here",
        ["!pip install packaging==20.1", "import packaging", H + "    return packaging.__version__"],
        "RPX218",
    ),
    # Files and paths
    ("a file above the notebook", ["D = open('../data/x.txt').read()", H + "    return D"], "RPX230"),
    (
        "a folder that no cell has filled yet",
        [
            "import glob\nfor i in range(3):\n    open(f'parts/p{i}.txt', 'w').write(str(i))",
            H + "    return len(glob.glob('parts/*.txt'))",
        ],
        "RPX230",
    ),
    (
        "a file that no cell has made yet",
        [
            "import os\nopen('flag.txt', 'w').write('1')",
            H + "    return os.path.exists('flag.txt')",
        ],
        "RPX230",
    ),
    ("the volume of a pod", [H + "    return open('/workspace/model/x.txt').read()"], "RPX260"),
    ("a home folder", [H + "    return open('/home/me/x.txt').read()"], "RPX261"),
    ("a write beside the worker", [H + "    open('/data/out.txt', 'w').write('x')\n    return 1"], "RPX262"),
    (
        "an upload without a bucket",
        ["from runpod.serverless.utils import rp_upload", H + "    return rp_upload.upload_image(job['id'], 'a.png')"],
        "RPX265",
    ),
    # Models
    (
        "a model for each job",
        ["from transformers import AutoModel", H + "    m = AutoModel.from_pretrained('a/b')\n    return str(m)"],
        "RPS130 RPX264",
    ),
    (
        "cuda without a gpu's build",
        [
            "import torch\nmodel = torch.nn.Linear(2, 2).to('cuda')",
            H + "    return model(torch.zeros(2).cuda()).tolist()",
        ],
        "RPX267",
    ),
    # Answers
    (
        "an image",
        ["from PIL import Image", H + "    img = Image.new('RGB', (1, 1))\n    return {'image': img}"],
        "RPX270",
    ),
    ("an array", ["import numpy as np", H + "    return {'a': [np.zeros(3)]}"], "RPX270"),
    ("a tensor", ["import torch", H + "    return {'a': torch.zeros(3)}"], "RPX270"),
    ("bytes", [H + "    return b'abc'"], "RPX270"),
    ("base64 that was not decoded", ["import base64", H + "    return {'data': base64.b64encode(b'x')}"], "RPX270"),
    ("a time", ["from datetime import datetime", H + "    return {'at': datetime.now()}"], "RPX270"),
    (
        "a dataclass",
        ["from dataclasses import dataclass\n@dataclass\nclass R:\n    a: int", H + "    return R(1)"],
        "RPX270",
    ),
    ("a set of the module", ["labels = {'a', 'b'}", H + "    return labels"], "RPX270"),
    (
        "a generator that is returned",
        ["def gen(n):\n    for i in range(n): yield i", H + "    return gen(3)"],
        "RPX271",
    ),
    (
        "a generator in a wrapper",
        [
            "import functools\ndef deco(f):\n    @functools.wraps(f)\n    def inner(j): return f(j)\n    return inner",
            "%%runpod_handler\n@deco\ndef handler(job):\n    yield 1",
        ],
        "RPX271",
    ),
    ("an error that is a dict", [H + "    return {'error': {'code': 1}}"], "RPX276"),
    ("errors", [H + "    return {'errors': 'none'}"], "RPX276"),
    ("what only a notebook shows", ["from IPython.display import Image", H + "    return Image(data=b'x')"], "RPS110"),
    # The SDK
    (
        "a key that start() does not know",
        [
            "import runpod",
            (
                "%%runpod_handler\ndef handler(job): return 1\nrunpod.serverless.start("
                "{'handler': handler, 'health_check': 1})"
            ),
        ],
        "RPX272",
    ),
    ("two arguments", ["%%runpod_handler\ndef handler(job, extra): return 1"], "RPX273"),
    ("a loop of its own", ["import asyncio\nasync def f(): return 1", H + "    return asyncio.run(f())"], "RPX274"),
    (
        "a constraint that is never evaluated",
        [
            (
                "S = {'n': {'type': int, 'required': False, 'default': 1, 'constraints': lambda n: n < 4}}\n"
                "from runpod.serverless.utils.rp_validator import validate"
            ),
            H + "    return validate(job['input'], S)",
        ],
        "RPX275",
    ),
    ("an end of the worker", ["import sys", H + "    sys.exit(1)"], "RPX277"),
    ("another job's id", [H + "    job['id'] = 'x'\n    return 1"], "RPX277"),
    # Runtime
    ("state from job to job", ["hist = []", H + "    hist.append(job['input'])\n    return len(hist)"], "RPS131"),
    (
        "a progress bar of notebooks",
        ["from tqdm.notebook import tqdm", H + "    return [i for i in tqdm(range(3))]"],
        "RPS110",
    ),
    ("an input widget", ["import ipywidgets as w\ns = w.IntSlider(value=3)", H + "    return s.value"], "RPS120"),
    ("a question to the user", ["name = input('n?')", H + "    return name"], "RPS120"),
    # Secrets
    (
        "a token in the code",
        [f"HF = '{TOKEN}'", "from huggingface_hub import login\nlogin(HF)", H + "    return HF[:2]"],
        "RPS121",
    ),
    ("a login", ["from huggingface_hub import notebook_login\nnotebook_login()", H + "    return 1"], "RPS120"),
    (
        "a secret of Colab",
        ["from google.colab import userdata\nkey = userdata.get('OPENAI')", H + "    return key"],
        "RPS120",
    ),
    (
        "a secret of Kaggle",
        ["from kaggle_secrets import UserSecretsClient\nk = UserSecretsClient().get_secret('A')", H + "    return k"],
        "RPS120",
    ),
]


@pytest.mark.parametrize(("cells", "codes"), [p[1:] for p in PLANTED], ids=[p[0] for p in PLANTED])
def test_a_planted_defect_is_told_by_the_export(tmp_path, cells, codes) -> None:
    runs = [CellRun(number, text, cwd=str(tmp_path)) for number, text in enumerate(cells, 1)]
    try:
        result = export_document(runs, folder=tmp_path)
        findings, texts = result.findings, [*result.repo.values()]
    except ExportRefused as refusal:
        findings, texts = tuple(refusal.findings), []
    assert set(codes.split()) & {finding.code for finding in findings}, [str(finding) for finding in findings]
    assert not any(TOKEN.encode() in text for text in texts)


# The same constructs, used as they should be.
SOUND = [
    ("an array as a list", ["import numpy as np", H + "    a = np.zeros(3)\n    return {'a': a.tolist()}"]),
    ("a name that is bound anew", ["import numpy as np", H + "    a = np.zeros(3)\n    a = a.tolist()\n    return a"]),
    ("base64 as text", ["import base64", H + "    return base64.b64encode(b'x').decode()"]),
    ("a generator that is used up", ["def gen(n):\n    yield n", H + "    return list(gen(3))"]),
    ("yield from", ["def gen(n):\n    yield n", H + "    yield from gen(3)"]),
    (
        "a wrapper that yields",
        [
            (
                "import functools\ndef deco(f):\n    @functools.wraps(f)\n    def inner(j):\n"
                "        yield from f(j)\n    return inner"
            ),
            "%%runpod_handler\n@deco\ndef handler(job):\n    yield 1",
        ],
    ),
    ("defaults", ["%%runpod_handler\ndef handler(job, extra=1, *more, word=2, **rest): return extra"]),
    (
        "a method",
        [
            "class W:\n    def run(self, job):\n        return 1\nw = W()",
            "import runpod",
            "%%runpod_handler\nrunpod.serverless.start({'handler': w.run})",
        ],
    ),
    ("error beside others", [H + "    return {'error': 'bad', 'errors': ['a']}"]),
    (
        "asyncio in an async handler",
        [
            "import asyncio",
            ("%%runpod_handler\nasync def handler(job):\n    await asyncio.sleep(0)\n    return {1: {2}.pop()}"),
        ],
    ),
]


def test_reading_files_by_name_changes_no_list_of_names(tmp_path) -> None:
    (tmp_path / "a.txt").write_text("a")
    cells = ["PARTS = ['a.txt']", H + "    return [open(part).read() for part in PARTS]"]
    runs = [CellRun(number, text, cwd=str(tmp_path)) for number, text in enumerate(cells, 1)]
    assert "RPS131" not in {finding.code for finding in export_document(runs, folder=tmp_path).findings}


@pytest.mark.parametrize("cells", [s[1] for s in SOUND], ids=[s[0] for s in SOUND])
def test_what_is_sound_is_not_called_a_defect(tmp_path, cells) -> None:
    runs = [CellRun(number, text, cwd=str(tmp_path)) for number, text in enumerate(cells, 1)]
    said = [str(finding) for finding in export_document(runs, folder=tmp_path).findings]
    assert not [one for one in said if one.startswith("RPX27")]
