"""A flat cell as a function: its text, its inputs, whose variables it binds, and what cannot be one."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from rp_notebook.errors import BadDeclaration
from rp_notebook.jobs.declaration import declared
from rp_notebook.jobs.flat import FlatFunction


def flat(flags: str, body: str) -> FlatFunction:
    found = declared(flags, "\n" + body).flat
    assert found is not None
    return found


def answers(flags: str, body: str, *inputs: dict[str, Any], **notebook: Any) -> list[Any]:
    """What jobs get from the text; the tree, which a kernel runs, has to give the same."""
    function = flat(flags, body)
    found = []
    for code in (function.text, function.tree):
        names = dict(notebook)
        exec(compile(code, "handler.py", "exec", dont_inherit=True), names)
        call: Any = names[function.name]
        got = [call({"input": each}) for each in inputs]
        found.append([asyncio.run(each) if inspect.isawaitable(each) else each for each in got])
    assert found[0] == found[1]
    return found[0]


def test_the_text_is_the_cells_own() -> None:
    body = (
        "# Split it.\ntokens = tokenize(prompt)  # words\n\n"
        "if steps:\n    out = run(tokens,\n        steps)\n\n{'text': out};"
    )
    assert flat("caption -i prompt -i steps=20", body).text == (
        "def caption(job):\n"
        '    job_input = job["input"]\n'
        '    if "prompt" not in job_input:\n'
        '        raise ValueError("missing input: prompt")\n'
        '    prompt = job_input["prompt"]\n'
        '    steps = job_input.get("steps", 20)\n'
        "    # Split it.\n"
        "    tokens = tokenize(prompt)  # words\n"
        "\n"
        "    if steps:\n"
        "        out = run(tokens,\n"
        "            steps)\n"
        "\n"
        "    return {'text': out}"
    )


def test_each_line_and_each_node_knows_its_place_in_the_cell() -> None:
    function = flat("-i a", "a = 1\n\nb = '''x\ny'''; c = é(a)\n(b,\n c)")
    assert function.lines == (1, 1, 1, 1, 1, 4, 5, 6, 7)
    body = function.tree.body[0].body  # type: ignore[attr-defined] # a function
    assert [(node.lineno, node.col_offset, node.end_lineno) for node in body[-3:]] == [(4, 0, 5), (5, 6, 5), (6, 0, 7)]


@pytest.mark.parametrize(
    ("flags", "given", "value"),
    [
        ("-i a=20", {}, 20),
        ("-i a=20", {"a": None}, None),
        ("-i a=7.5 --timeout 3", {}, 7.5),
        ('-i a="oil paint"', {}, "oil paint"),
        ("""-i a='{"b": 1}'""", {}, {"b": 1}),
        ('-i a={"b": 1} --refresh', {}, {"b": 1}),
        ("-i a='[draft]'", {}, "[draft]"),
        ('-i a="1.5"', {}, "1.5"),
        ("-i a=(1, 2)", {}, (1, 2)),
        ("-i a=[n * n for n in range(3)]", {}, [0, 1, 4]),
        ("-i a=-5", {}, -5),
        ("-i a=SIZE", {}, 512),
        ("-i b=2 -i a=b+1", {"b": 4}, 5),
        ("--input a=None", {}, None),
        ("'-ia={\"x\": 2}'", {}, {"x": 2}),
        ('-i a="it\'s" name', {}, "it's"),
        ("-i job=3 -i a=job", {"job": 4}, 4),
    ],
)
def test_a_default_is_python_as_it_is_typed(flags: str, given: dict[str, Any], value: Any) -> None:
    assert answers(flags, "(a, b, job)[0]" if "job" in flags else "(a, 'b')[0]", given, b=0, SIZE=512) == [value]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("[a + n for n in range(2)]", [5, 6]),
        ("(lambda: a)()", 5),
        ("def inner(k=a):\n    return a * k\ninner()", 25),
        ("class Box:\n    value = a\n    def get(self): return a + self.value\nBox().get()", 10),
        ("f'{a}'", "5"),
        ("import math as m\nfrom math import sqrt\nm.floor(sqrt(a))", 2),
        ("a = a + 1\na", 6),
        ("a += 1\na", 6),
        ("a: int = 3\nb, *c = a, a\n[a, c]", [5, [5]]),
        ("if a > 9:\n    a = 9\na", 5),
        ("text = '''one\n  two\n'''\ntext * 1 + str(a)", "one\n  two\n5"),
        ("text = f'''{a}\n\tx {a\n}'''; text", "5\n\tx 5"),
        ("x = 'a\\\nb'; x + \\\n str(a)", "ab5"),
        ("if a:\n\ty = a\n\tif y:\n\t\ty += 1\ny", 6),
        ("import asyncio\nawait asyncio.sleep(0, a)", 5),
        ("async def f(): return a\n[await f() for _ in range(1)]", [5]),
        ("b = 1; a; b + a;  # done", 6),
        ("job = inputs = job_input = a\n[job, inputs, job_input]", [5, 5, 5]),
        ("match a:\n    case 5 as five:\n        x = five\n    case _:\n        x = 0\nx", 5),
        (
            "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    said = str(error)\nsaid, a",
            ("division by zero", 5),
        ),
        ("get_ipython().run_line_magic('time', 'b = a * 2')\nb", 10),
        ("b = get_ipython().run_line_magic('time', 'a * 2')\n\nb + 1", 11),
        ("get_ipython().run_line_magic('time', 'a * 2')", 10),
    ],
)
def test_the_cell_sees_the_jobs_value_everywhere(body: str, value: Any) -> None:
    assert answers("-i a", body, {"a": 5}, a="the notebook's", k=0, job="the notebook's") == [value]


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("a = 1\na", "return a"),
        ("# try\na = 1  # this\n\n# Answer.\na", "# Answer.\n    return a"),
        ("x = '''\n# no comment'''\na = 1\n[a, x]", "x = '''\n# no comment'''\n    return [a, x]"),
        ("a: int = 1\na", "return a"),
        ("a = f(\n    1,\n)\na", "return a"),
        ("a = 1; b = 2\n[a, b]", "b = 2\n    return [a, b]"),
        ("b = 2; a = 1  # c\n[a, b]", "b = 2; # c\n    return [a, b]"),
        ("b = 2; a = '''\n'''; c = 3\n[a, b, c]", "b = 2; c = 3\n    return [a, b, c]"),
        ("a = 1\na = 2; a", "return a"),
        ("from __future__ import annotations\na", "return a"),
    ],
)
def test_what_only_tries_the_cell_is_left_out(body: str, left: str) -> None:
    text = flat("-i a", body).text
    assert text.split('job_input["a"]\n    ')[1] == left


def test_two_inputs_may_be_tried_in_one_assignment() -> None:
    assert answers("-i a -i b=2", "a, (b) = 5, 6\na + b", {"a": 1}) == [3]


@pytest.mark.parametrize(
    ("body", "shared"),
    [
        ("counter = counter + a\ncounter", {"counter"}),
        ("counter += a\ncounter", {"counter"}),
        ("for n in range(a):\n    total = total + n\ntotal", {"total"}),
        ("try:\n    pipe\nexcept NameError:\n    pipe = load(a)\npipe", {"pipe"}),
        ("def bump():\n    global total\n    total += a\ntotal = 0\nbump()\ntotal", {"total"}),
        ("global last\nlast = a\nlast", {"last"}),
        ("print(torch)\nimport torch.nn\na", {"torch"}),
        ("del big\na", set()),
        ("results.append(a)\nresults", set()),
        ("table[a] = 1\nobj.x = a\nobj", set()),
        ("n = [n for n in range(a)]\nn", set()),
        ("def f(): return later\nlater = a\nf()", set()),
        ("if a:\n    out = 1\nelse:\n    out = 2\nout", set()),
        ("for n in range(a):\n    if n:\n        n = last\n    last = n\nlast", set()),
        ("for n in a:\n    if n:\n        m = 1\n    else:\n        m = 2\n    m = m + 1\nm", set()),
        ("for n in a:\n    if n:\n        for k in n:\n            if k:\n                use(m)\n    m = n\nm", set()),
        ("while a:\n    a = step(a, m)\n    m = a\nm", {"m"}),
        ("try:\n    image = load(a)\nexcept OSError:\n    print('no')\nimage", set()),
        ("import torch.nn\ntorch.nn.f(a)", set()),
    ],
)
def test_a_name_is_the_notebooks_only_where_a_local_could_have_no_value(body: str, shared: set[str]) -> None:
    assert flat("-i a", body).shared == shared


def test_a_counter_counts_and_nothing_else_leaks() -> None:
    names: dict[str, Any] = {"counter": 1}
    exec(flat("-i a", "counter += 1\nb = a\n[counter, b]").text, names)
    assert [names["handler"]({"input": {"a": 0}}) for _ in range(2)] == [[2, 0], [3, 0]]
    assert names["counter"] == 3
    assert not {"a", "b"} & names.keys()


def test_a_default_belongs_to_one_job() -> None:
    assert answers("-i a=[]", "a.append(1)\na", {}, {}) == [[1], [1]]


def test_an_input_without_a_default_is_named_where_it_is_missing() -> None:
    with pytest.raises(ValueError, match="missing input: prompt"):
        answers("-i prompt -i steps=2", "prompt, steps", {"steps": 1})


@pytest.mark.parametrize(
    ("flags", "function", "name"),
    [("-i a", "handler", "handler"), ("say -i a", "say", "say"), ("say-it -i a", "handler", "say-it")],
)
def test_the_function_is_called_as_the_handler_where_that_is_a_name(flags: str, function: str, name: str) -> None:
    declaration = declared(flags, "a")
    assert (declaration.function, declaration.name) == (function, name)


@pytest.mark.parametrize(
    ("flags", "body", "told"),
    [
        ("-i a", "b = a", "end the cell with the expression"),
        ("-i a", "", "end the cell with the expression"),
        ("-i a", "x = 1\nreturn a", "line 3: `return` outside a function"),
        ("-i a", "for n in a:\n    yield n\na", "line 3: `yield` outside a function"),
        ("-i a", "from os import *\na", "line 2: move `from os import *`"),
        ("-i class", "a", "'class' is no variable"),
        ("-i a.b", "a", "'a.b' is no variable"),
        ("-i a,b", "a", "'a,b' is no variable"),
        ("-i a -i a=1", "a", "-i a is there twice"),
        ("-i a=", "a", "nothing is no Python value"),
        ("-i a=(1", "a", "is no Python value"),
        ("-i 'a=oil paint'", "a", 'write text as -i a="..."'),
        ("-i", "a", "expected one argument"),
        ("-i promt", "prompt", "the cell does not use promt; did you mean prompt?"),
        ("-i a=a", "a", "a has no value yet"),
        ("-i a=b -i b=1", "a, b", "b has no value yet"),
        ("-i a=size", "size = a\nsize", "size has no value yet"),
        ("-i a", "b = a = 1\nb", "line 2: the input a is overwritten"),
        ("-i a", "for a in range(3):\n    b = a\nb", "line 2: the input a is overwritten"),
        ("-i a", "a, c.d = 1, 2\na", "line 2: the input a is overwritten"),
        ("-i a", "def f():\n    global a\n    a = 1\na", "declared global"),
        ("-i a", "class C:\n    a = a\nC.a", "line 2: the class C reads `a`"),
        ("-i a", "import runpod\nrunpod.serverless.start({'handler': a})\na", "take runpod.serverless.start"),
        ("-i a", "get_ipython().run_line_magic('prun', '-l 5 f(a)')\na", "write it without the magic"),
        ("-i a", "counter: int = counter + 1\na", "annotated name 'counter' can't be global"),
    ],
)
def test_what_cannot_be_a_handler_is_refused_with_the_reason(flags: str, body: str, told: str) -> None:
    with pytest.raises(BadDeclaration) as refusal:
        declared(flags, "\n" + body)
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)
