"""Secrets, questions, settings and doubts: what is kept of a notebook, what is said of it, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.declarations import declarations
from rp_notebook.export.live import Live
from rp_notebook.export.module import module_of
from rp_notebook.export.slicing import slice_cells
from rp_notebook.jobs.declaration import Declaration

TOKEN = "hf_" + "a1B2" * 8


def handler(expression: str) -> str:
    return f"+def handler(job):\n    return {expression}"


@dataclass(frozen=True)
class Case:
    """Statements by cell: `+` ones must be in the module, `-` ones must not; texts that it holds, and codes."""

    name: str
    cells: tuple[tuple[str, ...], ...]
    holds: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()


def case(name, *cells, holds=(), codes="", secrets=(), settings=()) -> Case:
    texts = tuple((cell,) if isinstance(cell, str) else tuple(cell) for cell in cells)
    return Case(name, texts, tuple(holds), tuple(codes.split()), tuple(secrets), tuple(settings))


CASES = [
    case(
        "hf_constants",
        ["+import torch", "+from transformers import AutoModel, AutoTokenizer"],
        "+MODEL_ID = 'org/name'",
        [
            "+tok = AutoTokenizer.from_pretrained(MODEL_ID)",
            "+model = AutoModel.from_pretrained(MODEL_ID, dtype=torch.float16, device_map='auto')",
        ],
        "+model.eval()",
        "-tok('hello')",
        handler("model(tok(job))"),
    ),
    case(
        "login_literal",
        ["+from huggingface_hub import login", "+from transformers import AutoModel"],
        f"+login(token='{TOKEN}')",
        "+model = AutoModel.from_pretrained('org/gated')",
        handler("model(job)"),
        holds=['login(token=os.environ["HF_TOKEN"])', "import os\n"],
        codes="RPS121",
    ),
    case(
        "env_secret",
        "-import os",
        f"-os.environ['HF_TOKEN'] = '{TOKEN}'",
        ["+from transformers import AutoModel", "+model = AutoModel.from_pretrained('org/gated')"],
        handler("model(job)"),
        codes="RPS121",
        secrets=["HF_TOKEN"],
    ),
    case(
        "getpass_token",
        ["-from getpass import getpass", "+from fakeapi import Client"],
        "-token = getpass()",
        "+client = Client(token)",
        handler("client(job)"),
        holds=["client = Client(os.environ['TOKEN'])"],
        codes="RPS120",
    ),
    case(
        "colab_userdata",
        ["-from google.colab import userdata", "+from fakeapi import API"],
        "-key = userdata.get('K')",
        "+c = API(key)",
        handler("c(job)"),
        holds=["c = API(os.environ['K'])"],
        codes="RPS120",
    ),
    case(
        "kaggle_secret",
        ["-from kaggle_secrets import UserSecretsClient", "+from fakeapi import API"],
        "-secrets = UserSecretsClient()",
        "+c = API(secrets.get_secret('MY KEY'))",
        handler("c(job)"),
        holds=['c = API(os.environ["MY_KEY"])'],
        codes="RPS120",
    ),
    case(
        "input_that_is_no_secret",
        "+name = input('Name: ')",
        "+steps = int(input('How many steps? '))",
        handler("[name, name, steps]"),
        holds=['name = os.environ["NAME"]', 'steps = int(os.environ["HOW_MANY_STEPS"])'],
        codes="RPS120",
    ),
    case(
        "notebook_login",
        ["-from huggingface_hub import notebook_login", "+from transformers import AutoModel"],
        "-notebook_login()",
        "+model = AutoModel.from_pretrained('org/gated')",
        handler("model(job)"),
        codes="RPS120",
        secrets=["HF_TOKEN"],
    ),
    case(
        "ask_if_unset",
        "-import os, getpass",
        "-if not os.environ.get('OPENAI_API_KEY'):\n    os.environ['OPENAI_API_KEY'] = getpass.getpass('key: ')",
        ["+from langchain_openai import ChatOpenAI", "+llm = ChatOpenAI()"],
        handler("llm(job)"),
        codes="RPS121",
        secrets=["OPENAI_API_KEY"],
    ),
    case(
        "widget_value",
        "-import ipywidgets as widgets",
        ["-steps = widgets.IntSlider(value=20)", "-key = widgets.Password()", "-steps"],
        handler("steps.value, key.value"),
        holds=['int(os.environ.get("STEPS", "20")), os.environ["KEY"]'],
        codes="RPS120",
    ),
    case(
        "nltk_data",
        ["+import nltk", "+nltk.download('punkt')"],
        handler("nltk.word_tokenize(job)"),
    ),
    case(
        "key_of_a_login",
        ["+import fakewandb as wandb", "+run = wandb.login(key='0123456789abcdef0123456789abcdef01234567')"],
        handler("run"),
        holds=['wandb.login(key=os.environ["FAKEWANDB_API_KEY"])'],
        codes="RPS121",
    ),
    case("capture_install", "%%capture\n-!pip install -q transformers\n+import torch", handler("torch.tensor(job)")),
    case(
        "hf_transfer",
        "-%env HF_HUB_ENABLE_HF_TRANSFER=1",
        ["+from transformers import AutoModel", "+model = AutoModel.from_pretrained('a/b')"],
        handler("model(job)"),
        settings=[("HF_HUB_ENABLE_HF_TRANSFER", "1")],
    ),
    case(
        "env_that_is_read",
        "+%env MODE=fast",
        "-%env CUDA_VISIBLE_DEVICES=3",
        "+import os",
        handler("os.environ['MODE']"),
        holds=["os.environ['MODE'] = 'fast'"],
    ),
    case(
        "pipe_tuning",
        "+from fakediffusers import DiffusionPipeline, Euler",
        "+pipe = DiffusionPipeline.from_pretrained('a/b')",
        "+pipe.scheduler = Euler.from_config(pipe.scheduler.config)",
        "+pipe.load_lora_weights('c/d')",
        "+pipe.enable_model_cpu_offload()",
        "-pipe('a cat').images[0]",
        handler("pipe(job)"),
    ),
    case(
        "torch_settings",
        "+import torch",
        [
            "+torch.set_float32_matmul_precision('high')",
            "+torch.backends.cudnn.benchmark = True",
            "-torch.cuda.empty_cache()",
        ],
        handler("torch.tensor(job)"),
    ),
    case(
        "compile_rebind",
        "+import torch",
        "+model = torch.nn.Linear(1, 1)",
        "+model = torch.compile(model)",
        handler("model(job)"),
    ),
    case(
        "gradio_ui",
        "+def predict(x):\n    return x",
        ["-import gradio as gr", "-demo = gr.Interface(predict, 'text', 'text')", "-demo.launch()"],
        handler("predict(job)"),
    ),
    case(
        "tqdm_notebook",
        "+from tqdm.notebook import tqdm",
        "+def helper(xs):\n    return [x for x in tqdm(xs)]",
        handler("helper(job)"),
        holds=["from tqdm.auto import tqdm\n"],
        codes="RPS110",
    ),
    case(
        "display_in_helper",
        "+def show(x):\n    display(x)\n    # as it is\n    return x",
        handler("show(job)"),
        holds=["def show(x):\n    # as it is\n    return x"],
        codes="RPS110",
    ),
    case("display_on_one_line", "+def show(x): display(x); return x", handler("show(job)"), codes="RPS110"),
    case(
        "sklearn_experimental",
        "+from sklearn.experimental import enable_iterative_imputer",
        ["+from sklearn.impute import IterativeImputer", "+imputer = IterativeImputer()"],
        handler("imputer.fit_transform(job)"),
        codes="RPS141",
    ),
    case(
        "pydantic_input",
        "+from pydantic import BaseModel",
        "+class Inp(BaseModel):\n    x: 'Point'",
        "+class Point(BaseModel):\n    y: int",
        handler("Inp(**job['input']).x.y"),
    ),
    case(
        "network_constant",
        ["+import requests", "+cfg = requests.get('https://example.org/c').json()"],
        handler("cfg"),
        codes="RPS122",
    ),
    case(
        "thread_worker",
        ["+from queue import Queue", "+from threading import Thread"],
        "+q = Queue()",
        "+def loop(q):\n    while True:\n        q.get()",
        "+Thread(target=loop, args=(q,), daemon=True).start()",
        handler("q.put(job)"),
        codes="RPS150",
    ),
    case(
        "unseeded",
        ["+import random, time", "+W = random.random()", "+NOW = time.time()"],
        handler("[W, NOW]"),
        codes="RPS123",
    ),
    case(
        "jobs_change_the_module",
        "+state = {'hits': 0}",
        "+def bump():\n    state['hits'] += 1\n    return state['hits']",
        handler("bump()"),
        codes="RPS131",
    ),
    case(
        "dynamic",
        "+import math",
        "+def pick(name):\n    return getattr(math, name)",
        handler("pick(job)"),
        codes="RPS124",
    ),
    case(
        "loaded_per_job",
        "+from transformers import AutoModel",
        "+def get():\n    return AutoModel.from_pretrained('a/b')",
        handler("get()(job)"),
        codes="RPS130",
    ),
]


def cells_of(case: Case) -> list[CellRun]:
    texts = ["\n".join(_bare(part) for part in cell) for cell in case.cells]
    return [CellRun(number, text) for number, text in enumerate(texts, start=1)]


def _bare(text: str) -> str:
    return "\n".join(line[1:] if line[:1] in "+-" else line for line in text.split("\n"))


def marked(case: Case, mark: str) -> set[tuple[int, int]]:
    found = set()
    for number, cell in enumerate(case.cells, start=1):
        lines = [line for part in cell for line in part.split("\n")]
        found |= {(number, n) for n, line in enumerate(lines, start=1) if line[:1] == mark}
    return found


def sliced(cells, live=None):
    declaration = declarations(cells).get("handler") or Declaration("handler", "handler")
    found = slice_cells(cells, declaration, live)
    return found, module_of(found, declaration)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_case_ends_as_it_should(case) -> None:
    found, module = sliced(cells_of(case))
    kept = {(k.cell, k.line) for k in found.kept if k.cell}
    assert marked(case, "+") - kept == set(), f"missing\n{module.text}"
    assert kept & marked(case, "-") == set(), f"superfluous\n{module.text}"
    assert all(text in module.text for text in case.holds), module.text
    assert set(case.codes) <= {f.code for f in found.findings}
    assert all(f.cell and f.line and (f.fix or f.severity == "note") for f in found.findings if f.code in case.codes)
    assert found.surroundings.secrets == case.secrets
    assert tuple(found.surroundings.settings.items()) == case.settings
    assert "get_ipython" not in module.text
    assert TOKEN not in module.text
    assert len(module.lines) == len(module.text.splitlines())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_exporting_the_export_gives_the_export(case) -> None:
    _, module = sliced(cells_of(case))
    _, again = sliced([CellRun(1, module.text)])
    assert again.text.split("\n", 2)[2] == module.text.split("\n", 2)[2]


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        (["def handler(job):\n    return get_ipython().run_line_magic('pwd', '')"], "RPS110"),
        (["def show(x):\n    return display(x)", "def handler(job):\n    return show(job)"], "RPS110"),
        (
            [
                f"match 'x':\n    case '{TOKEN}':\n        k = 1\n    case _:\n        k = 2",
                "def handler(job):\n    return k",
            ],
            "RPS121",
        ),
    ],
)
def test_what_cannot_be_done_without_a_notebook_is_refused(cells, code) -> None:
    with pytest.raises(ExportRefused) as refusal:
        sliced([CellRun(n, text) for n, text in enumerate(cells, start=1)])
    assert code in {f.code for f in refusal.value.findings}
    assert TOKEN not in str(refusal.value)


@pytest.mark.parametrize(
    "cells",
    [
        ["import numpy as np", "np.random.seed(7)", "W = np.random.rand(3)", "def handler(job):\n    return W"],
        ["import numpy as np", "rng = np.random.default_rng(0)", "W = rng.random()", "def handler(job):\n    return W"],
        ["import requests", "def handler(job):\n    return requests.get(job['input']).text"],
        ["import time", "def handler(job):\n    return time.time()"],
        ["import concurrent.futures", "def handler(job):\n    return 1"],
        ["seen = []", "def handler(job):\n    return len(seen)"],
        ["import math", "def handler(job):\n    return getattr(math, 'pi')"],
    ],
    ids=["seeded", "generator", "asked in a job", "clock in a job", "unused", "only read", "a literal attribute"],
)
def test_what_is_no_doubt_is_not_raised(cells) -> None:
    found, _ = sliced([CellRun(n, text) for n, text in enumerate(cells, start=1)])
    assert {f.code for f in found.findings} & {"RPS122", "RPS123", "RPS124", "RPS131", "RPS150"} == set()


def test_a_function_of_the_notebooks_own_is_no_question() -> None:
    cells = [
        CellRun(1, "def input(x):\n    return x"),
        CellRun(2, "a = input('A')"),
        CellRun(3, "def handler(job):\n    return a"),
    ]
    _, module = sliced(cells)
    assert "a = input('A')" in module.text


def test_a_cell_that_asked_twice_reads_one_variable() -> None:
    asked = "import getpass\ntoken = getpass.getpass()"
    cells = [CellRun(1, asked), CellRun(2, asked), CellRun(3, "def handler(job):\n    return token")]
    _, module = sliced(cells, Live({"token": "typed-1"}, {}))
    assert module.text.count('token = os.environ["TOKEN"]') == 1
