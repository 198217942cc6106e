"""What the SDK gives to handlers (`rp_download`, `rp_upload`, `rp_cleanup`, `rp_validator`) works as in a worker."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rp_notebook import run_job
from tests.conftest import LATEST, OLDEST
from tests.jobs.real_worker import Batch

HANDLERS = """
import os, re
from pathlib import Path
from runpod.serverless.utils import download_files_from_urls, rp_cleanup, rp_download, rp_upload
from runpod.serverless.utils.rp_validator import validate

SCHEMA = {
    "prompt": {"type": str, "required": True, "constraints": lambda text: len(text) < 9},
    "steps": {"type": int, "required": False, "default": 20, "constraints": lambda steps: steps > 0},
    "scale": {"type": float, "required": False, "default": None, "constraints": lambda scale: scale > 0},
}
MADE = ["input_objects", "output_objects", "job_files", "extra", "kept"]

def shape(path): return re.sub("[0-9a-f]{8}(-[0-9a-f-]{27})?", "ID", os.path.relpath(path))
def validated(job): return validate(job["input"], SCHEMA)
def downloaded(job):
    paths = download_files_from_urls(job["id"], job["input"])
    return [path and [shape(path), Path(path).read_text()] for path in paths]
def tried(job):
    try: return downloaded(job)
    except ValueError as error: return type(error).__name__
def fetched(job):
    found = rp_download.file(job["input"])
    inside = sorted(os.listdir(found["extracted_path"])) if found["extracted_path"] else None
    return {**found, "file_path": shape(found["file_path"]), "extracted_path": inside}
def cleaned(job):
    for folder in MADE: Path(folder).mkdir(exist_ok=True)
    Path("output.zip").touch()
    rp_cleanup.clean(job["input"])
    return [name for name in [*MADE, "output.zip"] if Path(name).exists()]
def written(job):
    Path("result.png").write_bytes(b"png")
    return "result.png"
def uploaded_image(job): return shape(rp_upload.upload_image(job["id"], written(job)).split("?")[0])
def uploaded_images(job):
    return [shape(path.split("?")[0]) for path in rp_upload.files(job["id"], [written(job)] * 2)]
def uploaded_file(job):
    return rp_upload.upload_file_to_bucket("out.png", written(job), job["input"], "bucket", "prefix").split("?")[0]
def uploaded_bytes(job):
    return rp_upload.upload_in_memory_object("out.bin", b"bytes", job["input"], "bucket").split("?")[0]
def uploaded_by_name(job): return rp_upload.bucket_upload(job["id"], [written(job)], job["input"])
"""
SAME = {LATEST: {}, OLDEST: {}}


class Files(BaseHTTPRequestHandler):
    """Serves a text and an archive, and takes whatever is put as a bucket does."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("inside.txt", "zipped")
        body = {"/a.txt": b"text", "/b.zip": archive.getvalue()}.get(self.path)
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body or b"gone")))
        self.send_header("Content-Type", "application/octet-stream")
        self.end_headers()
        self.wfile.write(body or b"gone")

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.put.append(self.path)
        self.send_response(200)
        self.send_header("ETag", '"etag"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        server.put = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def notebook_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "notebook").mkdir()
    monkeypatch.chdir(tmp_path / "notebook")
    return tmp_path / "notebook"


@pytest.mark.kernel
def test_the_utilities_do_in_a_notebook_what_they_do_in_a_worker(differ, server, monkeypatch) -> None:
    monkeypatch.setenv("RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS", "true")
    url = f"http://127.0.0.1:{server.server_port}"
    bucket = {"endpointUrl": url, "accessId": "id", "accessSecret": "secret", "bucketName": "bucket"}
    inputs = [
        *({"prompt": "a"}, {}, {"prompt": "too long a prompt"}, {"prompt": "a", "steps": -5}, {"prompt": 1, "x": 2}),
        *({"prompt": "a", "scale": 0}, {"prompt": "a", "scale": 2}, None),
    ]
    batches = [
        Batch("validated", inputs),
        Batch("downloaded", [[f"{url}/a.txt", f"{url}/b.zip"][:1], f"{url}/a.txt"]),
        Batch("fetched", [f"{url}/a.txt", f"{url}/b.zip"]),
        Batch("cleaned", [None, ["extra"]]),
        *(Batch(name, [None]) for name in ("uploaded_image", "uploaded_images", "uploaded_file", "uploaded_bytes")),
        *(Batch(name, [bucket]) for name in ("uploaded_file", "uploaded_bytes", "uploaded_by_name")),
    ]
    assert differ(HANDLERS, batches, RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS="true") == SAME
    assert sorted(set(server.put)) == [
        "/bucket/job-10-0/result.png",
        "/bucket/out.bin",
        "/bucket/prefix/out.png",
    ]
    assert len(server.put) == 9  # one from the notebook, two from the workers


@pytest.mark.kernel
def test_what_the_oldest_sdk_does_otherwise_is_known(differ, server) -> None:
    url = f"http://127.0.0.1:{server.server_port}"
    private, missing = f"{url}/a.txt", f"{url}/missing.txt"
    batches = [Batch("tried", [private]), Batch("fetched", [private, missing])]
    # 1.12.0 refuses private addresses (rp_ssrf.py, new there); 1.10.1 fetches whatever it is told (rp_download.py).
    known = {f"tried {private!r} {{}}", f"fetched {private!r} {{}}", f"fetched {missing!r} {{}}"}
    found = differ(HANDLERS, batches)
    assert {sdk: set(differences) for sdk, differences in found.items()} == {LATEST: set(), OLDEST: known}


@pytest.mark.parametrize("name", ["uploaded_image", "uploaded_images", "uploaded_file", "uploaded_bytes"])
def test_an_upload_without_a_bucket_is_told(name: str) -> None:
    module: dict[str, object] = {}
    exec(HANDLERS, module)
    record = run_job(module[name], None)
    assert [finding.code for finding in record.findings] == ["RPJ160"]
    assert "BUCKET_ENDPOINT_URL" in record.findings[0].fix
