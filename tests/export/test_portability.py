"""What works in a notebook and not in a worker, one planted defect at a time, and the same done well."""

import pytest

from rp_notebook.export.cells import CellRun
from rp_notebook.export.exporting import export_cells
from rp_notebook.export.image import image_of
from rp_notebook.export.machine import machine_findings, machine_of
from rp_notebook.export.needs import Needs
from rp_notebook.export.pin import Pin
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.pools import GB
from tests.export.test_hub import on_gpu, record

LOAD = "from transformers import AutoModel\n"


def codes(*cells, base=None):
    runs = [CellRun(number, text) for number, text in enumerate(cells, start=1)]
    found = export_cells(runs, Declaration("handler", "handler"), base=base).findings
    return {finding.code: finding for finding in found if "RPX260" <= finding.code <= "RPX269"}


HANDLER = "def handler(job):\n    "
PLANTED = {
    "the volume of a Pod": (HANDLER + "return open('/workspace/models/' + job['input']).read()", "RPX260"),
    "a home": (HANDLER + "return open('/home/somebody/' + job['input']).read()", "RPX261"),
    "a tilde": ("import os\n" + HANDLER + "return os.path.expanduser('~/models')", "RPX261"),
    "a write to the root": (HANDLER + "open('/data/out.txt', 'w').write('x')\n    return 1", "RPX262"),
    "a folder at the root": ("import os\n" + HANDLER + "os.makedirs('/outputs')\n    return 1", "RPX262"),
    "a picture beside the code": (HANDLER + "image(job).save('out.png')\n    return 1\ndef image(job): ...", "RPX263"),
    "a text beside the code": (
        "from pathlib import Path\n" + HANDLER + "return Path('o.txt').write_text('x')",
        "RPX263",
    ),
    "a model for each job": (LOAD + HANDLER + "return AutoModel.from_pretrained('a/b')(1)", "RPX264"),
    "a model below the handler": (
        LOAD + "def run(x):\n    return AutoModel.from_pretrained('a/b')(x)\n" + HANDLER + "return run(job['input'])",
        "RPX264",
    ),
    "an upload to nowhere": (
        "from runpod.serverless.utils import rp_upload\n"
        + HANDLER
        + "return rp_upload.upload_image(job['id'], 'x.png')",
        "RPX265",
    ),
    "a GPU without CUDA": ("import torch\n" + HANDLER + "return torch.zeros(3, device='cuda').tolist()", "RPX267"),
}


@pytest.mark.parametrize(("text", "code"), PLANTED.values(), ids=PLANTED)
def test_a_planted_defect_is_found_with_its_cell_and_a_way_out(text, code):
    found = codes("X = 1", text)
    assert set(found) == {code}
    finding = found[code]
    assert finding.cell == 2
    assert finding.line is not None
    assert finding.fix


SOUND = {
    "below /tmp": "def handler(job):\n    open('/tmp/x', 'w').write('x')\n    return 1",
    "only read": "def handler(job):\n    return open('/data/x').read() if job['input'] else 1",
    "the volume of a worker": "def handler(job):\n    return open('/runpod-volume/x').read() if job['input'] else 1",
    "a docstring": "def handler(job):\n    '''/workspace/x is where it was.'''\n    return 1",
    "loaded at the top": LOAD + "model = AutoModel.from_pretrained('a/b')\ndef handler(job):\n    return model(1)",
    "loaded once, when first asked": LOAD + (
        "model = None\ndef handler(job):\n    global model\n    if model is None:\n"
        "        model = AutoModel.from_pretrained('a/b')\n    return model(1)"
    ),
    "remembered": LOAD + (
        "import functools\n@functools.lru_cache\ndef load():\n    return AutoModel.from_pretrained('a/b')\n"
        "def handler(job):\n    return load()(1)"
    ),
    "asked whether there is a GPU": (
        "import torch\nD = 'cuda' if torch.cuda.is_available() else 'cpu'\ndef handler(job):\n    return str(D)"
    ),
    "a bucket by name": (
        "from runpod.serverless.utils import rp_upload\ndef handler(job):\n"
        "    return rp_upload.bucket_upload(job['id'], ['x'], bucket_creds=job['s3Config'])"
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", SOUND.values(), ids=SOUND)
def test_what_a_worker_can_do_is_no_finding(text):
    assert codes(text) == {}


@pytest.mark.parametrize(
    ("base", "wrong"),
    [
        ("runpod/pytorch:latest", True),
        ("runpod/pytorch", True),
        ("registry.example:5000/tools/worker", True),
        ("runpod/pytorch:1.0.3-cu1281-torch291-ubuntu2404", False),
        ("registry.example:5000/tools/worker:1", False),
        ("python@sha256:" + "a" * 64, False),
        (None, False),
    ],
)
def test_a_base_image_has_to_have_a_tag_that_stays(base, wrong):
    assert ("RPX266" in codes("def handler(job):\n    return 1", base=base)) is wrong


def test_a_home_is_told_without_its_owner():
    (finding,) = codes("def handler(job):\n    return open('/home/somebody/x' + job['input']).read()").values()
    assert "somebody" not in finding.message


@pytest.mark.parametrize(
    ("used", "build", "words"),
    [
        (160 * GB, "cu124", "no code for"),
        (160 * GB, "cu128", "no pool that the Hub knows"),
        (400 * GB, "cu128", "no pool that the Hub knows"),
        (20 * GB, "cu124", None),
    ],
)
def test_a_job_that_no_pool_holds_is_told_with_why(used, build, words, monkeypatch):
    machine = machine_of([record({}, gpu=on_gpu(used))], build, image_bytes=0, weight_bytes=0)
    found = list(machine_findings(machine, build, 0))
    assert [finding.code for finding in found] == (["RPX268"] if words else [])
    if words and used < 163 * GB:
        assert "GPU memory" in found[0].message


def test_an_image_over_the_limit_is_told_before_it_is_built():
    large = {"data.bin": b""}
    image = image_of([], Needs(()), large, [], python="3.11", base="runpod/pytorch:1")
    assert image.findings == ()
    machine = machine_of([], None, image_bytes=90 * GB, weight_bytes=0)
    assert [finding.code for finding in machine_findings(machine, None, 0)] == ["RPX253"]


TORCH = [Pin("torch", "2.8.0", "torch==2.8.0", build="cu128")]


def test_an_image_of_runpods_is_taken_where_it_holds_this_very_torch():
    image = image_of(TORCH, Needs(()), {}, [], python="3.12")
    assert image.name == "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404"
    assert image.held == tuple(TORCH)
    other = image_of(TORCH, Needs(()), {}, [], python="3.10")
    assert (other.name.split(":")[0], other.held) == ("nvidia/cuda", ())


def test_the_variables_of_a_bucket_are_asked_for_where_the_sdk_uploads():
    text = "from runpod.serverless.utils import rp_upload\n" + HANDLER + "return rp_upload.upload_image(job['id'], 'x')"
    result = export_cells([CellRun(1, text)], Declaration("handler", "handler"))
    example = result.repo[".env.example"].decode().splitlines()
    assert "BUCKET_ENDPOINT_URL=" in example
    assert [one.secret for one in result.needs.variables] == [True, False, True]


def test_a_pin_without_a_version_is_never_taken_for_one_that_the_base_holds():
    open_pin = Pin("runpod", None, "runpod>=1.10.1")
    assert image_of([open_pin, *TORCH], Needs(()), {}, [], python="3.12").held == tuple(TORCH)
