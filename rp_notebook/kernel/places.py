"""Where the history of a notebook may be kept: beside the notebook, else in Jupyter's data folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FOLDER = ".rp_notebook"
# SQLite's write-ahead log needs shared memory, which network and FUSE file systems do not give, or give wrongly.
LOCAL = frozenset(
    {"apfs", "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "hfs", "ntfs", "overlay", "ramfs", "tmpfs", "ufs"}
    | {"xfs", "zfs"}
)


def history_places(namespace: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[Path]:
    """The files that may hold the history of this kernel's notebook, the best first."""
    notebook = notebook_path(namespace, environ)
    folder = notebook.parent if notebook is not None else Path.cwd()
    name = notebook.stem if notebook is not None else "jobs"
    if is_local(folder) and os.access(folder, os.W_OK):
        yield folder / FOLDER / f"{name}.sqlite"
    yield _data_folder() / f"{name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}.sqlite"


def notebook_path(namespace: Mapping[str, Any], environ: Mapping[str, str]) -> Path | None:
    """The notebook's file, as the Jupyter server or VS Code tells it; None for a console, a terminal and the like."""
    told = (environ.get("JPY_SESSION_NAME"), namespace.get("__vsc_ipynb_file__"))
    for path in (Path(name) for name in told if isinstance(name, str)):
        if path.suffix == ".ipynb" and path.parent.is_dir():
            return path.absolute()
    return None


def is_local(folder: Path) -> bool:
    """Whether a folder is on a disk of this machine, as far as its file system's name tells."""
    import psutil

    mounts = {mount.mountpoint: mount.fstype for mount in psutil.disk_partitions(all=True)}
    folder = folder.resolve()
    nearest = next((str(parent) for parent in (folder, *folder.parents) if str(parent) in mounts), None)
    return nearest is not None and mounts[nearest].lower() in LOCAL


def _data_folder() -> Path:
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()) / "rp_notebook"
