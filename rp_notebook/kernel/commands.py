"""What each `%runpod` command does, given its flags."""

from __future__ import annotations

import shlex
from argparse import Namespace
from pathlib import Path

from rp_notebook.errors import BadInput, ExportRefused
from rp_notebook.jobs.flag_parser import FlagParser
from rp_notebook.jobs.query import Query
from rp_notebook.kernel.addresses import addresses
from rp_notebook.kernel.climbing import Say, climbed, unheard
from rp_notebook.kernel.provenance import since_exports
from rp_notebook.kernel.session import Session
from rp_notebook.panel.card import StatusCard
from rp_notebook.panel.report import Report

JOBS_SHOWN = 5


def split(line: str) -> list[str]:
    """The words of a command's line. Raises `BadInput` for an open quote."""
    try:
        return shlex.split(line)
    except ValueError as error:
        raise BadInput(f"{line}: {error}") from None


def card(session: Session) -> StatusCard:
    """The status card."""
    kept = session.history.path
    where = "jobs are kept in memory only" if kept is None else f"jobs are kept in {kept}"
    jobs = session.history.lines(Query(last=JOBS_SHOWN))
    return StatusCard(session.handlers, jobs, where, addresses(session), since_exports(session))


def export_flags() -> FlagParser:
    """The flags of `%runpod export`."""
    parser = FlagParser(prog="%runpod export", add_help=False, description="Write the worker repository.")
    parser.add_argument("folder", nargs="?", metavar="DIR", help="where to write (default: as last, or NAME-worker)")
    parser.add_argument("-n", "--name", metavar="NAME", help="the handler (default: the latest registered)")
    parser.add_argument("--base", metavar="IMAGE", help="the image to build on")
    parser.add_argument("--python", metavar="V", help="the worker's Python, as 3.11 (default: this kernel's)")
    parser.add_argument("--force", action="store_true", help="replace a folder that was edited, or is not ours")
    parser.add_argument("--strict", action="store_true", help="refuse what hangs on hidden state (RPS101-RPS109)")
    parser.add_argument("--dry-run", action="store_true", help="show what would be written, and write nothing")
    parser.add_argument(
        "--trust-disk", action="store_true", help="take modules as on the disk, though loaded otherwise"
    )
    parser.add_argument("--validate", action="store_true", help="check each job's input before the handler")
    parser.add_argument("--weights", metavar="WAY", help="bake, volume, cached or runtime (default: by their size)")
    parser.add_argument("--freeze", metavar="NAME[,NAME]", help="export the present value, or a module's weights")
    parser.add_argument("--train", action="store_true", help="let the worker train, or compute for long, at its start")
    parser.add_argument("--resolve", action="store_true", help="ask pip whether the requirements go together")
    parser.add_argument("--timeout", type=float, metavar="S", help="seconds a start or a job may take in the replay")
    return parser


def export(session: Session, flags: Namespace, say: Say = unheard) -> Report:
    """Exports the handler with what the cells really executed, and replays its jobs in a clean process."""
    handler = session.handlers.chosen(flags.name, session.namespace)
    try:
        climb = climbed(session, handler, flags, say)
    except ExportRefused as refusal:
        return Report("REFUSED", "bad", f"{handler.name}: nothing was written", findings=refusal.findings)
    except KeyboardInterrupt:
        return Report("CANCELLED", "dim", f"{handler.name}: the replay was stopped, nothing was written")
    where = flags.folder or _usual_folder(session, handler.name)
    result, folder = climb.result, Path(where).expanduser()
    headline = f"{handler.name} → {where}: {result.summary}"
    if flags.dry_run:
        from rp_notebook.export.changes import changes

        shown = [result.repo.tree(), "", result.module, *changes(result.repo, folder)]
        return Report("DRY RUN", "good", headline, shown, result.findings, [f"%runpod export {where}"])
    written = result.write(folder, force=flags.force)
    session.plans[handler.name] = climb.plan
    session.exports.pop(folder.absolute(), None)  # what was written last stands last
    session.exports[folder.absolute()] = handler, len(session.recorder.cells)
    steps = [f"%runpod prove {where}"] if "tests/jobs.jsonl" in result.repo else [_how_to_test(session, handler.name)]
    findings = (*result.findings, *climb.findings)
    if flags.resolve:
        from rp_notebook.proof.resolve import conflicts_of

        say("asking pip whether the requirements go together")
        findings += (*conflicts_of(result.repo),)
    return Report(written.upper(), "good", headline, [result.repo.tree(), "", *climb.lines], findings, steps)


def _usual_folder(session: Session, name: str | None = None) -> str:
    """Where the handler of that name, or any, was exported last; else where the panel would put it."""
    written = [folder for folder, (handler, _) in session.exports.items() if name in (None, handler.name)]
    if not written:
        return f"{name or session.handlers.chosen(None, session.namespace).name}-worker"
    last, here = written[-1], Path.cwd()
    return str(last.relative_to(here) if last.is_relative_to(here) else last)


def _how_to_test(session: Session, name: str) -> str:
    if next(session.history.records(Query(handler=name, last=1)), None) is not None:
        return "%runpod replay  (runs the jobs of before the edit again: they become tests)"
    return "%runpod job {...}  (a job that ran becomes a test)"


def check_flags() -> FlagParser:
    """The flags of `%runpod check`."""
    parser = FlagParser(prog="%runpod check", add_help=False, description="What would go wrong later.")
    parser.add_argument("name", nargs="?", metavar="NAME", help="the handler (default: the latest registered)")
    return parser


def prove_flags() -> FlagParser:
    """The flags of `%runpod prove`."""
    parser = FlagParser(prog="%runpod prove", add_help=False, description="Replay jobs through an exported worker.")
    parser.add_argument("folder", nargs="?", metavar="DIR", help="the exported folder (default: the last one)")
    parser.add_argument("--level", default="process", help="process (default), venv or image")
    parser.add_argument("--only", action="store_true", help="that level alone, not those below it first")
    parser.add_argument("--base", metavar="IMAGE", help="at level image: build on this instead of the Dockerfile's own")
    return parser


def prove(session: Session, flags: Namespace, say: Say = unheard) -> Report:
    """Proves an export under the real SDK, in a process of its own."""
    from rp_notebook.proof.proving import prove_folder
    from rp_notebook.proof.report import report_lines

    where = flags.folder or _usual_folder(session)
    folder = Path(where).expanduser()
    proof = prove_folder(folder, level=flags.level, base=flags.base, only=flags.only, on_progress=say)
    if proof.cold is not None:
        session.cold_start = where, proof.cold.seconds
    headline, *lines = report_lines(proof)
    if proof.passed:
        return Report("PROVED", "good", headline, lines)
    return Report("NOT PROVED", "bad", headline, lines)
