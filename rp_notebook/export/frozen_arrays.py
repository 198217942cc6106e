"""The files for arrays, tensors and tables: `.npz`, `.safetensors`, parquet or JSON, whichever can hold them."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# What the libraries raise for a value that a format cannot hold.
FORMAT_ERRORS = (ValueError, TypeError, RuntimeError, KeyError, AttributeError, OverflowError, ImportError, OSError)


@dataclass(frozen=True)
class Form:
    """How to write a value: `file` with `body()`, which takes some `bytes_needed`, and `text` that reads it back."""

    file: str
    text: str
    imports: Mapping[str, str]
    body: Callable[[], bytes]
    bytes_needed: int


def written(value: Any, stem: str) -> Form | None:
    """The form for a value of numpy, torch or pandas, or a dict or list of arrays; None for any other.

    `stem` is the file's name without its ending. Nothing is imported that the value's own process has not imported.
    """
    numpy, torch, pandas = (sys.modules.get(name) for name in ("numpy", "torch", "pandas"))
    if torch is not None and _holds(value, (torch.Tensor,)):
        return _tensors(value, stem, torch)
    if numpy is not None and _holds(value, (numpy.ndarray,)) and type(value) is not numpy.ndarray:
        return _many_arrays(value, stem, numpy)
    if numpy is not None and (type(value) is numpy.ndarray or isinstance(value, numpy.generic)):
        rest = "" if isinstance(value, numpy.ndarray) else "[()]"
        return _npz({"value": value}, stem, f'["value"]{rest}', numpy)
    if pandas is not None and type(value) in (pandas.DataFrame, pandas.Series):
        return _table(value, stem)
    return None


def listed(value: Any) -> Any:
    """The texts of arrays and tables as lists; any other value as it is."""
    numpy, pandas = (sys.modules.get(name) for name in ("numpy", "pandas"))
    if pandas is not None and isinstance(value, pandas.DataFrame):
        return {str(name): value[name].astype(object).tolist() for name in value.columns if value.columns.is_unique}
    if pandas is not None and isinstance(value, pandas.Series):
        return [str(value.name), *value.astype(object).tolist()]
    if numpy is not None and isinstance(value, numpy.ndarray):
        return value.tolist() if value.dtype.kind in "OUSV" else []
    if isinstance(value, dict):
        return {key: listed(item) for key, item in value.items()}
    return [listed(item) for item in value] if isinstance(value, list | tuple) else value


def _holds(value: Any, kinds: tuple[type, ...]) -> bool:
    """Whether a value is one of these, or a dict by text, a list or a tuple of nothing else."""
    if type(value) in kinds:
        return True
    if type(value).__qualname__ in ("dict", "OrderedDict"):
        return bool(value) and all(type(k) is str and type(v) in kinds for k, v in value.items())
    return type(value) in (list, tuple) and bool(value) and all(type(item) in kinds for item in value)


def _many_arrays(value: Any, stem: str, numpy: Any) -> Form:
    match value:
        case dict():
            return _npz(value, stem, "", numpy, "dict" if type(value) is dict else "$OrderedDict")
        case list():
            form = "[*{}.values()]"
        case _:
            form = "(*{}.values(),)"
    named = {f"part_{number:06}": item for number, item in enumerate(value)}
    found = _npz(named, stem, "", numpy)
    return Form(found.file, form.format(found.text), found.imports, found.body, found.bytes_needed)


def _npz(arrays: Mapping[str, Any], stem: str, rest: str, numpy: Any, wrap: str = "") -> Form:
    def body() -> bytes:
        if any(array.dtype.hasobject for array in arrays.values()):
            raise ValueError("an array of Python objects has no form but a pickle")
        out = io.BytesIO()
        numpy.savez(out, **arrays)
        return out.getvalue()

    read = f'$np.load($Path(__file__).parent / "{stem}.npz", allow_pickle=False){rest}'
    imports = {"np": "import numpy as np"}
    if wrap == "$OrderedDict":
        imports["OrderedDict"] = "from collections import OrderedDict"
    size = sum(array.nbytes for array in arrays.values())
    return Form(f"{stem}.npz", f"{wrap}({read})" if wrap else read, imports, body, size)


def state(tensors: Mapping[str, Any], stem: str) -> Form:
    """The form for the weights of a torch module, read back as a dict in the file's own order."""

    def body() -> bytes:
        from safetensors.torch import save

        return bytes(save({key: tensor.contiguous() for key, tensor in tensors.items()}))

    read = f'$load_file($Path(__file__).parent / "{stem}.safetensors")'
    imports = {"load_file": "from safetensors.torch import load_file"}
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    return Form(f"{stem}.safetensors", read, imports, body, size)


def _tensors(value: Any, stem: str, torch: Any) -> Form:
    is_one = isinstance(value, torch.Tensor)
    if isinstance(value, dict):
        named = dict(value)
    else:
        named = {f"part_{number:06}": item for number, item in enumerate([value] if is_one else value)}
    devices = {str(tensor.device) for tensor in named.values()}
    device = devices.pop() if len(devices) == 1 else ""

    def body() -> bytes:
        if not device:
            raise ValueError("its tensors are on several devices")
        if any(tensor.grad_fn is not None for tensor in named.values()):
            raise ValueError("it is part of a graph of gradients: detach() it")
        from safetensors.torch import save

        return bytes(save({key: tensor.detach().contiguous() for key, tensor in named.items()}))

    where = "" if device == "cpu" else f', device="{device}"'
    read = f'$load_file($Path(__file__).parent / "{stem}.safetensors"{where})'
    wanted = {tensor.requires_grad for tensor in named.values()}
    grad = ".requires_grad_()" if wanted == {True} else ""
    found = f"found[key]{grad}"
    keys = ", ".join(map(repr, named))
    imports = {"load_file": "from safetensors.torch import load_file"}
    if is_one:
        text = f'{read}["part_000000"]{grad}'
    elif isinstance(value, dict):
        text = f"{{key: {found} for found in [{read}] for key in [{keys}]}}"  # the file has an order of its own
        if type(value) is not dict:
            text = f"$OrderedDict({text})"
            imports["OrderedDict"] = "from collections import OrderedDict"
    else:
        text = f"[{found} for found in [{read}] for key in sorted(found)]"
        text = text if isinstance(value, list) else f"tuple({text})"
    size = sum(tensor.numel() * tensor.element_size() for tensor in named.values())
    return Form(f"{stem}.safetensors", text, imports, body, size)


def _table(value: Any, stem: str) -> Form:
    size = int(value.memory_usage(deep=True) if value.ndim == 1 else value.memory_usage(deep=True).sum())
    imports = {"pd": "import pandas as pd"}
    if value.ndim == 2 and importlib.util.find_spec("pyarrow") is not None:

        def parquet() -> bytes:
            out = io.BytesIO()
            value.to_parquet(out, engine="pyarrow")
            return out.getvalue()

        read = f'$pd.read_parquet($Path(__file__).parent / "{stem}.parquet")'
        return Form(f"{stem}.parquet", read, imports, parquet, size)
    return _json_table(value, stem, size, {**imports, "json": "import json"})


def _json_table(value: Any, stem: str, size: int, imports: Mapping[str, str]) -> Form:
    index = value.index.tolist()
    if value.ndim == 2:
        said = {"data": value.to_dict("split")["data"], "index": index, "columns": value.columns.tolist()}
        kinds = "{" + ", ".join(f"{name!r}: {str(value[name].dtype)!r}" for name in value.columns) + "}"
        kind = "DataFrame"
    else:
        said = {"data": value.tolist(), "index": index, "name": value.name}
        kinds, kind = repr(str(value.dtype)), "Series"
    axis = f".rename_axis({value.index.name!r})" if isinstance(value.index.name, str) else ""
    read = f'$json.loads(($Path(__file__).parent / "{stem}.json").read_text(encoding="utf-8"))'
    text = f"$pd.{kind}(**{read}).astype({kinds}){axis}"
    return Form(f"{stem}.json", text, imports, lambda: (json.dumps(said) + "\n").encode(), size)
