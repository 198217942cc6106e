"""The files in .runpod/ that RunPod's Hub reads: what the worker is, what it runs on, and jobs to test it with.

Their shape is in schemas/ (facts/runpod-contract.md 7.5 and 7.6).
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from packaging.utils import canonicalize_name

from rp_notebook.export.draft import Draft
from rp_notebook.export.machine import CPU_FLAVOR
from rp_notebook.export.reads import Variable
from rp_notebook.jobs.payload import RUN_LIMIT
from rp_notebook.jobs.record import JobRecord

HUB, TESTS = ".runpod/hub.json", ".runpod/tests.json"

TESTS_KEPT = 5
INPUT_LIMIT = 100_000  # bytes; larger inputs are what tests/jobs.jsonl is for
# A test's time runs from its request, so that it holds the start of a cold worker: the container and the packages,
# then the weights off a disk.
START_MS, MS_PER_GB, JOB_FACTOR = 60_000, 10_000, 4
STEP_MS = 5_000

# By what a worker is made of; the first that is found names the category.
_CATEGORIES = (
    ("video", ("decord", "moviepy", "imageio-ffmpeg", "pyav", "av")),
    ("audio", ("soundfile", "librosa", "torchaudio", "openai-whisper", "faster-whisper", "tts", "pydub", "audiocraft")),
    ("audio", ("silero-vad", "pyannote-audio", "demucs", "kokoro", "bark", "nemo-toolkit", "espnet", "speechbrain")),
    ("image", ("diffusers", "opencv-python", "opencv-python-headless", "opencv-contrib-python", "ultralytics")),
    ("embedding", ("sentence-transformers", "flagembedding", "fastembed", "open-clip-torch", "model2vec")),
    ("image", ("pillow", "torchvision", "timm", "rembg", "rapidocr-onnxruntime", "easyocr", "scikit-image")),
)
_LEAST_NUMBERS = 32  # an embedding has more numbers than a list of scores


def hub_json(draft: Draft) -> str:
    """The text of .runpod/hub.json."""
    return _text(
        {
            "title": title_of(draft.handler),
            "description": description_of(draft),
            "type": "serverless",
            "category": _category(draft),
            "config": _config(draft),
        }
    )


def hub_tests(draft: Draft) -> str | None:
    """The text of .runpod/tests.json; None where no job that ran can be a test, since the Hub refuses an empty list."""
    tests = [_test(number, draft, record, given) for number, (record, given) in enumerate(_testable(draft), start=1)]
    return _text({"tests": tests, "config": _test_config(draft)}) if tests else None


def title_of(handler: str) -> str:
    """A name to read: `my_handler` becomes "My handler"."""
    words = " ".join(handler.replace("_", " ").replace("-", " ").split())
    return (words[:1].upper() + words[1:]) or "Worker"


def description_of(draft: Draft) -> str:
    """The first line of the handler's docstring, else where it came from."""
    for node in ast.parse(draft.module).body:
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == draft.declaration.function
        if named and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (said := ast.get_docstring(node)):
            return said.strip().splitlines()[0]
    notebook = PurePath(draft.notebook).stem if draft.notebook else "a notebook"
    return f"{title_of(draft.handler)}, a RunPod Serverless worker from {notebook}."


def timeout_ms(draft: Draft, record: JobRecord) -> int:
    """What a test of that job gets, by the time that it took here, in whole steps of 5 s."""
    took = START_MS + draft.weights.gb * MS_PER_GB + JOB_FACTOR * (record.execution_ms or 0)
    return math.ceil(took / STEP_MS) * STEP_MS


def _config(draft: Draft) -> dict[str, Any]:
    machine = draft.machine
    runs: dict[str, Any] = {"runsOn": "CPU", "cpuFlavor": CPU_FLAVOR}
    if machine.gpu:
        runs = {"runsOn": "GPU", "gpuCount": 1, "gpuIds": ",".join(pool.id for pool in machine.pools)}
        runs |= {"allowedCudaVersions": list(machine.cuda_versions)} if machine.cuda_versions else {}
    env = [{"key": one.name, "input": _input(one, draft)} for one in draft.needs.variables]
    return runs | {"containerDiskInGb": machine.disk_gb} | ({"env": env} if env else {})


def _test_config(draft: Draft) -> dict[str, Any]:
    machine = draft.machine
    if not machine.gpu:
        return {"cpuFlavor": CPU_FLAVOR}
    said: dict[str, Any] = {"gpuTypeId": machine.pools[0].gpus[0], "gpuCount": 1}
    return said | ({"allowedCudaVersions": list(machine.cuda_versions)} if machine.cuda_versions else {})


def _input(one: Variable, draft: Draft) -> dict[str, Any]:
    said: dict[str, Any] = {"name": title_of(one.name.lower()), "type": "string", "description": _about(one)}
    if one.default is None:
        return said | {"required": not one.optional}
    said |= {"default": one.default, "required": False, "advanced": True}
    if one.default in {model.id for model in draft.needs.models}:
        return said | {"type": "huggingface"}
    if one.default.lower() in ("true", "false"):
        spelled = {True: "true", False: "false"} if one.default.islower() else {True: "True", False: "False"}
        is_true = one.default.lower() == "true"
        return said | {"type": "boolean", "default": is_true, "trueValue": spelled[True], "falseValue": spelled[False]}
    number = _number(one.default)
    return said if number is None else said | {"type": "number", "default": number}


def _number(text: str) -> float | int | None:
    """The number that a text is, where the platform's own spelling of it gives back the text."""
    try:
        number = json.loads(text)
    except ValueError:
        return None
    is_plain = isinstance(number, int | float) and not isinstance(number, bool)
    return number if is_plain and json.dumps(number) == text and math.isfinite(number) else None


def _about(one: Variable) -> str:
    kind = "A secret that the worker reads" if one.secret else "A setting that the worker reads"
    return f"{kind} from the environment variable {one.name}."


def _category(draft: Draft) -> str:
    there = {str(canonicalize_name(pin.name)) for pin in draft.pins}
    for record, _ in draft.plain_inputs():
        if _is_embedding(record.output):
            return "embedding"
    return next((category for category, names in _CATEGORIES if there & set(names)), "language")


def _is_embedding(value: Any, depth: int = 3) -> bool:
    """Whether an answer holds a list of numbers as long as embeddings are."""
    if isinstance(value, dict) and depth:
        return any(_is_embedding(item, depth - 1) for item in value.values())
    if not isinstance(value, list) or not value:
        return False
    if all(isinstance(item, float) for item in value):
        return len(value) >= _LEAST_NUMBERS
    return bool(depth) and isinstance(value[0], list | dict) and _is_embedding(value[0], depth - 1)


def _testable(draft: Draft) -> Iterator[tuple[JobRecord, dict[str, Any]]]:
    small = [
        (record, given)
        for record, given in draft.plain_inputs()
        if record.sizes.request <= INPUT_LIMIT and (record.sizes.result or 0) <= RUN_LIMIT
    ]
    return iter(small[-TESTS_KEPT:])


def _test(number: int, draft: Draft, record: JobRecord, given: dict[str, Any]) -> dict[str, Any]:
    return {"name": f"{draft.handler}_{number}", "input": given, "timeout": timeout_ms(draft, record)}


def _text(said: dict[str, Any]) -> str:
    return json.dumps(said, ensure_ascii=False, indent=2) + "\n"
