"""Names of comprehensions are theirs alone, on every Python."""

from __future__ import annotations

import ast

import pytest

from rp_notebook.export.names import names_of


@pytest.mark.parametrize(
    ("text", "uses", "defs"),
    [
        ("a = [x for x in xs]", {"xs"}, {"a"}),
        ("a = {v: k for k, v in enumerate(xs)}", {"xs", "enumerate"}, {"a"}),
        ("a = [x for x in xs] + [x]", {"xs", "x"}, {"a"}),
        ("a = [x for x in x]", {"x"}, {"a"}),
        ("x = 1; a = [x for x in xs]", {"xs"}, {"x", "a"}),
        ("a = [y for x in xs for y in x]", {"xs"}, {"a"}),
        ("a = [(y := x) for x in xs]", {"xs"}, {"a", "y"}),
        ("a = [f(x) for x in xs if g(x)]", {"f", "g", "xs"}, {"a"}),
        ("for x in [y for y in ys]:\n    z = [x for y in ys]", {"ys"}, {"x", "z"}),
    ],
)
def test_what_a_comprehension_binds_stays_inside(text: str, uses: set[str], defs: set[str]) -> None:
    found = [names_of(node) for node in ast.parse(text).body]
    assert set().union(*(names.uses for names in found)) - set().union(*(n.defs for n in found[:-1])) == uses
    assert set().union(*(names.defs | names.maydefs for names in found)) == defs
