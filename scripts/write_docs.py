"""Writes the pages of docs/ that the code itself tells: every finding, every command with its flags.

Usage: python scripts/write_docs.py
"""

from __future__ import annotations

import sys
from argparse import Action, ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from pathlib import Path

from finding_codes import Known, finding_codes

ROOT = Path(__file__).parent.parent
ROOMS = {
    "RPJ": ("Jobs", "a job's result, `%runpod jobs` and `%runpod check`"),
    "RPS": ("Slice", "`%runpod export` and `check`: what of the notebook the worker needs, and whether it holds"),
    "RPX": ("Repository", "`%runpod export` and `check`: packages, files, weights, and what differs in a worker"),
    "RPP": ("Proof", "`%runpod export`, which replays jobs, and by `%runpod prove`"),
}
FINDINGS = """<!-- Written from the code by `make docs`. -->

# Every finding

A finding is one line: its code, what is the case, where (cell and line), and what to do. Codes are stable. An error
stops an export or a proof, or costs a client its result; a warning may; a note is worth knowing. `«name»` stands for
what differs from case to case. [How the slice is made](slicing.md) and [the proof ladder](proof.md) explain the words.
"""
COMMANDS = """<!-- Written from the code by `make docs`. -->

# Every command

In a notebook each command answers `--help`, `?` and Tab; this page is what they say. From Python there are
`rp_notebook.run_job`, `arun_job`, `export_notebook` and `@rp_notebook.handler`, whose docstrings tell the rest.
"""
TABLE = "| | |\n| --- | --- |"


def pages() -> dict[str, str]:
    """The text of each page, by its name in docs/."""
    return {"findings.md": _findings(), "commands.md": _commands()}


def _findings() -> str:
    known = finding_codes(ROOT / "rp_notebook")
    lines = [FINDINGS]
    for prefix, (title, where) in ROOMS.items():
        lines += [
            f"## {title} ({prefix})\n\nSaid by {where}.\n",
            "| code | | what | what to do |",
            "| --- | --- | --- | --- |",
        ]
        lines += [*(_row(code, said) for code, said in known.items() if code.startswith(prefix)), ""]
    return "\n".join(lines)


def _row(code: str, known: Known) -> str:
    cells = (code, ", ".join(known.severities), "<br>".join(known.messages), "<br>".join(known.fixes))
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _commands() -> str:
    from rp_notebook.cli import _parser
    from rp_notebook.jobs.declaration import handler_flags
    from rp_notebook.kernel.command_table import flags_by_command
    from rp_notebook.kernel.magics import RunpodMagics

    lines = [
        COMMANDS,
        _section("%%runpod_handler", _text(RunpodMagics.runpod_handler.__doc__), _flags(handler_flags())),
        _section("%runpod", _text(RunpodMagics.runpod.__doc__)),
        *(_section(f"%runpod {name}", _flags(flags())) for name, flags in sorted(flags_by_command().items())),
        "# From a shell\n\nExit codes: 0 done, 1 refused or not proved, 2 wrong usage.\n",
        *(_section(f"rp-notebook {name}", _flags(parser)) for name, parser in _shell(_parser())),
    ]
    return "\n".join(lines)


def _shell(parser: ArgumentParser) -> Iterator[tuple[str, ArgumentParser]]:
    for action in parser._actions:  # noqa: SLF001 (argparse shows its commands nowhere else)
        if isinstance(action, _SubParsersAction):
            yield from action.choices.items()


def _section(title: str, *texts: str) -> str:
    return "\n\n".join([f"## {title}", *texts]) + "\n"


def _flags(parser: ArgumentParser) -> str:
    """A parser as a table: its own help text looks otherwise in each Python."""
    actions = [action for action in parser._actions if action.dest != "help"]  # noqa: SLF001 (as above)
    rows = [f"| `{_cell(_named(action))}` | {_cell(action.help or '')} |" for action in actions]
    said = [parser.description or "", "\n".join([TABLE, *rows]) if rows else "", parser.epilog or ""]
    return "\n\n".join(text for text in said if text)


def _named(action: Action) -> str:
    value = "" if action.nargs == 0 else str(action.metavar or action.dest)
    if not action.option_strings:
        return f"[{value}]" if action.nargs in ("?", "*") else value
    return ", ".join(action.option_strings) + (f" {value}" if value else "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("%%", "%").strip()


def _text(docstring: str | None) -> str:
    first, _, rest = (docstring or "").partition("\n")
    lines = [first, *(line.removeprefix(" " * 8) for line in rest.splitlines())]
    return "```text\n" + "\n".join(lines).strip() + "\n```"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    for name, text in pages().items():
        (ROOT / "docs" / name).write_text(text, "utf-8")
