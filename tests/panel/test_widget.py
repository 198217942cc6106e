"""The module of the panel: small, and alone."""

from __future__ import annotations

from pathlib import Path

from rp_notebook import panel

MODULE = (Path(panel.__file__).parent / "panel.js").read_text()


def test_it_is_small_and_loads_nothing_from_a_network() -> None:
    assert len(MODULE.encode()) < 60_000
    assert not [word for word in ("import(", "fetch(", "XMLHttpRequest", "https://", "<script") if word in MODULE]
    assert MODULE.count("http://") == MODULE.count("http://www.w3.org/2000/svg")
