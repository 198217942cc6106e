"""Debian packages of a worker, by what it imports, starts and loads."""

import pytest

from rp_notebook.export.pin import Pin
from rp_notebook.export.system_packages import mapped_packages, system_packages


@pytest.mark.parametrize(
    ("name", "packages"),
    [
        ("opencv-python", ("libgl1", "libglib2.0-0")),
        ("opencv-python-headless", ()),
        ("OpenAI_Whisper", ("ffmpeg",)),
        ("phonemizer", ("espeak-ng",)),
        ("pytesseract", ("tesseract-ocr",)),
        ("numpy", ()),
    ],
)
def test_a_distribution_that_leaves_something_to_the_system(name, packages):
    assert system_packages([], [Pin(name, "1", f"{name}==1")]) == packages


@pytest.mark.parametrize(
    ("text", "packages"),
    [
        ("import subprocess\nsubprocess.run(['ffmpeg', '-i', path])", ("ffmpeg",)),
        ("import subprocess as sp\nsp.check_output(('/usr/bin/sox', a))", ("sox",)),
        ("from subprocess import Popen\nPopen('curl -s x | jq .a && unzip y', shell=True)", ("curl", "jq", "unzip")),
        ("import os\nos.system(f'espeak-ng {text}')", ("espeak-ng",)),
        ("import shutil\nif shutil.which('git'): ...", ("git",)),
        ("import asyncio\nasync def f(): await asyncio.create_subprocess_exec('pdftotext', p)", ()),
        ("import ctypes\nctypes.CDLL('libsndfile.so.1')", ("libsndfile1",)),
        ("from ctypes.util import find_library\nfind_library('portaudio')", ("libportaudio2",)),
        ("import torch\nf = torch.compile(f)", ("build-essential",)),
        ("import subprocess\nsubprocess.run([tool, 'ffmpeg'])\nsubprocess.run(['python', 'x.py'])", ()),
        ("def ffmpeg(x): ...\nffmpeg('ffmpeg')", ()),
        ("this does not parse", ()),
    ],
)
def test_commands_and_libraries_that_the_code_names(text, packages):
    if "create_subprocess" in text:
        packages = ("poppler-utils",)
    assert system_packages([text], []) == packages


def test_shared_objects_that_are_mapped_tell_their_package(tmp_path):
    lists = {
        "libsndfile1:amd64": "/usr/lib/x86_64-linux-gnu/libsndfile.so.1.0.31\n",
        "libglib2.0-0t64:amd64": "/usr/lib/x86_64-linux-gnu/libglib-2.0.so.0\n",
        "libgomp1": "/usr/lib/x86_64-linux-gnu/libgomp.so.1\n",
        "libc6:amd64": "/lib/x86_64-linux-gnu/libc.so.6\n",
        "libnvidia-compute-550": "/usr/lib/x86_64-linux-gnu/libcuda.so.1\n",
    }
    for name, text in lists.items():
        (tmp_path / f"{name}.list").write_text(text)
    mapped = ["/usr/lib/x86_64-linux-gnu/libsndfile.so.1.0.31", "/lib/x86_64-linux-gnu/libglib-2.0.so.0"]
    mapped += ["/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/x86_64-linux-gnu/libcuda.so.1"]
    mapped += ["/opt/venv/lib/python3.11/site-packages/thing.so"]
    assert mapped_packages(mapped, tmp_path) == ("libglib2.0-0", "libsndfile1")
    assert mapped_packages(mapped, tmp_path / "no dpkg") == ()
