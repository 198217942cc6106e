"""Packages that a worker needs and no line of it imports: by what jobs here really loaded, and by install lines."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from rp_notebook.export.closure import closure
from rp_notebook.export.installed import Installed
from rp_notebook.export.installs import Asked
from rp_notebook.jobs.declaration import imports_in
from rp_notebook.jobs.finding import Finding

MAPS = Path("/proc/self/maps")  # Linux: the files that a process has mapped, shared objects among them

# What models need and nobody imports: an install line of one is believed also where nothing ran.
HELPERS = frozenset(
    {"accelerate", "sentencepiece", "protobuf", "ftfy", "bitsandbytes", "peft", "xformers", "timm", "einops"}
    | {"tiktoken", "safetensors", "optimum", "auto-gptq", "autoawq", "gptqmodel", "flash-attn", "triton", "hf-xet"}
    | {"hf-transfer", "invisible-watermark", "blobfile", "sacremoses", "gguf", "compel", "hqq", "quanto", "torchao"}
    | {"mamba-ssm", "causal-conv1d", "kernels", "omegaconf", "pillow-heif", "av", "decord", "soundfile", "num2words"}
)
# Who needs them.
_FRAMEWORKS = frozenset(
    {"torch", "transformers", "diffusers", "sentence-transformers", "huggingface-hub", "tensorflow", "jax", "unsloth"}
)
# Extras that say how a library is made, not what it can use.
_WORKSHOP = re.compile(
    r"dev|test|doc|lint|quality|style|type|mypy|bench|example|tutorial|build|release|notebook|nox|tox"
)
# A notebook's own machinery, with all that it requires.
_NOTEBOOK = ("ipykernel", "ipywidgets", "jupyter", "jupyterlab", "notebook", "rp-notebook", "papermill", "nbclient")
# Code that a model's repository brings along is imported below these.
_REMOTE = ("transformers_modules.", "diffusers_modules.")


@dataclass(frozen=True)
class Loaded:
    """What this process has loaded: dotted modules, and the files that are mapped into it."""

    modules: frozenset[str]
    files: frozenset[str] = frozenset()

    def has(self, one: Installed) -> bool:
        """Whether a module, or a shared object, of a distribution is loaded."""
        for line in one.record.splitlines():
            name = line.partition(",")[0]
            if name.endswith((".py", ".so", ".pyd")):
                stem = name.rpartition("/")[0] if name.endswith("/__init__.py") else name.partition(".")[0]
                if stem.replace("/", ".") in self.modules or (".so" in name and str(one.folder / name) in self.files):
                    return True
        return False


def loaded_in(modules: Mapping[str, ModuleType | None], maps: Path = MAPS) -> Loaded:
    """What is loaded, by `sys.modules` and the process's own map of its memory."""
    try:
        paths = frozenset(line.split(maxsplit=5)[-1] for line in maps.read_text().splitlines() if "/" in line)
    except OSError:  # not Linux
        paths = frozenset()
    return Loaded(frozenset(name for name, module in modules.items() if module is not None), paths)


def remote_imports(modules: Mapping[str, ModuleType | None]) -> frozenset[str]:
    """What the code imports that came with a model (`trust_remote_code=True`)."""
    found: set[str] = set()
    for name, module in modules.items():
        file = getattr(module, "__file__", None)
        if not name.startswith(_REMOTE) or not file:
            continue
        try:
            tree = ast.parse(Path(file).read_text("utf-8"))
        except (OSError, SyntaxError, ValueError):
            continue
        for node in imports_in(tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif not node.level and node.module:
                found.add(node.module)
    return frozenset(name for name in found if name.split(".")[0] in modules)


def never_imported(
    pinned: Collection[str],
    known: Mapping[str, Installed],
    asked: Iterable[Asked],
    *,
    loaded: Loaded | None,
    elsewhere: Collection[str] = (),
) -> tuple[tuple[str, ...], list[Finding]]:
    """The names to pin beside `pinned`, and what there is to say.

    Believed is what was loaded and is an option of something pinned, or was asked for by an install line; without
    `loaded` (nothing ran here) what an install line asked for, where it is such an option or a known helper.
    `elsewhere` are top modules that the notebook imports beside the worker.
    """
    there = frozenset(closure(pinned, known))
    helpers = HELPERS if _FRAMEWORKS & {*there, *pinned} else frozenset()
    options = {option for key in there for option in optional(known[key])} | helpers
    wanted = {one.key for one in asked if one.key not in there}
    notebook = frozenset(closure(_NOTEBOOK, known))
    named = (options & known.keys()) | wanted
    candidates = sorted(key for key in named - there - notebook if key != "runpod")
    if loaded is None:
        return tuple(key for key in candidates if key in wanted and key in options), []
    used = {key for key in candidates if key in known and loaded.has(known[key])}
    others = {key for key in used - helpers if known[key].modules & set(elsewhere)}
    taken = tuple(sorted(used - others))
    left = [key for key in sorted(wanted & helpers) if key in known and key not in used]
    if not left:
        return taken, []
    message = f"{', '.join(left)}: installed by the notebook, and nothing that ran here loaded it: left out"
    return taken, [Finding("RPX214", "note", message, "import it in the handler's code if a job may need it")]


@lru_cache(maxsize=4096)
def optional(one: Installed) -> frozenset[str]:
    """The canonical names of what a distribution can use: what its extras require, but for those of its workshop."""
    return frozenset(_optional(one))


def _optional(one: Installed) -> Iterator[str]:
    for line in one.requires:
        if "extra" not in line:
            continue
        try:
            need = Requirement(line)
        except InvalidRequirement:
            continue
        extras = re.findall(r"extra\s*==\s*[\"']([^\"']+)[\"']", str(need.marker))
        if any(not _WORKSHOP.match(extra.lower()) for extra in extras):
            yield str(canonicalize_name(need.name))
