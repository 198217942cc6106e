"""What the caches of this machine hold of a model: the commit, the files and their bytes.

The layout is `huggingface_hub`'s: `models--OWNER--NAME/refs/REVISION` holds the commit, `snapshots/COMMIT/` the files.
That of `torch.hub` is a folder of checkpoints, named after what they are of.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_COMMIT = 40  # hexadecimal digits
# Loaders that know models by a short name, and where those are.
_OWNERS = {
    **dict.fromkeys(("SentenceTransformer", "CrossEncoder", "SparseEncoder"), "sentence-transformers/{}"),
    "WhisperModel": "Systran/faster-whisper-{}",
}


@dataclass(frozen=True)
class Cached:
    """A repository as it is cached; `size` is in bytes, None where nothing of it is there."""

    commit: str | None = None
    size: int | None = None
    files: tuple[str, ...] = ()


def repository_of(name: str, loader: str) -> str:
    """The repository that a loader means by a name: some know their own by a short one."""
    pattern = _OWNERS.get(loader.rsplit(".", 1)[-1])
    return pattern.format(name) if pattern and "/" not in name else name


def in_cache(name: str, kind: str, loader: str, wanted: str | None, cache: Path | None) -> Cached:
    """What is cached of a model; `cache` is the folder of the Hugging Face cache, `wanted` the revision asked for."""
    if cache is None:
        return Cached()
    if kind == "torch.hub":
        return _checkpoints(name, cache)
    if kind not in ("model", "dataset"):
        return Cached()
    folder = cache / f"{kind}s--{repository_of(name, loader).replace('/', '--')}"
    commit = wanted if wanted is not None and len(wanted) == _COMMIT else None
    try:
        commit = commit or (folder / "refs" / (wanted or "main")).read_text().strip()
        snapshot = folder / "snapshots" / commit
        files = sorted(path for path in snapshot.rglob("*") if path.is_file())
        names = tuple(path.relative_to(snapshot).as_posix() for path in files)
        return Cached(commit, sum(path.stat().st_size for path in files) if files else None, names)
    except OSError:
        return Cached()


def _checkpoints(name: str, cache: Path) -> Cached:
    # Beside Hugging Face's, unless variables say otherwise: ~/.cache/huggingface/hub and ~/.cache/torch/hub.
    entry = name.rpartition(":")[2].replace("_", "").lower()
    folder = cache.parent.parent / "torch" / "hub" / "checkpoints"
    try:
        found = [path for path in sorted(folder.iterdir()) if path.name.replace("_", "").lower().startswith(entry)]
        return Cached(None, sum(path.stat().st_size for path in found) or None, tuple(path.name for path in found))
    except OSError:
        return Cached()
