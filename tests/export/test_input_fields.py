"""The keys of a job's input, by every way in which real handlers read them."""

import textwrap

import pytest

from rp_notebook.export.input_fields import input_fields


def body(text: str) -> str:
    return "def handler(job):\n" + textwrap.indent(textwrap.dedent(text), "    ")


def read(module, *observed):
    """Name, required, default and kinds of each field."""
    fields = input_fields(textwrap.dedent(module), "handler", observed)
    return [(one.name, one.required, one.default, " or ".join(one.kinds)) for one in fields]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("return job['input']['a']", [("a", True, None, "")]),
        ("return job['input'].get('a', 20)", [("a", False, "20", "integer")]),
        ("return job['input'].get('a')", [("a", False, None, "")]),
        ("return job['input'].get('a', None)", [("a", False, "None", "")]),
        ("return job['input'].pop('a')", [("a", True, None, "")]),
        ("i = job['input']\nreturn i['b'] + i.get('a', [1])", [("b", True, None, ""), ("a", False, "[1]", "list")]),
        ("got = job.get('input', {})\nreturn got['a']", [("a", True, None, "")]),
        ("got = job.get('input') or {}\nreturn got['a']", [("a", True, None, "")]),
        ("got: dict = job['input']\nreturn got['a']", [("a", True, None, "")]),
        ("return (got := job['input'])['a'], got['b']", [("a", True, None, ""), ("b", True, None, "")]),
        ("event = job\ngot = event['input']\ncopy = dict(got)\nreturn copy['a']", [("a", True, None, "")]),
        ("got = job['input']\nreturn got.get('a', 1) and got['a']", [("a", True, None, "integer")]),
        ("got = job['input']\ngot['a'] = 1\nother = {}\nreturn other['b'], job['id'], got[0]", []),
        ("return int(job['input']['a'])", [("a", True, None, "integer")]),
        ("return float(job['input'].get('a', 1))", [("a", False, "1", "integer")]),
        ("a: float = job['input']['a']\nreturn a", [("a", True, None, "number")]),
        ("a: 'str | None' = job['input'].get('a')\nreturn a", [("a", False, None, "text or null")]),
        ("return job['input'].get('a') or 'x'", [("a", False, "'x'", "text")]),
        ("if 'a' in job['input']:\n    return job['input']['a']", [("a", False, None, "")]),
        ("if 'a' not in job['input']:\n    return {'error': 'a'}\nreturn job['input']['a']", [("a", True, None, "")]),
        ("match job['input']:\n    case {'a': str() as a}: return a", [("a", True, None, "text")]),
        ("match job['input']:\n  case {'a': int()}: return 1\n  case _: return 2", [("a", False, None, "integer")]),
    ],
)  # fmt: skip
def test_a_key_is_found_however_it_is_read(text, fields):
    assert read(body(text)) == fields


THROUGH = {
    "a function": """
        def generate(values, loud=False):
            return values["prompt"], values.get("steps", 20)
        def handler(job):
            return generate(job["input"])
        """,
    "the whole job": """
        def generate(event):
            got = event["input"]
            return got["prompt"], got.get("steps", 20)
        def handler(job):
            return generate(event=job)
        """,
    "its parameters": """
        def generate(prompt: str, steps: int = 20): ...
        def handler(job):
            return generate(**job["input"])
        """,
    "some of its parameters": """
        def generate(model, prompt: str, *, steps: int = 20): ...
        async def handler(job):
            return await generate(MODEL, **job["input"])
        """,
    "a data class": """
        @dataclass
        class Request:
            prompt: str
            steps: int = 20
        def handler(job):
            request = Request(**job["input"])
        """,
    "a model": """
        class Base(BaseModel):
            prompt: str
        class Request(Base):
            steps: int = Field(20, ge=1, le=50)
        def handler(job):
            request = Request.model_validate(job["input"])
        """,
    "a typed dict": """
        class Request(TypedDict):
            prompt: Required[str]
            steps: NotRequired[int]
        def handler(job):
            got: Request = job["input"]
            return got["prompt"], got.get("steps", 20)
        """,
    "an adapter": """
        class Request(BaseModel):
            prompt: str
            steps: int = 20
        def handler(job):
            return TypeAdapter(Request).validate_python(job["input"])
        """,
    "the SDK's validator": """
        SCHEMA = {"prompt": {"type": str, "required": True}, "steps": {"type": int, "required": False, "default": 20}}
        def handler(job):
            checked = validate(job["input"], SCHEMA)
            return checked["validated_input"]["prompt"]
        """,
    "hints of parameters": """
        def generate(prompt: str, steps: int): ...
        def handler(job):
            return generate(job["input"]["prompt"], steps=job["input"].get("steps", 20))
        """,
    "a function that calls itself": """
        def generate(values):
            return values["prompt"] if values.get("steps", 20) else generate(values)
        handler = lambda job: generate(job["input"])
        """,
}


@pytest.mark.parametrize("module", THROUGH.values(), ids=THROUGH)
def test_an_input_is_followed_through(module):
    fields = {name: rest for name, *rest in read(module)}
    prompt, steps = fields["prompt"], fields["steps"]
    assert set(fields) == {"prompt", "steps"}
    assert prompt[:2] == [True, None]
    assert steps[0] is False
    assert steps[1] == "20"
    assert steps[2] == "integer"


def test_limits_choices_and_descriptions_are_told():
    module = """
    class Request(BaseModel):
        steps: Annotated[int, Field(ge=1, le=50, description="How many steps.")] = 20
        size: Literal["small", "large"] = "small"
    def handler(job):
        mode = job["input"].get("mode", "fast")
        if mode not in ("fast", "good"):
            return {"error": mode}
        return Request(**job["input"])
    """
    fields = {one.name: one for one in input_fields(textwrap.dedent(module), "handler")}
    assert (fields["steps"].rule, fields["steps"].about) == (">= 1 and <= 50", "How many steps.")
    assert fields["size"].choices == ("small", "large")
    assert fields["mode"].choices == ("fast", "good")


def test_a_constraint_of_a_schema_is_told_as_it_is_written():
    module = 'S = {"n": {"type": int, "required": True, "constraints": lambda n: 0 < n < 9}}\n' + body(
        "return validate(job['input'], S)"
    )
    (field,) = input_fields(module, "handler")
    assert (field.rule, field.kinds) == ("0 < n < 9", ("integer",))


def test_jobs_tell_kinds_and_what_may_be_missing():
    module = body("got = job['input']\nreturn got['a'], got['b'], got.get('c', 1)")
    assert read(module, {"a": "x", "b": None, "more": [1]}, {"a": 2, "c": 0.5}) == [
        ("a", True, None, "text or integer"),
        ("b", False, None, "null"),
        ("c", False, "1", "integer or number"),
        ("more", False, None, "list"),
    ]


@pytest.mark.parametrize("module", ["handler = lambda job: job['input']['a']", body("return job['input']['a']")])
def test_the_last_definition_of_the_handler_is_read(module):
    assert [name for name, *_ in read("def handler(job): job['input']['z']\n" + module)] == ["a"]


@pytest.mark.parametrize("function", ["absent", "model.predict", "noargs", "cls.handler"])
def test_a_handler_that_cannot_be_read_has_no_keys(function):
    assert input_fields("def noargs(): ...", function) == ()
