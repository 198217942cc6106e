"""Marks of values: equal in two processes when the values are, different when they are not."""

from __future__ import annotations

import copy
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from rp_notebook.proof.fingerprint import fingerprint, fingerprints


class Box:
    def __init__(self, v, other=None):
        self.v, self.other = v, other


def looped():
    box = Box(1)
    box.other = box
    return box


VALUES = {
    "numbers": [1, 1.0, True, -0.0, 0.0, math.inf, 1 + 2j],
    "texts": ["a", b"a", "\ud800", ""],
    "containers": [[1, 2], (1, 2), {1, 2}, {1: 2}, {2: 1}, [[1], 2], [1, [2]], {"a": 1, "b": 2}, {"b": 2, "a": 1}],
    "arrays": [np.arange(4), np.arange(4.0), np.arange(4).reshape(2, 2), np.array(["a"]), np.array([None])],
    "tensors": [torch.arange(4), torch.arange(4.0), torch.arange(4.0, dtype=torch.bfloat16), torch.nn.Linear(1, 2)],
    "frames": [pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1.0]}), pd.DataFrame({"b": [1]}), pd.Series([1])],
    "objects": [Box(1), Box(2), Box(1, Box(2)), Box(1, Box(3)), looped()],
}  # fmt: skip


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_equal_values_have_equal_marks_and_others_do_not(values):
    assert [fingerprint(copy.deepcopy(value)) for value in values] == [fingerprint(value) for value in values]
    assert len({fingerprint(value) for value in values}) == len(values)


def test_a_mark_is_the_same_in_another_process():
    code = "from rp_notebook.proof.fingerprint import fingerprint; print(fingerprint({'b', 'a', ('c', 1.5)}).hash)"
    environments = [{"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)} for seed in ("1", "2")]
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=e) for e in environments]
    seen = {run.stdout.decode() for run in runs}
    assert seen == {fingerprint({"b", "a", ("c", 1.5)}).hash + "\n"}


def test_only_data_is_marked():
    assert [*fingerprints({"np": np, "f": copy.copy, "Box": Box, "x": 1, "__name__": "m"})] == ["x"]


def test_a_large_value_is_looked_at_in_part():
    large = np.zeros(3_000_000)
    assert fingerprint(large) == fingerprint(large.copy())
    assert fingerprint(large).size == "(3000000,) float64"
