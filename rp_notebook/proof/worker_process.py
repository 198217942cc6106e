"""One production worker of a folder: `handler.py` under the real SDK, in a clean process that leaves nothing behind."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rp_notebook.endpoint.operations import in_url
from rp_notebook.proof.processes import end_session, popen

ENDPOINT = "proof"
KEY = "proof"  # never leaves the loopback; the SDK sends no heartbeat without a key

# What a worker may see of our environment. HOME is not among it, and neither is any secret: those are passed by name.
PASSED = (
    "PATH", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES",
    "TOKENIZERS_PARALLELISM", "HF_ENDPOINT", "SYSTEMROOT", "TEMP", "TMP", "PATHEXT", "COMSPEC",
)  # fmt: skip
PASSED_PREFIXES = ("LC_", "OPENBLAS_", "OMP_", "MKL_", "NVIDIA_")
NOT_STAGED = (".git", "__pycache__", ".venv", ".ipynb_checkpoints")

GRACE_S = 3.0  # the SDK leaves its loop when its open polls return, each of them up to a second later
TAIL_BYTES = 20_000


def stage(folder: Path, staged: Path) -> None:
    """Copies a folder to where nothing else is, so that a file it forgot is missing there. Links stay links."""
    shutil.copytree(folder, staged, symlinks=True, ignore=shutil.ignore_patterns(*NOT_STAGED))


def clean_environment(ours: Mapping[str, str], home: Path, pass_env: Iterable[str] = ()) -> dict[str, str]:
    """The environment of a worker without RunPod's variables: an allow-list of `ours`, a scratch HOME, no network
    for models, and the names in `pass_env`, which win.

    The caches of models stay the user's own: a copy of them would be a download.
    """
    kept = {name: value for name, value in ours.items() if name in PASSED or name.startswith(PASSED_PREFIXES)}
    caches = Path(ours.get("XDG_CACHE_HOME") or Path(ours.get("HOME") or Path.home()) / ".cache")
    hub = {name: ours[name] for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE") if ours.get(name)}
    named = {name: ours[name] for name in pass_env if name in ours}
    return {
        **kept,
        **hub,
        "HF_HOME": ours.get("HF_HOME") or str(caches / "huggingface"),
        "TORCH_HOME": ours.get("TORCH_HOME") or str(caches / "torch"),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HOME": str(home),
        "USERPROFILE": str(home),
        # For the processes a handler starts: our own flags reach only the first.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        **named,
    }


def runpod_environment(url: str, worker: str, endpoint: str = ENDPOINT, key: str = KEY) -> dict[str, str]:
    """What the platform sets for a worker of an endpoint of the server at `url` (facts/runpod-contract.md 6.1).

    The SDK appends `&name=value` as text, so three of the URLs need a `?` of their own; job-take knows `$ID` only,
    and there it is the worker's.
    """
    base = f"{url}/v2/{in_url(endpoint)}"
    return {
        "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu=none",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=none",
        "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=none",
        "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID?gpu=none",
        "RUNPOD_PING_INTERVAL": "10000",  # ms; under 1000 the heartbeat dies at once
        "RUNPOD_AI_API_KEY": key,
        "RUNPOD_POD_ID": worker,
        "RUNPOD_POD_HOSTNAME": worker,
        "RUNPOD_ENDPOINT_ID": endpoint,
        "RUNPOD_LOG_LEVEL": "INFO",
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
        "RUNPOD_SKIP_GPU_CHECK": "true",
        "NO_PROXY": "127.0.0.1",
    }


class WorkerProcess:
    """`python -B -u -s handler.py` in `folder`, or another `command` that runs a worker, in a session of its own; its
    output goes to the file `log`.
    """

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str],
        log: Path,
        python: str = sys.executable,
        command: Sequence[str] | None = None,
    ) -> None:
        self._log = log
        with log.open("wb") as out:
            self._process = popen(
                command or [python, "-B", "-u", "-s", "handler.py"],
                cwd=folder,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def ended(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def stop(self, grace_s: float = GRACE_S) -> None:
        """Asks it to end, waits `grace_s` seconds, then kills it and all it started, its heartbeat too.

        A heartbeat outlives a worker that was killed, so the group is killed in any case.
        """
        end_session(self._process, grace_s)

    def tail(self, lines: int = 30) -> str:
        """The last lines it wrote."""
        return tail_of(self._log, lines)


def tail_of(log: Path, lines: int = 30) -> str:
    """The last lines of a log."""
    with log.open("rb") as read:
        read.seek(max(0, log.stat().st_size - TAIL_BYTES))
        text = read.read().decode(errors="replace")
    return "\n".join(text.rstrip().splitlines()[-lines:])
