"""The same proof once more in a network of its own that leads nowhere: a worker that downloads at its start fails.

Linux: a process can leave the network it was born in (unshare(2)); its loopback is the only device that is left.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rp_notebook.errors import ProofImpossible
from rp_notebook.export.recorded import RecordedJob, dump_jobs, load_jobs
from rp_notebook.jobs.finding import Finding
from rp_notebook.proof.engines import Container, Engine
from rp_notebook.proof.places import Folder, Place
from rp_notebook.proof.process import Proof, proved_in
from rp_notebook.proof.processes import ran

_NEW_NETWORK, _NEW_USER = 0x40000000, 0x10000000  # CLONE_NEWNET, CLONE_NEWUSER (sched.h)
_SET_FLAGS, _UP = 0x8914, 0x1  # SIOCSIFFLAGS, IFF_UP (sockios.h, if.h)
_MARK = "rp-notebook-offline "
_REFUSED = 3  # exit code of a child that could not leave the network


@dataclass(frozen=True)
class Again:
    """What the proof in the other network needs to know: plain data, for it is another process."""

    level: str
    folder: str
    python: str
    tag: str
    pass_env: tuple[str, ...]
    timeout_s: float


def proved_offline(found: Proof, again: Again, jobs: Sequence[RecordedJob], say: Callable[[str], None]) -> Proof:
    """A proof that has passed, with what came of the same jobs without a network."""
    if not found.passed:
        return found
    say("once more with all network refused")
    given = json.dumps(asdict(again)).encode() + b"\n" + dump_jobs(jobs)
    command = [sys.executable, "-m", "rp_notebook.proof.offline"]
    told = ran(command, given=given)
    lines = [line for line in told.stdout.decode().splitlines() if line.startswith(_MARK)]
    if told.returncode == _REFUSED or not lines:
        message = "the network could not be refused here, so that a download at start is not ruled out"
        return replace(found, findings=(*found.findings, Finding("RPP122", "note", message)))
    wrong = json.loads(lines[-1].removeprefix(_MARK))
    if not wrong:
        return replace(found, offline=True)
    message = f"without a network the worker fails, so it downloads something: {wrong[0]}"
    fix = "bake what it fetches (--weights bake), or keep it on a volume"
    return replace(found, offline=False, findings=(*found.findings, Finding("RPP123", "error", message, fix)))


def leave_network() -> None:
    """Puts this process into a network that has a loopback alone. Raises `OSError` where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK | (0 if os.geteuid() == 0 else _NEW_USER)) != 0:
        raise OSError(ctypes.get_errno(), "the network cannot be left")
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        fcntl.ioctl(device, _SET_FLAGS, struct.pack("16sh", b"lo", _UP))


def main() -> int:
    """The child: reads what to prove, leaves the network, and prints the errors that it finds."""
    head, _, lines = sys.stdin.buffer.read().partition(b"\n")
    again = Again(**json.loads(head))
    try:
        leave_network()
    except (OSError, AttributeError):
        return _REFUSED
    with TemporaryDirectory(prefix="rp-notebook-offline-", ignore_cleanup_errors=True) as name:
        place, jobs = _place(again, Path(name)), load_jobs(lines)
        try:
            proof = proved_in(place, jobs, Path(name), level=again.level, timeout_s=again.timeout_s, timed=False)
            wrong = [str(finding) for finding in proof.findings if finding.severity == "error"]
        except ProofImpossible as error:
            wrong = [str(error)]
    print(_MARK + json.dumps(wrong))  # noqa: T201 (what the parent reads)
    return 0


def _place(again: Again, scratch: Path) -> Place:
    if again.tag:
        return Container(Engine("buildah"), again.tag, again.pass_env)
    return Folder(Path(again.folder), scratch, python=again.python, pass_env=again.pass_env)


if __name__ == "__main__":
    sys.exit(main())
