"""The documentation holds: its pages are current, its links lead somewhere, and the commands that it names exist."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rp_notebook.cli import _parser
from rp_notebook.jobs.declaration import handler_flags
from rp_notebook.kernel.command_table import flags_by_command

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
SPOKEN = re.compile(r"(%%?runpod(?:_handler)?|rp-notebook)(?: ([a-z]+))?([^\n`|]*)")
FLAG = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")
CODE = re.compile(r"RP[SJPX]\d{3}")


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from write_docs import pages
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    return pages()


@pytest.mark.parametrize("name", ["commands.md", "findings.md"])
def test_what_the_code_tells_is_current(written, name: str) -> None:
    assert (ROOT / "docs" / name).read_text("utf-8") == written[name], "`make docs` writes it"


def test_every_finding_has_a_message_and_a_severity(written) -> None:
    rows = [line.split(" | ") for line in written["findings.md"].splitlines() if line.startswith("| RP")]
    assert {row[0].removeprefix("| ") for row in rows} == codes_of(ROOT / "rp_notebook")
    assert not [row[0] for row in rows if not row[1] or not row[2].strip(" |")]


def codes_of(folder: Path) -> set[str]:
    texts = (path.read_text("utf-8") for path in folder.rglob("*.py"))
    return {code for text in texts for code in re.findall(r"[\"'](RP[SJPX]\d{3})[\"']", text)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text("utf-8")) if "://" not in target]
    assert not [target for target in targets if not (page.parent / target).exists()]


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, left = set(), [ROOT / "README.md"]
    while left:
        page = left.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            left += [(page.parent / t).resolve() for t in LINK.findall(page.read_text("utf-8")) if "://" not in t]
    assert {*PAGES} <= reached


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=lambda page: page.name)
def test_the_commands_and_flags_that_are_named_exist(page: Path) -> None:
    wrong = [f"{command} {flag}" for command, flag in said_in(page.read_text("utf-8")) if flag not in known(command)]
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_codes_that_are_named_exist(page: Path) -> None:
    assert {*CODE.findall(page.read_text("utf-8"))} <= codes_of(ROOT / "rp_notebook")


def said_in(text: str) -> Iterator[tuple[str, str]]:
    """Each command with each of the flags behind it; with an empty flag for the command itself."""
    for magic, name, rest in SPOKEN.findall(text.replace("\\n", "\n")):
        command = f"{magic} {name}" if name and not magic.endswith("_handler") else magic
        yield command, ""
        yield from ((command, flag) for flag in FLAG.findall(rest.partition("{")[0]))


def known(command: str) -> set[str]:
    """The flags of a command, with an empty one where it exists."""
    magic, _, name = command.partition(" ")
    if magic == "%%runpod_handler":
        return {"", "--help", *handler_flags()._option_string_actions}
    if not name:
        return {"", "--help"} if magic in ("%runpod", "%%runpod", "rp-notebook", "%runpod_handler") else set()
    if magic == "rp-notebook":
        commands = next(action.choices for action in _parser()._actions if action.dest == "COMMAND" or action.choices)
        return {"", *commands[name]._option_string_actions} if name in commands else set()
    flags = flags_by_command()
    return {"", "--help", *flags[name]()._option_string_actions} if name in flags else set()
