"""As much of Hugging Face's hub as an image needs that fetches one file of one repository, on this machine."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0c9f1d2e3b4a5968778695a4b3c2d1e0f9182736"
CONFIG = b'{"answer": 42}'


class Hub(BaseHTTPRequestHandler):
    """As much of Hugging Face's hub as its own client asks for one file of one repository."""

    def do_GET(self, *, body=True):
        if self.path.startswith("/api/models/owner/tiny/"):
            said = {"id": "owner/tiny", "sha": COMMIT, "siblings": [{"rfilename": "config.json"}], "tags": []}
            if "/tree/" in self.path:
                said = [{"type": "file", "path": "config.json", "size": len(CONFIG), "oid": "a" * 40}]
            self.answer(json.dumps(said).encode(), "application/json", body=body)
        elif re.fullmatch(rf"/owner/tiny/resolve/({COMMIT}|main)/config\.json", self.path):
            self.answer(CONFIG, "text/plain", body=body)
        else:
            self.send_error(404)

    def do_HEAD(self):
        self.do_GET(body=False)

    def answer(self, content, kind, *, body):
        self.send_response(200)
        for name, value in {"Content-Type": kind, "ETag": '"abc"', "X-Repo-Commit": COMMIT}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_):
        """Says nothing."""


@contextmanager
def served() -> Iterator[str]:
    """The address of a hub on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def cached(home: Path) -> dict[str, str]:
    """The environment of a kernel that has loaded the model from its cache."""
    folder = home / "hub" / "models--owner--tiny"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    (folder / "snapshots" / COMMIT).mkdir(parents=True)
    (folder / "snapshots" / COMMIT / "config.json").write_bytes(CONFIG)
    return {"HF_HOME": str(home)}
