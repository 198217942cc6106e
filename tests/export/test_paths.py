"""What names may stand for as paths, however they lead to each other."""

from __future__ import annotations

import ast
from collections import UserDict
from typing import Any

from rp_notebook.export.bindings import bound_in
from rp_notebook.export.paths import Scope


class Counted(UserDict[str, Any]):
    looks = 0

    def __getitem__(self, name: str) -> Any:
        self.looks += 1
        return super().__getitem__(name)


def test_names_that_lead_to_each_other_by_many_ways_are_followed_once() -> None:
    names = [f"p{number}" for number in range(12)]
    lines = [f"{one} = {other}\n{one} = [{other}][0]\nlast.at = {one}" for one in names for other in names]
    scope = Scope(
        Counted(bound_in(ast.parse("\n".join([*lines, "p11 = 'a/b'", "x = last.at"])).body, outermost=True)), {}
    )
    assert [text.text for text in scope.texts(ast.Name("x"))] == ["a/b"]
    assert scope.bound.looks < 10_000  # type: ignore[attr-defined] # it counts
