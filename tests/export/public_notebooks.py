"""`python -m tests.export.public_notebooks FOLDER`: exports every function of every notebook below a folder.

What must hold of notebooks that nobody wrote for us: each cell is read, nothing but a refusal by name is raised, and a
module that is written parses, defines all its names, and has nothing of IPython in it. Prints what does not hold as
JSON lines, a tally last.
"""

from __future__ import annotations

import ast
import json
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pyflakes import checker, messages

from rp_notebook.errors import BadInput, ExportRefused
from rp_notebook.export.cells import CellRun, notebook_cells
from rp_notebook.export.declarations import declarations
from rp_notebook.export.exporting import export_cells
from rp_notebook.export.plan import Plan
from rp_notebook.export.rereading import history_of
from rp_notebook.jobs.declaration import Declaration

SECONDS = 5.0  # of the processor's time, for one export
EACH = 4  # functions of a notebook: the last ones, which need most
FLAT = "%%runpod_handler flat -i nothing=1\n"


def main() -> int:
    tally: Counter[str] = Counter()
    for path in sorted(Path(sys.argv[1]).rglob("*.ipynb")):
        for what, about in checked(path):
            tally[what] += 1
            if what.isupper():
                print(json.dumps([what, str(path), about]), flush=True)
    print(json.dumps(tally.most_common()))
    return any(what.isupper() for what in tally)


def checked(path: Path) -> Iterator[tuple[str, str]]:
    """What came of a notebook, defects in capitals."""
    try:
        cells = notebook_cells(path)
    except BadInput as error:
        yield "no notebook", str(error)
        return
    yield "notebooks", ""
    yield from (("cells", "") for _ in cells)
    try:
        history = history_of(cells)
    except Exception:  # noqa: BLE001 (any is a defect, and is told)
        yield "UNREAD", traceback.format_exc(limit=-3)
        return
    yield from (("unparsable", f"{one.cell.number}: {one.message}") for one in history.unread if one.magic is None)
    named = [s.node.name for s in history.statements if isinstance(s.node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for name in list(dict.fromkeys(reversed(named)))[:EACH]:
        yield from exported(path, cells, Declaration(name, name))
    if not named and cells:
        yield from flat(path, cells)


def flat(path: Path, cells: tuple[CellRun, ...]) -> Iterator[tuple[str, str]]:
    """The last cell that is Python as a flat handler cell."""
    for place in range(len(cells) - 1, max(-1, len(cells) - 6), -1):
        changed = (*cells[:place], replace(cells[place], text=FLAT + cells[place].text), *cells[place + 1 :])
        declaration = declarations(changed).get("flat")
        if declaration is not None:
            yield from exported(path, changed, declaration)
            return


def exported(path: Path, cells: tuple[CellRun, ...], declaration: Declaration) -> Iterator[tuple[str, str]]:
    started = time.process_time()
    try:
        text = export_cells(cells, declaration, notebook=path.name, plan=Plan(trains=True)).module
    except ExportRefused as refusal:
        yield from ((f"refused {finding.code}", "") for finding in refusal.findings)
        yield "refused", ""
    except Exception:  # noqa: BLE001 (any is a defect, and is told)
        yield "RAISED", f"{declaration.name}: {traceback.format_exc(limit=-4)}"
    else:
        yield "exported", ""
        yield from wrong(declaration.name, text)
    if (took := time.process_time() - started) > SECONDS:
        yield "SLOW", f"{declaration.name}: {took:.1f} s"


def wrong(name: str, text: str) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        yield "SYNTAX", f"{name}: {error}: {error.text}"
        return
    for said in checker.Checker(tree).messages:
        if isinstance(said, messages.UndefinedName | messages.ImportStarUsed | messages.UndefinedLocal):
            yield "UNDEFINED", f"{name}: {said}"
    if "get_ipython" in text:
        yield "IPYTHON", name


if __name__ == "__main__":
    sys.exit(main())
