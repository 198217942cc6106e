"""What a worker took from this machine in the replay, and another machine does not have."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from rp_notebook.export.result import ExportResult
from rp_notebook.jobs.finding import Finding
from rp_notebook.proof.clean import Touched
from rp_notebook.proof.climb import SHOWN
from rp_notebook.proof.worker_process import clean_environment

# Every machine has these, or none of a worker's own data is there.
_SYSTEM = (
    *("/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr", "/var"),
    *("/Library", "/System"),
)
_VOLUME = "/runpod-volume"  # a network volume, as a worker has it
_SCRATCH = "rp-notebook-"


def strays(result: ExportResult, touched: Touched, environ: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Warnings about files outside the repository that were opened, and variables that no one is told to set."""
    caches = [value for name, value in clean_environment(environ, Path()).items() if name.startswith(("HF_", "TORCH_"))]
    outside = [path for path in touched.opened if os.path.isabs(path) and not _is_known(path, caches)]  # noqa: PTH117 (a text)
    if outside:
        said = f"the worker opened {_some(outside)} of this machine, which does not go along"
        fix = "name it by a path relative to the notebook, so that it is copied"
        yield Finding("RPP118", "warning", said, fix)
    texts = [body for name, body in result.repo.items() if name.endswith(".py")]
    told = {variable.name for variable in result.needs.variables} | {*result.environ}
    unsaid = [n for n in touched.environ if n in environ and n not in told and not any(n.encode() in t for t in texts)]
    if unsaid:
        said = f"the worker read {_some(unsaid)}, which .env.example does not have"
        yield Finding("RPP119", "warning", said, f"%runpod env {unsaid[0]}")


def _is_known(path: str, caches: list[str]) -> bool:
    roots = (*_SYSTEM, _VOLUME, *(cache for cache in caches if os.path.isabs(cache)))  # noqa: PTH117 (see above)
    if path == tempfile.gettempdir():  # to make a file there
        return True
    is_below = any(path == root or path.startswith(root + os.sep) for root in roots)
    return is_below or any(part.startswith(_SCRATCH) for part in Path(path).parts)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
