"""The shapes that real workers have, as notebooks of our own: exported, and proved under the real SDK."""

from __future__ import annotations

import pytest

from tests.golden.golden import exported, proved

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR4nGP8z8DAwMDAxMDAwMDAAAANHQEDasKb6QAAAABJRU5ErkJggg=="
SCHEMA = """%%writefile schemas.py
INPUT_SCHEMA = {
    "text": {"type": str, "required": True},
    "times": {"type": int, "required": False, "default": 2},
}
"""
# Cells of a notebook; jobs as (input, answer); environment variables of the worker.
SHAPES = {
    "sync, loaded on the first job, its model chosen by the environment, a schema in a module": (
        [
            "%load_ext rp_notebook",
            SCHEMA,
            "import os\nfrom runpod.serverless.utils.rp_validator import validate\n\nfrom schemas import INPUT_SCHEMA",
            'MODEL_ID = os.environ.get("MODEL_ID", "small")\nmodel = None',
            (
                "class Model:\n    def __init__(self, name):\n        self.name = name\n\n"
                "    def __call__(self, text, times):\n        return f'{self.name}: ' + text * times"
            ),
            "def load():\n    global model\n    if model is None:\n        model = Model(MODEL_ID)\n    return model",
            "Model('small')('a try', 1)",
            (
                "%%runpod_handler\ndef handler(job):\n    checked = validate(job['input'], INPUT_SCHEMA)\n"
                "    if 'errors' in checked:\n        return {'error': '; '.join(checked['errors'])}\n"
                "    given = checked['validated_input']\n    return {'text': load()(given['text'], given['times'])}"
            ),
        ],
        [({"text": "ab"}, {"text": "big: abab"}), ({"text": "a", "times": 3}, {"text": "big: aaa"})],
        {"MODEL_ID": "big"},
    ),
    "async, several at once": (
        [
            "%load_ext rp_notebook\nimport asyncio",
            (
                "%%runpod_handler --concurrency 4\nasync def handler(job):\n    await asyncio.sleep(0.01)\n"
                "    return {'n': job['input']['n'] + 1}"
            ),
        ],
        [({"n": 1}, {"n": 2}), ({"n": 5}, {"n": 6})],
        {},
    ),
    "a generator whose pieces are also the answer": (
        [
            "%load_ext rp_notebook",
            "def tokens(text):\n    for word in text.split():\n        yield {'text': word}",
            "list(tokens('a try'))",
            "%%runpod_handler --aggregate\ndef handler(job):\n    yield from tokens(job['input']['text'])",
        ],
        [({"text": "one two"}, [{"text": "one"}, {"text": "two"}])],
        {},
    ),
    "an image in and out as base64, or to a bucket where there is one": (
        [
            "%load_ext rp_notebook",
            "import base64\nimport io\nimport os\n\nfrom PIL import Image, ImageOps",
            "def read(text):\n    return Image.open(io.BytesIO(base64.b64decode(text))).convert('RGB')",
            f"image = read('{PNG}')\nimage.size",
            (
                "def answer(image, job_id):\n    if os.environ.get('BUCKET_ENDPOINT_URL'):\n"
                "        from runpod.serverless.utils import rp_upload\n\n        image.save(f'/tmp/{job_id}.png')\n"
                "        return {'url': rp_upload.upload_image(job_id, f'/tmp/{job_id}.png')}\n"
                "    held = io.BytesIO()\n    image.save(held, 'PNG')\n"
                "    return {'image': base64.b64encode(held.getvalue()).decode(), 'size': list(image.size)}"
            ),
            (
                "%%runpod_handler\ndef handler(job):\n    image = ImageOps.invert(read(job['input']['image']))\n"
                "    return {'size': answer(image, job['id'])['size'], 'corner': list(image.getpixel((0, 0)))}"
            ),
        ],
        [({"image": PNG}, None)],
        {},
    ),
    "work in files that are cleaned up, a lock around a lazy load": (
        [
            "%load_ext rp_notebook",
            "import shutil\nimport tempfile\nimport threading\nfrom pathlib import Path",
            "LOCK = threading.Lock()\nheld = {}",
            (
                "def engine():\n    with LOCK:\n        if 'engine' not in held:\n"
                "            held['engine'] = str.upper\n"
                "    return held['engine']"
            ),
            (
                "%%runpod_handler\ndef handler(job):\n    folder = Path(tempfile.mkdtemp())\n    try:\n"
                "        (folder / 'in.txt').write_text(job['input']['text'])\n"
                "        return {'text': engine()((folder / 'in.txt').read_text()), 'refresh_worker': False}\n"
                "    finally:\n        shutil.rmtree(folder)"
            ),
        ],
        [({"text": "hi"}, {"text": "HI"})],
        {},
    ),
}


@pytest.mark.kernel
@pytest.mark.parametrize("shape", SHAPES)
def test_a_worker_of_this_shape_is_exported_and_answers_under_the_real_sdk(tmp_path, monkeypatch, shape) -> None:
    cells, jobs, environ = SHAPES[shape]
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    proved(tmp_path, exported(tmp_path, cells), jobs, environ)
