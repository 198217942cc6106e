"""What a statement reads of others, by the order in which its parts are evaluated."""

from __future__ import annotations

import ast

import pytest

from rp_notebook.export.names import names_of


@pytest.mark.parametrize(
    ("text", "uses", "defs"),
    [
        ("x = [m.group() for p in q if (m := f(p))]", {"q", "f"}, {"x"}),
        ("x = [x for x in y]", {"y"}, {"x"}),
        ("x = [x for x in x]", {"x"}, {"x"}),
        ("x = (m := f()) + m", {"f"}, {"x", "m"}),
        ("x = m + (m := f())", {"f", "m"}, {"x", "m"}),
        ("x = {k: (v := k) for k in y}, v", {"y", "v"}, {"x"}),
        ("x = a and (m := f()) and m.z", {"a", "f"}, {"x", "m"}),
        ("x = ((m := f()) if a else b), m", {"a", "b", "f", "m"}, {"x"}),
        ("x[(i := 0)] = i", {"x", "i"}, {"i"}),
        ("x += (y := 2)", {"x"}, {"x"}),
        ("with f() as g, h(g) as k:\n    x = k", {"f", "h"}, {"g", "k", "x"}),
        ("if (m := f()) and m.z:\n    y = m", {"f"}, set()),
        ("while m := f():\n    y = m", {"f"}, set()),
        ("match (m := f()):\n    case [a, b]:\n        y = a + m", {"f"}, set()),
        ("class A:\n    def f(self, b=A): ...", {"A"}, {"A"}),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(sorted(value)),
)
def test_what_is_bound_before_it_is_read_is_asked_of_nobody(text, uses, defs):
    names = names_of(ast.parse(text).body[0], text=text)
    assert names.uses == uses
    assert defs <= names.defs | names.maydefs


def test_annotations_that_are_not_evaluated_read_nothing():
    text = "class Node:\n    kids: list[Node]\n    def add(self, other: Node) -> Node: ..."
    assert "Node" not in names_of(ast.parse(text).body[0], future=True, text=text).uses
    assert "Node" in names_of(ast.parse(text).body[0], text=text).uses
