"""What a cold start is made of: the process, the imports, loading at module level, the first job and the next."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from rp_notebook.errors import ProofImpossible
from rp_notebook.proof.places import Place

_MARK = "rp-notebook-cold-start "
# Runs handler.py in two parts, as itself but for the start of a worker.
_CODE = """
import time
began = time.time()
import ast, json, sys, types
sys.path.insert(0, "")
tree = ast.parse(open("handler.py", encoding="utf-8").read())
def is_head(node):
    text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return text or isinstance(node, (ast.Import, ast.ImportFrom))
ends = [at for at, node in enumerate(tree.body) if not is_head(node)]
cut = ends[0] if ends else len(tree.body)
module = types.ModuleType("__main__")
module.__file__ = "handler.py"
sys.modules["__main__"] = module
exec(compile(ast.Module(tree.body[:cut], []), "handler.py", "exec"), module.__dict__)
imported = time.time()
import runpod
runpod.serverless.start = lambda config: None
exec(compile(ast.Module(tree.body[cut:], []), "handler.py", "exec"), module.__dict__)
loaded = time.time()
print(sys.argv[2] + json.dumps([began - float(sys.argv[1]), imported - began, loaded - imported]))
"""


@dataclass(frozen=True)
class ColdStart:
    """Seconds of each part, None for a job that did not run.

    `process` is until Python runs, `imports` those at the head of handler.py, `load` the rest of the module;
    `first_job` and `second_job` are the same job twice, up to 0.1 s of each the SDK's own.
    """

    process: float
    imports: float
    load: float
    first_job: float | None = None
    second_job: float | None = None

    @property
    def seconds(self) -> float:
        """All of it, with what the first job takes longer than the second; an image's own start is not in it."""
        warm_up = max((self.first_job or 0.0) - (self.second_job or self.first_job or 0.0), 0.0)
        return self.process + self.imports + self.load + warm_up


def cold_start(place: Place, first_job: float | None, second_job: float | None) -> ColdStart | None:
    """Measures a start in a process of its own; None where handler.py does not run to its end there."""
    try:
        said = place.ask(_CODE, repr(time.time()), _MARK)
    except ProofImpossible:
        return None
    line = next((line for line in reversed(said.splitlines()) if line.startswith(_MARK)), None)
    if line is None:
        return None
    process, imports, load = json.loads(line.removeprefix(_MARK))
    return ColdStart(process, imports, load, first_job, second_job)
