"""The commands of `%runpod` by name: their flags, and what they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from rp_notebook.errors import meant
from rp_notebook.jobs.flag_parser import FlagParser
from rp_notebook.kernel import cancelling, commands, explaining, importing, job_history, needs, overriding, unloading
from rp_notebook.kernel.gpus import gpus, gpus_flags
from rp_notebook.kernel.inputs import job_flags
from rp_notebook.kernel.rehearsing import rehearse_flags
from rp_notebook.kernel.replaying import replay_flags
from rp_notebook.kernel.session import Session
from rp_notebook.kernel.transforms import AWAITED_COMMANDS
from rp_notebook.panel.report import Report

# What later cells need nothing of: passed over where a notebook runs to be served, or for a job from a shell.
TOLD_TO_A_PERSON = frozenset(
    {"export", "prove", "rehearse", "replay", "check", "why", "gpus", "golden", "panel", "import"}
)


def _serve_flags() -> FlagParser:
    from rp_notebook.kernel.serve import serve_flags  # the server is loaded when somebody serves

    return serve_flags()


def _serve(session: Session, flags: Any) -> Report:
    from rp_notebook.kernel.serve import serve

    return serve(session, flags)


def _panel_flags() -> FlagParser:
    from rp_notebook.kernel.panelling import panel_flags

    return panel_flags()


def _panel(session: Session, flags: Any) -> Any:
    from rp_notebook.kernel.panelling import panel

    return panel(session, flags)


# A command is its flags and what it does with them.
COMMANDS: Mapping[str, tuple[Callable[[], FlagParser], Callable[[Session, Any], Any]]] = MappingProxyType(
    {
        "jobs": (job_history.jobs_flags, job_history.jobs),
        "cancel": (cancelling.cancel_flags, cancelling.cancel),
        "golden": (job_history.golden_flags, job_history.golden),
        "export": (commands.export_flags, commands.export),
        "prove": (commands.prove_flags, commands.prove),
        "gpus": (gpus_flags, gpus),
        "import": (importing.import_flags, importing.import_worker),
        "serve": (_serve_flags, _serve),
        "panel": (_panel_flags, _panel),
        "why": (explaining.why_flags, explaining.why),
        "keep": (overriding.keep_flags, overriding.keep),
        "drop": (overriding.drop_flags, overriding.drop),
        "env": (needs.env_flags, needs.env),
        "apt": (needs.apt_flags, needs.apt),
        "unload": (unloading.unload_flags, unloading.unload),
    }
)
AWAITED: Mapping[str, Callable[[], FlagParser]] = MappingProxyType(
    dict(zip(AWAITED_COMMANDS, (job_flags, commands.check_flags, replay_flags, rehearse_flags), strict=True))
)


def flags_by_command() -> Mapping[str, Callable[[], FlagParser]]:
    """The flags of each command."""
    return {**{name: flags for name, (flags, _) in COMMANDS.items()}, **AWAITED}


def unknown(name: str) -> str:
    """What to say of a command that is none."""
    known = [*COMMANDS, *AWAITED]
    hint = meant(name, known, "%runpod {}") or f"there are: {', '.join(sorted(known))}"
    return f"%runpod has no command {name!r}; {hint}"
