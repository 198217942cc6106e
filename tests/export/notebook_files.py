"""Reads the notebooks of `tests/export/notebooks`: text files with many each, which people can read, too.

A notebook begins with `=== name` and what is said of it: codes of findings, `refused=CODE`, `rung=NAME`,
`files=GROUP`, `job=NAME` of the handler, `failed=CELL:LINE` of what raised, `needs=PACKAGE`, `has=TEXT,TEXT` in the
exported files, `secret=TEXT` in none of them, `shell=only` for what nobody can tell without the kernel.
Cells are parted by `---`; behind `-->` stands what the handler answers. In a file whose statements are marked, a
line begins with `+ ` where the statement must be exported, `- ` where it must not, `~ ` where it may, else with two
spaces.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "notebooks"
HANDLER = "def handler(job):\n    x = job['input']['x']\n    return "
SIGNS = ("+ ", "- ", "~ ")


@dataclass(frozen=True)
class Case:
    """A notebook. `marks` has the sign of each statement by cell and line; the rest is as said in the files."""

    name: str
    cells: tuple[str, ...]
    marks: dict[tuple[int, int], str] = field(default_factory=dict)
    codes: tuple[str, ...] = ()
    refused: str = ""
    rung: str = "needed"
    files: str = ""
    job: str = "handler"
    shell: str = ""
    failed: str = ""
    needs: str = ""
    has: str = ""
    secret: str = ""

    def marked(self, sign: str) -> set[tuple[int, int]]:
        """Cell and line of the statements with that sign."""
        return {place for place, each in self.marks.items() if each == sign}


def cases(name: str, *, marked: bool = False) -> list[Case]:
    """The notebooks of one file, in its order."""
    text = "\n" + (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    return [_case(part, marked=marked) for part in text.split("\n=== ")[1:]]


def files(group: str) -> dict[str, str]:
    """The files of a group: `files.txt` has each behind a line `=== group/name`."""
    text = "\n" + (FOLDER / "files.txt").read_text(encoding="utf-8")
    parts = (part.partition("\n") for part in text.split("\n=== ")[1:])
    named = {head.strip(): body for head, _, body in parts}
    return {name.partition("/")[2]: body for name, body in named.items() if name.startswith(f"{group}/")}


def _case(part: str, *, marked: bool) -> Case:
    head, _, body = part.partition("\n")
    name, *said = head.split()
    options = dict(each.split("=", 1) for each in said if "=" in each)
    codes = tuple(each for each in said if "=" not in each)
    body, arrow, answer = body.rstrip().partition("\n--> ")
    texts = body.split("\n---\n")
    marks: dict[tuple[int, int], str] = {}
    if marked:
        for number, cell in enumerate(texts, start=1):
            lines = enumerate(cell.split("\n"), start=1)
            marks |= {(number, line): text[0] for line, text in lines if text.startswith(SIGNS)}
        texts = ["\n".join(line[2:] for line in cell.split("\n")) for cell in texts]
        marks |= {(len(texts) + 1, 1): "+"} if arrow else {}
    return Case(name, (*texts, *([HANDLER + answer] if arrow else [])), marks, codes, **options)
