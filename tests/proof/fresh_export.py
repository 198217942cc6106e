"""Exports a handler in a process that loaded nothing for other tests: what is loaded tells which packages it needs.

Reads from stdin what to export, and prints the findings.
"""

import json
import os
import sys
from pathlib import Path

from rp_notebook.export.cells import CellRun
from rp_notebook.export.exporting import export_cells
from rp_notebook.export.live import Live
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.masking import secret_values
from rp_notebook.jobs.running import run_job

given = json.load(sys.stdin)
folder, cells, scope = given["folder"], given["cells"], {}
os.chdir(folder)
sys.path[0] = folder
declaration = Declaration("handler", "handler", aggregate=given["aggregate"])
for cell in cells:
    if not cell.startswith(("!", "%")):
        exec(cell, scope)
records = [
    run_job(scope["handler"], {"id": f"job-{at}", "input": one}, aggregate=declaration.aggregate)
    for at, one in enumerate(given["inputs"])
]
result = export_cells(
    [CellRun(number, cell, cwd=folder) for number, cell in enumerate(cells, 1)], declaration,
    live=Live(scope, {}, secret_values(os.environ)), folder=Path(folder), records=records,
    environment={"HF_HOME": os.environ["HF_HOME"]},
)  # fmt: skip
result.write(Path(given["out"]))
print(json.dumps([[finding.severity, str(finding)] for finding in result.findings]))
