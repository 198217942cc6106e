"""A distribution that only this machine has, packed again as a wheel from its installed files."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from pathlib import PurePosixPath

from packaging.tags import Tag, parse_tag

from rp_notebook.export.installed import Installed

VENDOR = "vendor"
LIMIT = 50_000_000  # bytes; GitHub takes no file over 100 MB
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold: equal exports are equal byte for byte
# What an installer leaves that says something of this machine.
_LEFT_OUT = ("INSTALLER", "REQUESTED", "direct_url.json", "RECORD")


def wheel_of(one: Installed) -> tuple[str, bytes] | None:
    """The file name and the bytes of a wheel; None for what was not installed from one, is not for Linux on x86-64,
    is too large, or is not whole any more.

    Stored without compression, so that what must not leave this machine can still be seen in it.
    """
    tag = _tag(one.distribution.read_text("WHEEL") or "")
    names = [line.partition(",")[0] for line in one.record.splitlines() if line]
    inside = sorted(name for name in names if _belongs(name))
    info = next((name.partition("/")[0] for name in inside if ".dist-info/" in name), None)
    if tag is None or info is None:
        return None
    try:
        bodies = {name: (one.folder / name).read_bytes() for name in inside}
    except OSError:
        return None
    if sum(map(len, bodies.values())) > LIMIT:
        return None
    bodies[f"{info}/RECORD"] = _record(bodies, info)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, body in bodies.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), body)
    distribution = re.sub(r"[-_.]+", "_", one.name)
    return f"{VENDOR}/{distribution}-{one.version}-{tag}.whl", packed.getvalue()


def _tag(wheel: str) -> str | None:
    tags = [line.partition(":")[2].strip() for line in wheel.splitlines() if line.startswith("Tag:")]
    return next((tag for tag in tags if any(map(_runs_there, parse_tag(tag)))), None)


def _runs_there(tag: Tag) -> bool:
    return tag.platform == "any" or ("linux" in tag.platform and tag.platform.endswith("x86_64"))


def _belongs(name: str) -> bool:
    path = PurePosixPath(name)
    # Scripts in ../../bin are made anew from the entry points.
    outside = path.is_absolute() or ".." in path.parts
    left_out = path.parent.name.endswith(".dist-info") and path.name in _LEFT_OUT
    return not (outside or left_out or "__pycache__" in path.parts or path.suffix == ".pyc")


def _record(bodies: dict[str, bytes], info: str) -> bytes:
    lines = []
    for name, body in bodies.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(body)}")
    return "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
