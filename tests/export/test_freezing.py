"""Values as literals and files: what comes back is the value itself, or nothing is written."""

from __future__ import annotations

import math
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rp_notebook.export.freezing import INLINE_CHARS, CannotFreeze, frozen
from rp_notebook.export.sameness import same

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text() | st.binary(max_size=20)
)
HASHED = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(HASHED, inner, max_size=4)
        | st.sets(HASHED, max_size=3)
        | st.frozensets(HASHED, max_size=3)
    ),
    max_leaves=12,
)


def thawed(name, value, folder):
    form = frozen(name, value)
    space = {"__file__": str(folder / "handler.py")}
    for line in form.imports.values():
        exec(line, space)
    for file, body in form.files.items():
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_bytes(body)
    return eval(form.spelled({name: name for name in form.imports}), space)


@given(PLAIN)
def test_plain_data_comes_back_bit_by_bit_or_not_at_all(tmp_path_factory, value):
    try:
        found = thawed("value", value, tmp_path_factory.getbasetemp())
    except CannotFreeze:
        return
    assert same(found, value)


@given(st.lists(st.floats(allow_nan=False) | st.integers() | st.text(), max_size=5))
def test_lists_of_numbers_and_texts_are_never_refused(value):
    frozen("value", value)


def frame(**more):
    return pd.DataFrame({"k": [3, 1, 2], "v": ["c", "a", "b"], "w": [0.1, 0.2, math.pi]}, **more)


VALUES = [
    ("long list", [[n, str(n)] for n in range(2000)], ".json"),
    ("long dict by number", {n: f"class {n}" for n in range(1000)}, ".txt"),
    ("array", np.arange(12, dtype="float32").reshape(3, 4), ".npz"),
    ("fortran array", np.asfortranarray(np.random.default_rng(0).random((3, 4))), ".npz"),
    ("array with nan", np.array([1.0, np.nan, -0.0]), ".npz"),
    ("dates", np.array(["2024-01-01", "NaT"], dtype="datetime64[D]"), ".npz"),
    ("texts", np.array(["a", "bc"]), ".npz"),
    ("number of numpy", np.float32(0.1), ".npz"),
    ("empty array", np.empty((0, 3), dtype="int8"), ".npz"),
    ("arrays by name", {"w": np.ones(3), "b": np.zeros(2)}, ".npz"),
    ("list of arrays", [np.ones(n) for n in range(12)], ".npz"),
    ("tuple of arrays", (np.ones(3), np.zeros(2)), ".npz"),
    ("tensor", torch.arange(6, dtype=torch.bfloat16).reshape(2, 3), ".safetensors"),
    ("turned tensor", torch.rand(2, 3).T, ".safetensors"),
    ("learnt tensor", torch.ones(3, requires_grad=True), ".safetensors"),
    ("no dimension", torch.tensor(3), ".safetensors"),
    ("state", OrderedDict(z=torch.ones(2), a=torch.zeros(3, dtype=torch.int64)), ".safetensors"),
    ("tensors", [torch.ones(1), torch.zeros(2)], ".safetensors"),
    ("frame", frame(), ".json"),
    ("frame with index", frame(index=pd.Index(["x", "y", "z"], name="key")), ".json"),
    ("small numbers", frame().astype({"k": "int8", "w": "float32"}), ".json"),
    ("series", pd.Series([0.1, 0.2], index=["a", "b"], name="s"), ".json"),
]


@pytest.mark.parametrize(("value", "ending"), [v[1:] for v in VALUES], ids=[v[0] for v in VALUES])
def test_a_larger_value_goes_into_a_file_of_its_kind(value, ending, tmp_path):
    form = frozen("value", value)
    assert [Path(file).suffix for file in form.files] == [ending]
    assert same(thawed("value", value, tmp_path), value)
    assert frozen("value", value) == form, "the same value gives the same bytes"


class Point:
    x = 1


def twice(item):
    return [item, item]


def looped():
    found = []
    found.append(found)
    return found


REFUSED = [
    ("object", Point(), "neither as JSON"),
    ("function", twice, "neither as JSON"),
    ("list of objects", [Point()], "neither as JSON"),
    ("subclass", type("Mine", (dict,), {})(a=1), "neither as JSON"),
    ("one list in two places", twice([1]), "neither as JSON"),
    ("itself", looped(), "holds itself"),
    ("objects in an array", np.array([Point(), None]), "Python objects"),
    ("read-only array", np.broadcast_to(np.ones(2), (3, 2)), "does not come back"),
    ("graph", torch.ones(2, requires_grad=True) * 2, "detach"),
    ("objects in a frame", pd.DataFrame({"a": [Point()]}), "Point"),
    ("dates in a frame", pd.DataFrame({"a": pd.to_datetime(["2024-01-01"])}), "Timestamp"),
    ("masked", np.ma.masked_array([1, 2], [0, 1]), "neither as JSON"),
]


@pytest.mark.parametrize(("value", "why"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_what_would_not_come_back_exactly_is_refused(value, why):
    with pytest.raises(CannotFreeze, match=why):
        frozen("value", value)


def test_a_value_over_the_limit_says_how_large_it_is():
    with pytest.raises(CannotFreeze, match="1 MB") as refusal:
        frozen("value", ["x" * 100] * 20_000)
    assert refusal.value.too_large
    with pytest.raises(CannotFreeze, match="104 MB"):
        frozen("value", np.empty(13_000_000))


TOKEN = "hf_" + "canary" * 5
SECRETS = [
    ("shape", "greeting", f"Bearer {TOKEN}"),
    ("key", "settings", {"api_key": "rosebud"}),
    ("name", "password", "rosebud"),
    ("in a tuple", "settings", ([{"api_key": "rosebud"}],)),
    ("dict key", "settings", {TOKEN: 1}),
    ("bytes", "blob", f"x{TOKEN}".encode().replace(b"x", b"x ")),
    ("array", "rows", np.array(["a", TOKEN])),
    ("array of objects", "rows", np.array(["a", TOKEN], dtype=object)),
    ("frame", "rows", pd.DataFrame({"a": ["x", TOKEN]})),
    ("known", "rows", ["the secret is tulip-1234!"]),
]


@pytest.mark.parametrize(("name", "value"), [s[1:] for s in SECRETS], ids=[s[0] for s in SECRETS])
def test_a_secret_is_never_written(name, value):
    with pytest.raises(CannotFreeze, match="secret"):
        frozen(name, value, secrets=["tulip-1234"])


def test_a_small_value_stands_in_the_code_and_a_set_has_one_spelling():
    assert frozen("value", {"b", "a"}).text == "{'a', 'b'}"
    assert frozen("value", "x" * (INLINE_CHARS - 2)).files == {}
