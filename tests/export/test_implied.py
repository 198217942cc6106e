"""Operators, attributes, loops and `with` run methods of the notebook's own classes: what these change is exported."""

from __future__ import annotations

import sys
import types

import pytest

from rp_notebook.export.cells import CellRun
from rp_notebook.export.slicing import slice_cells
from rp_notebook.jobs.declaration import Declaration
from tests.export.test_fuzz import exported, plain_answer

CASES = {
    "matmul_user": (
        [
            "class L:\n    def __init__(s): s.k=[]\n    def __matmul__(s,o):\n        s.k.append(o)\n        return s",
            "a=L()",
            "a @ 3",
        ],
        "[x,a.k]",
    ),
    "imatmul": (
        [
            "class L:\n    def __imatmul__(s,o):\n        o.append(1)\n        return s",
            "b=[0]",
            "a=L()",
            "a @= b",
        ],
        "[x,b]",
    ),
    "iadd_other": (
        ["class L:\n    def __iadd__(s,o):\n        o.append(1)\n        return s", "b=[0]", "a=L()", "a += b"],
        "[x,b]",
    ),
    "lshift": (
        [
            "class P:\n    st=[]\n    def __lshift__(s,o):\n        s.st.append(o)\n        return s",
            "p=P()",
            "p << 1 << 2",
        ],
        "[x,p.st]",
    ),
    "rshift_other": (
        [
            "class T:\n    def __init__(s): s.d=[]\n    def __rshift__(s,o):\n        o.d.append(s)\n        return o",
            "a=T()",
            "b=T()",
            "a >> b",
        ],
        "[x,len(b.d)]",
    ),
    "method_sets_other": (
        ["class A: pass", "class M:\n    def apply(s,o):\n        o.k = 5", "a=A()", "a.k=1", "M().apply(a)"],
        "[x,a.k]",
    ),
    "method_sets_attr_of_self_obj": (
        [
            "class A: pass",
            "a=A()\na.k=1",
            "class M:\n    def __init__(s,o): s.o=o\n    def go(s): s.o.k=7",
            "m=M(a)",
            "m.go()",
        ],
        "[x,a.k]",
    ),
    "descriptor": (
        [
            "log=[]",
            "class D:\n    def __set__(s,i,v):\n        log.append(v)\n    def __get__(s,i,t=None): return 1",
            "class C:\n    d=D()",
            "c=C()",
            "c.d=3",
        ],
        "[x,log]",
    ),
    "property_set": (
        [
            "log=[]",
            "class C:\n    @property\n    def p(s): return 1\n    @p.setter\n    def p(s,v): log.append(v)",
            "c=C()",
            "c.p=3",
        ],
        "[x,log]",
    ),
    "property_get": (
        ["log=[]", "class C:\n    @property\n    def p(s):\n        log.append(1)\n        return 1", "c=C()", "v=c.p"],
        "[x,log]",
    ),
    "setattr_magic": (["log=[]", "class C:\n    def __setattr__(s,k,v): log.append(k)", "c=C()", "c.p=3"], "[x,log]"),
    "getitem_effect": (
        ["log=[]", "class C:\n    def __getitem__(s,k):\n        log.append(k)\n        return k", "c=C()", "c[3]"],
        "[x,log]",
    ),
    "setitem_effect": (["log=[]", "class C:\n    def __setitem__(s,k,v): log.append(k)", "c=C()", "c[3]=1"], "[x,log]"),
    "delitem_effect": (["log=[]", "class C:\n    def __delitem__(s,k): log.append(k)", "c=C()", "del c[3]"], "[x,log]"),
    "with_effect": (
        [
            "log=[]",
            "class C:\n    def __enter__(s):\n        log.append(1)\n    def __exit__(s,*a): log.append(2)",
            "with C():\n    pass",
        ],
        "[x,log]",
    ),
    "cm_gen": (
        [
            "from contextlib import contextmanager",
            "log=[]",
            "@contextmanager\ndef cm():\n    log.append(1)\n    yield\n    log.append(2)",
            "with cm():\n    z=1",
        ],
        "[x,log]",
    ),
    "iter_effect": (
        [
            "log=[]",
            "class C:\n    def __iter__(s):\n        log.append(1)\n        return iter([1])",
            "for q in C():\n    pass",
        ],
        "[x,log]",
    ),
    "call_effect": (["log=[]", "class C:\n    def __call__(s,v): log.append(v)", "c=C()", "c(3)"], "[x,log]"),
    "eq_eff": (
        ["log=[]", "class C:\n    def __eq__(s,o):\n        log.append(1)\n        return True", "C()==1"],
        "[x,log]",
    ),
    "contains": (
        ["log=[]", "class C:\n    def __contains__(s,o):\n        log.append(1)\n        return True", "1 in C()"],
        "[x,log]",
    ),
    "bool": (
        ["log=[]", "class C:\n    def __bool__(s):\n        log.append(1)\n        return True", "if C():\n    pass"],
        "[x,log]",
    ),
    "repr_fstr": (
        ["log=[]", "class C:\n    def __str__(s):\n        log.append(1)\n        return 'c'", "s=f'{C()}'"],
        "[x,log]",
    ),
    "getattr_magic": (
        ["log=[]", "class C:\n    def __getattr__(s,k):\n        log.append(k)\n        return 1", "C().zz"],
        "[x,log]",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_method_does_that_no_call_names_is_exported(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "runpod", types.ModuleType("runpod"))
    made, answer = CASES[name]
    cells = [*made, f"def handler(job):\n    x = job['x']\n    return {answer}"]
    space: dict = {"__name__": "handler"}
    exec(exported(cells), space)
    assert space["handler"]({"x": 5}) == plain_answer(cells)


@pytest.mark.parametrize("nested", ["f(" * 40 + "a" + ")" * 40, "a" + " + a" * 80, "a" + ".b[0]" * 40])
def test_an_expression_is_read_once_however_deep_it_is(nested):
    methods = "".join(
        f"    def {name}(self, *given):\n        return self\n"
        for name in ("__iter__", "__add__", "__radd__", "__getitem__", "__getattr__", "__eq__")
    )
    texts = [f"class C:\n{methods}a = C()\ndef f(v):\n    return v", f"v = {nested}", "def handler(job):\n    return v"]
    cells = [CellRun(n, text) for n, text in enumerate(texts, start=1)]
    assert slice_cells(cells, Declaration("handler", "handler")).kept[-2].text == texts[1]
