"""A package that only a git repository has, on this machine, over HTTP."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
# Builds the wheel of one module, with nothing that has to be fetched.
BACKEND = """
import zipfile
from pathlib import Path

INFO = "shout-1.0.dist-info"


def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "shout-1.0-py3-none-any.whl"
    with zipfile.ZipFile(Path(folder, name), "w") as wheel:
        wheel.write("shout.py")
        wheel.writestr(f"{INFO}/METADATA", "Metadata-Version: 2.1\\nName: shout\\nVersion: 1.0\\n")
        wheel.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{INFO}/RECORD", f"shout.py,,\\n{INFO}/METADATA,,\\n{INFO}/WHEEL,,\\n{INFO}/RECORD,,\\n")
    return name
"""
MODULE = "def loud(text):\n    return text.upper()\n"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and says nothing."""

    def log_message(self, *_):
        """Says nothing."""


@contextmanager
def installed_from_git(root: Path) -> Iterator[tuple[str, Path]]:
    """The address and commit of a package `shout`, as pip writes them, and the folder that it is installed in."""
    source, site = root / "source", root / "site-packages"
    source.mkdir(parents=True)
    for name, text in {"pyproject.toml": PROJECT, "backend.py": BACKEND, "shout.py": MODULE}.items():
        (source / name).write_text(text)
    for command in ("init", "add --all", "-c user.name=me -c user.email=me@example.org commit --message one"):
        subprocess.run(["git", *command.split()], cwd=source, check=True, capture_output=True)
    bare = root / "served" / "shout.git"
    subprocess.run(["git", "clone", "--bare", source, bare], check=True, capture_output=True)
    subprocess.run(["git", "update-server-info"], cwd=bare, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=bare, check=True, capture_output=True, text=True).stdout
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root / "served")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"git+http://127.0.0.1:{server.server_port}/shout.git"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, address]
    subprocess.run(install, check=True, capture_output=True)
    yield f"{address}@{head.strip()}", site
    server.shutdown()
