"""fetch_weights.py: brings weights into the caches of an image while it is built, as the worker will ask for them."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from typing import Any

from rp_notebook.export.givings import imports_of, spelled_path
from rp_notebook.export.model_cache import repository_of
from rp_notebook.export.models import Model
from rp_notebook.export.trees import walk

FETCH = "fetch_weights.py"

_HEAD = "Fetches the weights into the caches of the image at its build: the worker then starts without a download."
_HUB = '''
def fetch(repo_id, repo_type, revision, ref, files):
    """One repository at one commit, under the name of the revision that the worker asks for."""
    folder = snapshot_download(repo_id, repo_type=repo_type, revision=revision, allow_patterns=files)
    if revision is not None and ref != revision:
        refs = Path(folder).parent.parent / "refs"
        refs.mkdir(exist_ok=True)
        (refs / ref).write_text(revision)


for repository in REPOSITORIES:
    fetch(**repository)
'''
# What would put a model somewhere, or run it: a build has no GPU.
_NOT_AT_BUILD = frozenset({"device", "device_map", "torch_dtype", "dtype", "max_memory"})


def fetch_weights(models: Sequence[Model], module: str) -> str:
    """The text of fetch_weights.py; models that are not in Hugging Face's cache are loaded by the module's own call."""
    tree = ast.parse(module)
    repositories = [_repository(model) for model in models if model.kind in ("model", "dataset") and not _odd(model)]
    calls = dict.fromkeys(
        _call(model, tree) for model in models if model.kind not in ("model", "dataset") or _odd(model)
    )
    modules = sorted({call.split("(")[0].rpartition(".")[0] for call in calls})
    imports = ["from pathlib import Path\n"] if repositories else []
    imports += [f"import {name}" for name in modules if name]
    imports += ["from huggingface_hub import snapshot_download"] if repositories else []
    parts = [f'"""{_HEAD}"""\n', "\n".join(imports), ""]
    if repositories:
        parts += [f"REPOSITORIES = {_listed(repositories)}\n", _HUB]
    return "\n".join([*parts, *calls]).rstrip() + "\n"


def _odd(model: Model) -> bool:
    return model.loader == "whisper.load_model"


def _repository(model: Model) -> dict[str, Any]:
    return {
        "repo_id": repository_of(model.id, model.loader),
        "repo_type": model.kind,
        "revision": model.revision,
        "ref": model.ref or "main",
        "files": list(model.files) or None,
    }


def _listed(repositories: Sequence[dict[str, Any]]) -> str:
    # As Python's literals, one key a line: a reviewer reads which files are fetched.
    text = json.dumps(list(repositories), indent=4, ensure_ascii=False)
    return text.replace(": null", ": None")


def _call(model: Model, tree: ast.Module) -> str:
    """The call of the module that loads a model, with the plain arguments of it that say what is loaded."""
    imports = imports_of(iter([tree]))
    for node in walk(tree):
        if (
            isinstance(node, ast.Call)
            and node.lineno == model.line
            and spelled_path(node.func, imports) == model.loader
        ):
            plain = [ast.unparse(value) for value in node.args[1:] if isinstance(value, ast.Constant)]
            named = [
                k for k in node.keywords if k.arg and k.arg not in _NOT_AT_BUILD and isinstance(k.value, ast.Constant)
            ]
            first = [] if any(k.arg in ("repo_or_dir", "name", "model_name") for k in named) else [_name(model)]
            given = [*first, *plain, *(f"{k.arg}={ast.unparse(k.value)}" for k in named)]
            return f"{model.loader}({', '.join(given)})"
    return f"{model.loader}({_name(model)})"


def _name(model: Model) -> str:
    # torch.hub's models are noted with their entry point, which is an argument of its own.
    return json.dumps(model.id.rpartition(":")[0] or model.id if model.kind == "torch.hub" else model.id)
