"""`%runpod unload` in a real shell."""

from __future__ import annotations

import gc
import weakref

import pytest

from tests.kernel.conftest import Cell

MODEL = """class Model:
    def __init__(self):
        self.weights = bytearray(80_000_000)
    def __call__(self, x):
        return x * 2
"""
HANDLER = "%%runpod_handler\ndef handler(job):\n    return model(job['input']['x'])"


@pytest.fixture
def model(cell: Cell) -> weakref.ref:
    cell(MODEL)
    cell("model = Model()\nmodel.weights[:] = b'1' * len(model.weights)")
    cell(HANDLER)
    cell('%runpod job {"x": 2}')
    return weakref.ref(cell("get_ipython()").result.user_ns["model"])


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "model",
        "model\n",
        "same = model",
        "_ = model",
        "def lost():\n    mine = model\n    1 / 0\nlost()",
        "print(_)",
    ],
)
def test_a_model_goes_with_all_that_ipython_keeps_of_it_and_its_memory_comes_back(cell, model, kept) -> None:
    cell(kept)
    said = repr(cell("%runpod unload model").result)
    assert model() is None
    assert "model: gone; In[3] makes it again" in said
    assert "MB of RAM came back" in said
    assert said.startswith("UNLOADED")


def test_its_memory_comes_back_also_where_it_lay_between_other_things(cell) -> None:
    cell("blocks = [bytearray(100_000) for _ in range(1000)]\nbehind = bytearray(100_000)\ndel blocks")
    cell(MODEL)
    cell("model = Model()\nmodel.weights[:] = b'1' * len(model.weights)")
    assert "MB of RAM came back" in repr(cell("%runpod unload model").result)


@pytest.mark.parametrize(
    ("kept", "holder"),
    [
        ("pool = {'a': [model]}", "pool"),
        ("def hook(x, m=model):\n    return m", "hook"),
        ("class Service:\n    shared = model", "Service"),
        ("def outer(m):\n    return lambda: m\nlook = outer(model)", "look"),
    ],
)
def test_who_holds_it_is_named(cell, model, kept, holder) -> None:
    cell(kept)
    said = repr(cell("%runpod unload model").result)
    assert model() is not None
    assert said.startswith("HELD")
    assert f"model: still held by {holder};" in said
    cell(f"%runpod unload {holder}")
    gc.collect()
    assert model() is None


def test_the_export_is_the_same_after_it(cell, model, tmp_path) -> None:
    cell(f"%runpod export {tmp_path / 'before'}")
    cell("%runpod unload model")
    cell(f"%runpod export {tmp_path / 'after'}")
    assert (tmp_path / "after/handler.py").read_bytes() == (tmp_path / "before/handler.py").read_bytes()


def test_a_number_is_forgotten_under_its_name_alone(cell: Cell) -> None:
    cell("a = 1\nb = 1")
    assert "a: gone; In[2] makes it again" in repr(cell("%runpod unload a").result)
    names = cell("get_ipython()").result.user_ns
    assert "a" not in names
    assert names["b"] == 1


def test_a_name_that_is_not_there_costs_nothing(cell, model, capsys) -> None:
    cell("%runpod unload model modell")
    assert "there is no variable 'modell'; did you mean 'model'?" in capsys.readouterr().err
    assert model() is not None
