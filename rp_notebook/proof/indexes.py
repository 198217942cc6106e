"""Where pip finds a worker's packages: indexes that answer from here, and what this machine told its own pip."""

from __future__ import annotations

import ast
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from rp_notebook.export.repo import BASE_REQUIREMENTS, REQUIREMENTS
from rp_notebook.jobs.finding import Finding

ANSWER_S = 5.0
_OPTIONS = ("--extra-index-url", "--index-url", "--find-links", "-i", "-f")
# What of pip's settings says where packages come from; a constraint would be another worker.
_SETTINGS = ("index-url", "extra-index-url", "find-links", "trusted-host", "proxy", "cert")
# pip reads it beside an image's own /etc/pip.conf.
CONFIG, CERTIFICATE = "/etc/xdg/pip/pip.conf", "/etc/xdg/pip/trusted.crt"


def without_unreachable(staged: Path) -> list[Finding]:
    """Takes the indexes that do not answer from here out of a copy's requirements, and says which.

    pip asks each of them for each package, several times over: without a network that takes minutes.
    """
    silent: dict[str, bool] = {}
    for path in (staged / name for name in (BASE_REQUIREMENTS, REQUIREMENTS)):
        if not path.is_file():
            continue
        kept = []
        for line in path.read_text("utf-8").splitlines(keepends=True):
            option, _, url = line.strip().replace("=", " ", 1).partition(" ")
            asked = url.strip() if option in _OPTIONS and "://" in url else ""
            if asked and silent.setdefault(asked, not _answers(asked)):
                continue
            kept.append(line)
        path.write_text("".join(kept), "utf-8")
    return [_said(url) for url, is_silent in silent.items() if is_silent]


def pip_settings() -> dict[str, str]:
    """Where this machine's pip finds packages, by its environment and its files; {} where there is no pip."""
    ran = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    found: dict[str, str] = {}
    for line in ran.stdout.splitlines():
        name, _, value = line.partition("=")
        scope, _, key = name.partition(".")
        # An index in a folder may link to anywhere on this machine; links to wheels are in the folder itself.
        said = str(ast.literal_eval(value or "''")).split()
        words = [word for word in said if "index" not in key or not word.startswith("file:")]
        if key in _SETTINGS and words and (scope == ":env:" or key not in found):
            found[key] = " ".join(words)
    return found


def mounts(settings: Mapping[str, str], scratch: Path) -> list[str]:
    """The options that let a build see these settings, and the folders and files that they name, read-only."""
    if not settings:
        return []
    written = scratch / "pip.conf"
    pairs = [(str(written), CONFIG)]
    lines = ["[global]"]
    for key, value in settings.items():
        if key == "cert":  # not where the image has its own: a package of the system may replace that
            pairs.append((value, CERTIFICATE))
            lines.append(f"cert = {CERTIFICATE}")
            continue
        paths = (word.removeprefix("file://") for word in value.split())
        pairs += [(path, path) for path in paths if path.startswith("/") and Path(path).exists()]
        lines.append(f"{key} = {value}")
    written.write_text("\n".join([*lines, ""]), "utf-8")
    return [word for source, target in dict.fromkeys(pairs) for word in ("--volume", f"{source}:{target}:ro")]


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=ANSWER_S).close()
    except urllib.error.HTTPError:  # it is there, and says no to this page
        return True
    except (OSError, ValueError):
        return False
    return True


def _said(url: str) -> Finding:
    message = f"{url} does not answer from here: its packages came from the other indexes of this machine's pip"
    return Finding("RPP126", "warning", message, "prove it where that index is reached")


def told_settings(settings: Mapping[str, str]) -> Sequence[Finding]:
    """That an image was built with settings which a build elsewhere does not have."""
    sources = [name for name in ("index-url", "extra-index-url", "find-links") if name in settings]
    if not sources:
        return ()
    message = f"the image was built with this machine's pip settings: {', '.join(sources)}"
    return (Finding("RPP127", "note", message, "a build elsewhere has only the indexes in requirements.txt"),)
