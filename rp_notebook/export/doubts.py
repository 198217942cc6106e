"""What may turn out differently in a worker than it did in the notebook, statement by statement."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from rp_notebook.export.counters import NOTED, is_read
from rp_notebook.export.library import path_of
from rp_notebook.export.program import FRESH, MUST, PARAMETER, Program
from rp_notebook.export.store_looks import FILL
from rp_notebook.export.tables import DRAWS, GENERATORS, RNG_MODULES
from rp_notebook.export.timeline import Fact, changed_roots
from rp_notebook.export.trees import immediate, walk
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.finding import Finding, Severity

# Calls that ask another machine, and readers that do when they are given a URL.
_NETWORK = ("requests.", "httpx.", "urllib.request.", "aiohttp.", "urllib3.", "wget.", "gdown.", "http.client.")
_READERS = frozenset({"read_csv", "read_json", "read_parquet", "read_table", "read_excel", "read_html", "load_image"})
_CLOCKS = frozenset(
    {
        "time.time",
        "time.time_ns",
        "time.perf_counter",
        "time.monotonic",
        "datetime.datetime.now",
        "uuid.uuid4",
        "uuid.uuid1",
    }
    | {"datetime.datetime.today", "datetime.datetime.utcnow", "datetime.date.today", "os.urandom", "os.getpid"}
    | {"secrets.token_hex", "secrets.token_bytes", "secrets.token_urlsafe", "secrets.choice", "random.SystemRandom"}
)
# Calls whose effect goes on beside the code that made them.
_BESIDE = frozenset(
    {"threading.Thread", "threading.Timer", "multiprocessing.Process", "multiprocessing.Pool", "subprocess.Popen"}
    | {"concurrent.futures.ThreadPoolExecutor", "concurrent.futures.ProcessPoolExecutor", "asyncio.create_task"}
    | {"multiprocessing.pool.ThreadPool", "multiprocessing.pool.Pool", "_thread.start_new_thread", "atexit.register"}
    | {"signal.signal", "asyncio.ensure_future", "multiprocessing.Manager", "torch.multiprocessing.spawn"}
    | {"sched.scheduler", "apscheduler.schedulers.background.BackgroundScheduler", "watchdog.observers.Observer"}
)
_HOOKS = frozenset({"sys.excepthook", "sys.settrace", "sys.setprofile", "threading.excepthook", "sys.addaudithook"})
_DYNAMIC = frozenset({"builtins.eval", "builtins.exec", "builtins.__import__", "importlib.import_module"})
_NAMESPACES = frozenset({"builtins.globals", "builtins.locals", "builtins.vars"})


def doubts(facts: Sequence[Fact], program: Program, declaration: Declaration) -> Iterator[Finding]:
    """Warnings and notes about the kept statements, in their order."""
    seeded: set[str] = set()
    for fact in facts:
        seeded |= set(changed_roots(fact, "seed:"))
        if any(_is_dynamic(call, program) for call in _calls(walk(fact.statement.node))):
            message = "names are looked up while it runs (eval, exec, globals): this export cannot see which"
            yield _at(fact, "RPS124", "warning", message, "prove the export with a job that comes by here")
        if not fact.is_code:
            yield from _at_import(fact, program, seeded)
    yield from _remembering(facts, program, declaration)


def _at_import(fact: Fact, program: Program, seeded: set[str]) -> Iterator[Finding]:
    names = ", ".join(f"`{name}`" for name in sorted(fact.names.defs)) or "it"
    for call in _calls(immediate(fact.statement.node)):
        path = path_of(call.func, program, ())
        leaf = path.rsplit(".", 1)[-1]
        if path.startswith(_NETWORK) or (leaf in _READERS and call.args and _is_url(call.args[0])):
            message = f"every worker that starts asks the network: {ast.unparse(call.func)}()"
            yield _at(fact, "RPS122", "warning", message, f"write the value of {names} into a cell or a file")
        elif path in _CLOCKS:
            message = f"{names} comes from {path}(): it differs in every worker"
            yield _at(fact, "RPS123", "warning", message, "give it a fixed value if answers depend on it")
        elif path in _BESIDE or path in _HOOKS:
            message = f"{path}() goes on beside the handler, and may change what it reads"
            yield _at(fact, "RPS150", "warning", message, "prove the export with a job that depends on it")
        elif _draws_unseeded(call, path, seeded):
            message = f"{names} is drawn at random without a seed: it differs in every worker"
            yield _at(fact, "RPS123", "warning", message, "seed it before, or write its value into a file")
    node = fact.statement.node
    targets = node.targets if isinstance(node, ast.Assign) else []
    if any(isinstance(target, ast.Attribute) and path_of(target, program, ()) in _HOOKS for target in targets):
        yield _at(fact, "RPS150", "warning", "a hook of the interpreter goes into the worker")


def _draws_unseeded(call: ast.Call, path: str, seeded: set[str]) -> bool:
    top, leaf = path.split(".")[0], path.rsplit(".", 1)[-1]
    if leaf in ("default_rng", "RandomState", "Generator", "Random") and top in RNG_MODULES:
        return not call.args and not call.keywords and path != "torch.Generator"
    own = any(keyword.arg in GENERATORS for keyword in call.keywords)
    return top in RNG_MODULES and leaf in DRAWS and top not in seeded and not own


def _is_url(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and str(node.value).startswith(("http://", "https://", "s3://", "gs://"))


def _is_dynamic(call: ast.Call, program: Program) -> bool:
    path = path_of(call.func, program, ())
    if path in ("builtins.__import__", "importlib.import_module"):
        return bool(call.args) and not isinstance(call.args[0], ast.Constant)
    if path == "builtins.getattr":
        owner = path_of(call.args[0], program, ()) if call.args else ""
        return bool(owner) and len(call.args) > 1 and not isinstance(call.args[1], ast.Constant)
    return path in _DYNAMIC or (path in _NAMESPACES and not call.args)


def _remembering(facts: Sequence[Fact], program: Program, declaration: Declaration) -> Iterator[Finding]:
    """What the handler itself, or what it calls, changes of the module."""
    fact = next((f for f in reversed(facts) if f.is_code and declaration.function in f.names.defs), None)
    if fact is None or not isinstance(fact.statement.node, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    effects = program.summary(fact.statement.node)
    roots = {root for root, tier, _ in effects.changed if tier == MUST}
    roots |= {root.removeprefix(FILL).partition(".")[0] for root in roots if root.startswith(FILL)}
    changed = {root for root in roots if ":" not in root and root[:1] != PARAMETER}
    known = {name for other in facts for name in other.names.defs if not other.statement.alias}
    counted = {root.removeprefix(NOTED) for root in roots if root.startswith(NOTED)}
    names = sorted((changed | effects.rebound) & known - {FRESH})
    names += sorted(each.removesuffix("[]") for each in counted if is_read(each, facts))
    if names:
        said = ", ".join(f"`{name}`" for name in names)
        message = f"jobs change {said}: a worker keeps that from one job to the next, and no other worker sees it"
        yield _at(fact, "RPS131", "note", message)


def _calls(nodes: Iterable[ast.AST]) -> Iterator[ast.Call]:
    return (node for node in nodes if isinstance(node, ast.Call))


def _at(fact: Fact, code: str, severity: Severity, message: str, fix: str = "") -> Finding:
    return Finding(code, severity, message, fix, fact.statement.cell.number, fact.statement.line)
