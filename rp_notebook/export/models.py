"""The models and data sets that a module loads by name: which, in which revision, and how large they are on disk."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rp_notebook.export.givings import imports_of, spelled_path
from rp_notebook.export.model_cache import in_cache
from rp_notebook.export.trees import tree_of, walk

# Where the name stands in the calls that load by name: the keyword, and what kind of thing it is.
_LOADERS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("from_pretrained", "from_single_file"), ("pretrained_model_name_or_path", "model")),
    **dict.fromkeys(("SentenceTransformer", "CrossEncoder", "SparseEncoder"), ("model_name_or_path", "model")),
    **dict.fromkeys(("hf_hub_download", "snapshot_download"), ("repo_id", "model")),
    **dict.fromkeys(("WhisperModel", "load_model"), ("model_size_or_path", "model")),
    **dict.fromkeys(("load_lora_weights", "load_textual_inversion", "load_ip_adapter"), ("name", "model")),
    **dict.fromkeys(("LLM", "AsyncEngineArgs", "EngineArgs", "InferenceClient"), ("model", "model")),
    "pipeline": ("model", "model"),
    "load_dataset": ("path", "dataset"),
    "create_model": ("model_name", "timm"),
    "create_model_and_transforms": ("model_name", "open_clip"),
}
# Libraries that look for a name without an owner on the Hub; another one's `from_pretrained("b0")` is its own business.
_HUB = ("transformers", "diffusers", "sentence_transformers", "optimum", "peft", "adapters", "unsloth")
_NOT_FIRST = {"pipeline": 1}
# Packages that these options use and no code imports.
_OPTIONS = {
    **dict.fromkeys(("device_map", "max_memory", "low_cpu_mem_usage"), "accelerate"),
    **dict.fromkeys(("load_in_8bit", "load_in_4bit"), "bitsandbytes"),
    "gguf_file": "gguf",
}
_CALLS = {
    "BitsAndBytesConfig": "bitsandbytes",
    "load_lora_weights": "peft",
    "enable_model_cpu_offload": "accelerate",
    "enable_sequential_cpu_offload": "accelerate",
    "enable_xformers_memory_efficient_attention": "xformers",
}


@dataclass(frozen=True)
class Model:
    """Something that is loaded by name in a line of the module; `size` is in bytes, None where it is not cached.

    `revision` is the commit that is cached, `ref` the name of the revision that the module asks for (None: "main");
    `files` are those of it that are cached: loaders fetch what they need.
    """

    id: str
    loader: str
    kind: str = "model"
    line: int = 0
    revision: str | None = None
    size: int | None = None
    ref: str | None = field(default=None, compare=False)
    files: tuple[str, ...] = field(default=(), compare=False)


def models_of(module: str, values: Mapping[str, Any], cache: Path | None) -> tuple[Model, ...]:
    """What a module loads by name, in the order of its text.

    A name that is no literal is looked up among the module's constants, then among the kernel's `values`. `cache` is
    the folder of the Hugging Face cache.
    """
    tree = tree_of(module)
    known = _Known(tree, values)
    found: dict[tuple[str, str, str | None], Model] = {}
    for call in _calls(tree):
        for name, loader, kind in _loaded(call, known):
            if not _is_id(name, kind):
                continue
            wanted = known.text(_argument(call, "revision", None))
            there = in_cache(name, kind, loader, wanted, cache)
            if there.size is None and "/" not in name and _is_of_another(call, known):
                continue
            revision = there.commit or wanted
            model = Model(name, loader, kind, call.lineno, revision, there.size, wanted, there.files)
            found.setdefault((name, kind, wanted), model)
    return tuple(found.values())


def packages_behind(module: str) -> tuple[str, ...]:
    """Packages that a module needs and does not import: `device_map="auto"` needs accelerate."""
    tree = tree_of(module)
    imports = imports_of(iter([tree]))
    found: set[str] = set()
    for call in _calls(tree):
        path = spelled_path(call.func, imports)
        leaf = path.rsplit(".", 1)[-1]
        found |= {_CALLS[leaf]} if leaf in _CALLS else set()
        found |= {"pyarrow"} if path == "pandas.read_parquet" else set()
        if leaf in _LOADERS or leaf == "from_config":
            found |= {_OPTIONS[k.arg] for k in call.keywords if k.arg in _OPTIONS and not _is_false(k.value)}
            flash = _argument(call, "attn_implementation", None)
            found |= {"flash-attn"} if isinstance(flash, ast.Constant) and flash.value == "flash_attention_2" else set()
        if leaf == "load" and path.startswith("spacy") and call.args:
            name = call.args[0].value if isinstance(call.args[0], ast.Constant) else None
            found |= {name} if isinstance(name, str) and _is_package(name) else set()
    return tuple(sorted(found))


def cache_folder(environment: Mapping[str, str]) -> Path:
    """The folder of the Hugging Face cache, by the variables that `huggingface_hub` reads."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if environment.get(name):
            return Path(environment[name]).expanduser()
    home = environment.get("XDG_CACHE_HOME") or str(Path(environment.get("HOME", "~")) / ".cache")
    return Path(environment.get("HF_HOME") or Path(home) / "huggingface").expanduser() / "hub"


class _Known:
    """What the names of a module stand for, as far as its text or the kernel tells."""

    def __init__(self, tree: ast.Module, values: Mapping[str, Any]) -> None:
        self.imports = imports_of(iter([tree]))
        self.modules = {path.partition(".")[0] for path in self.imports.values()}
        self._values = values
        self._texts: dict[str, ast.expr] = {}
        for node in walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self._texts[node.targets[0].id] = node.value
            elif isinstance(node, ast.arguments):
                plain = [*node.posonlyargs, *node.args]
                self._texts |= {
                    a.arg: d for a, d in zip(plain[len(plain) - len(node.defaults) :], node.defaults, strict=True)
                }

    def text(self, node: ast.expr | None, depth: int = 8) -> str | None:
        """The text that an expression is, None where that cannot be told."""
        value = self._value(node, depth) if node is not None else None
        return value if isinstance(value, str) else None

    def _value(self, node: ast.expr, depth: int) -> Any:
        if depth == 0:
            return None
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name) if name in self._texts:
                told = self._value(self._texts[name], depth - 1)
                return told if told is not None else self._values.get(name)
            case ast.Name(id=name):
                return self._values.get(name)
            case ast.JoinedStr(values=parts):
                texts = [self.text(p.value if isinstance(p, ast.FormattedValue) else p, depth - 1) for p in parts]
                return None if None in texts else "".join(t for t in texts if t is not None)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                one, other = self.text(left, depth - 1), self.text(right, depth - 1)
                return None if one is None or other is None else one + other
            case ast.Call(args=[_, default]) if spelled_path(node.func, self.imports) in (
                "os.getenv",
                "os.environ.get",
            ):
                return self._value(default, depth - 1)
            case ast.Subscript(value=owner, slice=index):
                return self._item(self._shown(owner, depth), self._value(index, depth - 1), depth)
            case ast.Attribute(value=owner, attr=name):
                return _attribute(self._value(owner, depth - 1), name)
        return None

    def _shown(self, node: ast.expr, depth: int) -> Any:
        shown = self._texts.get(node.id) if isinstance(node, ast.Name) else node
        return shown if isinstance(shown, ast.Dict | ast.List | ast.Tuple) else self._value(node, depth - 1)

    def _item(self, owner: Any, index: Any, depth: int) -> Any:
        match owner:
            case ast.Dict(keys=keys, values=values):
                pairs = zip(keys, values, strict=True)
                found = [v for k, v in pairs if isinstance(k, ast.Constant) and k.value == index]
                return self._value(found[-1], depth - 1) if found else None
            case ast.List(elts=items) | ast.Tuple(elts=items) if isinstance(index, int) and index < len(items):
                return self._value(items[index], depth - 1)
            case dict():
                return owner.get(index)
            case list() | tuple() if isinstance(index, int) and index < len(owner):
                return owner[index]
        return None


def _attribute(owner: Any, name: str) -> Any:
    # Only what lies in the object itself: a property would run somebody's code.
    for holder in (owner, type(owner)) if owner is not None else ():
        value = getattr(holder, "__dict__", {}).get(name)
        if isinstance(value, str | dict):
            return value
    return None


def _loaded(call: ast.Call, known: _Known) -> Iterator[tuple[str, str, str]]:
    path = spelled_path(call.func, known.imports)
    leaf = path.rsplit(".", 1)[-1]
    if path == "torch.hub.load" and call.args:
        repo, entry = known.text(call.args[0]), known.text(_argument(call, "model", 1))
        if repo:
            yield (f"{repo}:{entry}" if entry else repo), path, "torch.hub"
    elif path in ("spacy.load", "nltk.download") and call.args:
        name = known.text(call.args[0])
        if name:
            yield name, path, path.split(".")[0]
    elif leaf in ("YOLO", "RTDETR", "SAM") and call.args and (name := known.text(call.args[0])):
        yield name, path, "ultralytics"
    elif leaf in _LOADERS and not (leaf == "load_model" and path.split(".")[0] not in ("whisper", "faster_whisper")):
        keyword, kind = _LOADERS[leaf]
        name = known.text(_argument(call, keyword, _NOT_FIRST.get(leaf, 0)))
        if leaf == "from_pretrained" and name is None:
            name = known.text(call.args[0] if call.args else _argument(call, "model_id", None))
        if name:
            yield name, _short(path), kind


def _is_of_another(call: ast.Call, known: _Known) -> bool:
    """Whether the `from_pretrained` of an imported library is called that has nothing to do with the Hub."""
    first, _, rest = spelled_path(call.func, known.imports).partition(".")
    return first in known.modules and first not in _HUB and rest.endswith(("from_pretrained", "from_single_file"))


def _short(path: str) -> str:
    return ".".join(path.split(".")[-2:]) if path.endswith(("from_pretrained", "from_single_file")) else path


def _argument(call: ast.Call, keyword: str, place: int | None) -> ast.expr | None:
    named = next((k.value for k in call.keywords if k.arg == keyword), None)
    if named is not None or place is None:
        return named
    return call.args[place] if len(call.args) > place else None


def _calls(tree: ast.AST) -> Sequence[ast.Call]:
    calls = [node for node in walk(tree) if isinstance(node, ast.Call)]
    return sorted(calls, key=lambda call: (call.lineno, call.col_offset))


def _is_id(name: str, kind: str) -> bool:
    # A path of this machine is a file, and not a name that somebody else could load by.
    is_path = name.startswith(("/", "./", "../", "~")) or "\\" in name
    return bool(name) and not is_path and (kind != "model" or name.count("/") <= 1)


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not node.value


def _is_package(name: str) -> bool:
    return name.replace("_", "").isalnum() and "_" in name
