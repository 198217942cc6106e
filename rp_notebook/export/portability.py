"""What works on this machine and not in a worker: found in the text of handler.py, before anything is built."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence

from rp_notebook.export.base_images import cuda_image
from rp_notebook.export.file_tables import POD_VOLUME, WORKER_VOLUME
from rp_notebook.export.givings import imports_of, spelled_path
from rp_notebook.export.models import models_of
from rp_notebook.export.module import Module
from rp_notebook.export.pin import Pin
from rp_notebook.export.requirements import torch_build
from rp_notebook.export.trees import children, tree_of, walk
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.finding import Finding

_Function = ast.FunctionDef | ast.AsyncFunctionDef

# The homes of users, by the customs of Linux, macOS and Windows.
_HOME = re.compile(r"(/home/[^/]+|/root|/Users/[^/]+|[A-Za-z]:\\Users\\[^\\]+)([/\\]|$)|~[/\\]")
# Where a worker may write what need not last; the volume lasts, and /app is its own.
_WRITABLE = ("/tmp", "/dev", "/app", "/var/tmp", WORKER_VOLUME)
_WRITE_METHODS = frozenset({"write_text", "write_bytes", "mkdir", "touch"})
_WRITE_CALLS = frozenset({"os.makedirs", "os.mkdir", "shutil.copy", "shutil.copyfile", "shutil.copy2", "shutil.move"})
_SAVES = frozenset({"save", "savefig", "imwrite", "to_csv", "to_parquet", "to_json", "export", "save_pretrained"})
_CACHES = frozenset({"cache", "lru_cache", "cached", "cached_property", "singleton"})
_BUCKET = "BUCKET_ENDPOINT_URL"
_UPLOADS = ("rp_upload.upload_image", "rp_upload.files", "rp_upload.bucket_upload", "rp_upload.upload_file_to_bucket")
_TAG = re.compile(r":(?P<tag>[\w.-]+)(@sha256:[0-9a-f]+)?$|@sha256:")


def portability(
    module: Module, declaration: Declaration, pins: Sequence[Pin], known: Iterable[Finding]
) -> list[Finding]:
    """What there is to say of a module; nothing twice of a line whose files the `known` findings are about."""
    told = {(one.cell, one.line) for one in known if one.code.startswith("RPX23") or one.code == "RPX241"}
    reader = _Reader(module.text, declaration)
    found = [*reader.paths(), *reader.writes(), *reader.loads(), *reader.uploads(), *reader.devices(torch_build(pins))]
    placed = []
    for line, code, message, fix in sorted(found):
        cell, number = module.lines[line - 1] or (None, None)
        is_known = (cell, number) in told and code in ("RPX260", "RPX261")
        severity = "note" if code == "RPX263" else "warning"
        placed += [] if is_known else [Finding(code, severity, message, fix, cell, number)]  # type: ignore[arg-type]
    return list(dict.fromkeys(placed))


def base_findings(base: str | None) -> Iterator[Finding]:
    """What there is to say of an image that somebody chose to build on."""
    tag = _TAG.search(base.rpartition("/")[2]) if base else None
    if base and (tag is None or tag["tag"] == "latest"):
        message = f"the base image {base} has no tag that stays: another image may be built tomorrow"
        yield Finding("RPX266", "warning", message, "name a version; RunPod refuses runpod/pytorch:latest")


class _Reader:
    def __init__(self, text: str, declaration: Declaration) -> None:
        self._text = text
        self._tree = tree = tree_of(text)
        self._imports = imports_of(iter([tree]))
        self._parents = {id(child): node for node in walk(tree) for child in children(node)}
        self._functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
        self._of_jobs = self._reached(declaration.function)

    def paths(self) -> Iterator[tuple[int, str, str, str]]:
        """Texts that are paths of a Pod's volume, or of somebody's home."""
        for node in walk(self._tree):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or self._is_docstring(node):
                continue
            if re.match(rf"{POD_VOLUME}(/|$)", node.value):
                message = (
                    f"{node.value!r}: a network volume is at {POD_VOLUME} on a Pod, and at {WORKER_VOLUME} in a worker"
                )
                fix = f"write {node.value.replace(POD_VOLUME, WORKER_VOLUME, 1)!r}, or read it from the environment"
                yield node.lineno, "RPX260", message, fix
            elif _HOME.match(node.value):
                fix = "name it relative to the notebook, or read it from the environment"
                yield node.lineno, "RPX261", f"{_told(node.value)!r} is a folder of this machine's user", fix

    def writes(self) -> Iterator[tuple[int, str, str, str]]:
        """Files that are written where a worker may not write, or that its jobs leave behind."""
        for node in walk(self._tree):
            target = self._written(node) if isinstance(node, ast.Call) else None
            if target is None or _HOME.match(target):
                continue
            line = getattr(node, "lineno", 1)
            if target.startswith("/") and not target.startswith(_WRITABLE):
                message = f"{target!r} is written: a worker is no root, and its disk goes with it"
                yield line, "RPX262", message, f"write below /tmp, or below {WORKER_VOLUME} what has to last"
            elif not target.startswith("/") and any(self._is_in(node, function) for function in self._of_jobs):
                message = (
                    f"each job writes {target!r} beside handler.py: jobs at once share it, and it stays on the disk"
                )
                yield line, "RPX263", message, "use tempfile.TemporaryDirectory()"

    def loads(self) -> Iterator[tuple[int, str, str, str]]:
        """Models that are loaded for each job: a call below the handler that nothing keeps from running again."""
        lines = {model.line: model for model in models_of(self._text, {}, None)}
        for function in self._of_jobs:
            for node in walk(function):
                model = lines.get(node.lineno) if isinstance(node, ast.Call) else None
                if model is None or not isinstance(node, ast.Call) or self._is_kept(node, function):
                    continue
                if spelled_path(node.func, self._imports).endswith(model.loader.rpartition(".")[2]):
                    message = f"{model.id} is loaded again for each job"
                    yield model.line, "RPX264", message, "load it at the top of the module, once"

    def uploads(self) -> Iterator[tuple[int, str, str, str]]:
        """Uploads by the SDK that name no bucket: without its variables they write to the worker's disk."""
        for node in walk(self._tree):
            path = spelled_path(node.func, self._imports) if isinstance(node, ast.Call) else ""
            named = isinstance(node, ast.Call) and any(k.arg in ("bucket_creds", "bucket_name") for k in node.keywords)
            if path.endswith(_UPLOADS) and not named:
                message = f"without {_BUCKET} and its keys an upload goes to the worker's own disk, and is gone"
                fix = (
                    f"%runpod env {_BUCKET} BUCKET_ACCESS_KEY_ID BUCKET_SECRET_ACCESS_KEY, and set them on the endpoint"
                )
                yield getattr(node, "lineno", 1), "RPX265", message, fix

    def devices(self, build: str | None) -> Iterator[tuple[int, str, str, str]]:
        """A GPU by name, where the torch that is pinned has no CUDA."""
        if build is None or cuda_image(build) is not None or "is_available" in self._text:
            return
        for node in walk(self._tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.match(r"cuda(:\d+)?$", node.value):
                message = f"{node.value!r} is asked for, and the torch of this machine ({build}) has no CUDA"
                yield node.lineno, "RPX267", message, "export where torch has CUDA, or ask torch.cuda.is_available()"

    def _reached(self, name: str) -> list[_Function]:
        """The function of that name, and those of the module that it calls, to the end."""
        reached: dict[str, _Function] = {}
        waiting = [name]
        while waiting:
            one = waiting.pop()
            if one in reached or one not in self._functions:
                continue
            reached[one] = self._functions[one]
            waiting += [node.id for node in walk(self._functions[one]) if isinstance(node, ast.Name)]
        return list(reached.values())

    def _is_in(self, node: ast.AST, function: _Function) -> bool:
        return function in self._above(node)

    def _above(self, node: ast.AST) -> list[ast.AST]:
        found = []
        while (above := self._parents.get(id(node))) is not None:
            found.append(above)
            node = above
        return found

    def _is_kept(self, node: ast.AST, function: _Function) -> bool:
        """Whether a load below a handler runs once: under a test, or in a function that remembers."""
        tested = any(isinstance(above, ast.If | ast.IfExp | ast.Try | ast.BoolOp) for above in self._above(node))
        decorators = [spelled_path(item, self._imports).rpartition(".")[2] for item in function.decorator_list]
        return tested or bool(_CACHES & set(decorators))

    def _written(self, call: ast.Call) -> str | None:
        """The literal path that a call writes to."""
        path = spelled_path(call.func, self._imports)
        leaf = path.rpartition(".")[2]
        first = _literal(call.args[0]) if call.args else None
        if path in ("open", "io.open", "builtins.open"):
            modes = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "mode")]
            return first if any(set("wax") & set(_literal(mode) or "") for mode in modes) else None
        if leaf in _WRITE_METHODS and isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Call):
            made = call.func.value
            return (
                _literal(made.args[0])
                if spelled_path(made.func, self._imports).endswith("Path") and made.args
                else None
            )
        if path in _WRITE_CALLS or leaf in _SAVES:
            return (_literal(call.args[-1]) if path.startswith("shutil.") else first) if call.args else None
        return None

    def _is_docstring(self, node: ast.Constant) -> bool:
        return isinstance(self._parents.get(id(node)), ast.Expr)


def _literal(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _told(path: str) -> str:
    """A path without the name of the user whose home it is in."""
    return re.sub(r"^(/home/|/Users/|[A-Za-z]:\\Users\\)[^/\\]+", r"\1...", path)
