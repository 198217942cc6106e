import textwrap
from dataclasses import replace

import pytest

from rp_notebook.export.readme import cut, image_name, readme
from rp_notebook.export.reads import Variable, variables
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.running import run_job
from tests.export.test_hub import draft


def body(text: str) -> str:
    return "def handler(job):\n" + textwrap.indent(textwrap.dedent(text), "    ")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("import os\nos.environ['MODEL']", [("MODEL", None)]),
        ("import os\nos.environ.get('MODEL', 'small')", [("MODEL", "small")]),
        ("import os as o\no.getenv('MODEL', 'small')", [("MODEL", "small")]),
        ("from os import environ as e, getenv\ne['A'], getenv('B', 3)", [("A", None), ("B", None)]),
        ("import os.path\nimport os\nos.getenv('A')\nos.getenv('A', 'x')", [("A", "x")]),
        ("import os\nos.environ['SET'] = '1'\nos.environ.setdefault('ALSO', '1')\nos.getenv(name)", []),
        ("import os\nos.getenv('HF_TOKEN', 'abc')", [("HF_TOKEN", None)]),
        ("import os\nos.getenv('WHO', 'hf_" + "a" * 30 + "')", [("WHO", None)]),
        ("environ = {}\nenviron['A']", []),
    ],
    ids=[
        "subscript",
        "get",
        "getenv",
        "imported names",
        "twice",
        "only set",
        "secret name",
        "secret value",
        "own name",
    ],
)
def test_the_environment_variables_that_a_module_reads(text, read):
    assert variables(text) == tuple(Variable(*one) for one in read)


def record_named(record, name):
    return JobRecord(record.job._replace(handler=name), record.posts)


def page(module: str, *, job=None, call=None, gpu=False, has_jobs=False, findings=(), notebook=None) -> str:
    sample = run_job(call, job, clock=lambda: 0.0) if call else None
    records = [record_named(sample, "My_Handler")] if sample else []
    made = draft(*records, build="cu124" if gpu else None, module=module, sample=sample, notebook=notebook)
    made = replace(made, declaration=Declaration("My_Handler", "handler"))
    return readme(made, has_jobs=has_jobs, findings=findings)


def test_it_has_the_inputs_with_types_from_the_job_that_ran():
    module = body("got = job['input']\nreturn got['text'], got.get('n', 'a|b')")
    text = page(module, call=lambda job: 1, job={"text": "hi", "n": 2, "extra": None})
    assert "| `text` | text | yes |  |" in text
    assert "| `n` | text or integer | no | `'a\\|b'` |" in text
    assert "| `extra` | null | no |  |" in text


def test_it_has_the_commands():
    text = page(body("return 1"), gpu=True, has_jobs=True)
    assert "python handler.py" in text
    assert "docker build --platform linux/amd64 -t my-handler ." in text
    assert "--gpus all" in text
    assert "rp-notebook prove ." in text


def test_it_shows_the_job_and_its_answer_with_long_text_cut():
    text = page(
        body("return 1"), call=lambda job: {"image": "x" * 5000, "list": [*range(100)]}, job={"text": "y" * 999}
    )
    assert "xxx... (5,000 characters)" in text
    assert "yyy... (999 characters)" in text
    assert "... (92 more)" in text
    assert "the answer 5.4 kB" in text
    assert len(text) < 4000


def test_streamed_items_are_shown_where_there_is_no_other_answer():
    def call(job):
        yield "one"
        yield "two"

    text = page(body("return 1"), call=call, job={})
    assert "It streams" in text
    assert '"two"' in text


def test_secrets_of_the_job_appear_nowhere():
    def call(job):
        return {"said": f"your key is {job['input']['api_key']}"}

    text = page(body("return 1"), call=call, job={"api_key": "hunter2hunter2", "to": {"password": "s3cr3t"}})
    assert "hunter2" not in text
    assert "s3cr3t" not in text
    assert '"***"' in text


def test_without_a_job_it_says_so():
    text = page(body("return job['input']['a']"))
    assert "there is no `test_input.json`" in text
    assert "## A job that ran" not in text


def test_only_the_name_of_the_notebook_is_told():
    assert "from `note.ipynb`" in page(body("return 1"), notebook="/home/me/note.ipynb")
    assert "/home/me" not in page(body("return 1"), notebook="/home/me/note.ipynb")


def test_warnings_are_repeated_and_notes_are_not():
    findings = [Finding("RPX207", "warning", "two builds"), Finding("RPX208", "note", "old sdk")]
    text = page(body("return 1"), findings=findings)
    assert "- RPX207 two builds" in text
    assert "RPX208" not in text


@pytest.mark.parametrize(
    ("handler", "name"), [("My_Handler", "my-handler"), ("__x__", "x"), ("größe", "gr-e"), ("___", "worker")]
)
def test_an_image_name_is_one_that_docker_takes(handler, name):
    assert image_name(handler) == name


def test_what_is_short_is_not_cut():
    value = {"a": [1, 2.5, None, True, {"b": "c"}]}
    assert cut(value) == value


def test_rows_of_numbers_stay_rows():
    text = page(body("return 1"), call=lambda job: {"vectors": [[0.5] * 384] * 20}, job={})
    assert text.count('[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, "... (376 more)"]') == 3
    assert '"... (17 more)"' in text


def test_what_is_deep_is_cut():
    deep: object = "bottom"
    for _ in range(500):
        deep = [deep]
    assert "bottom" not in str(cut(deep))


def test_figures_of_the_jobs_that_ran_are_told_with_the_machine_for_them():
    text = page(body("return 1"), call=lambda job: "x" * 2000, job={"a": 1}, gpu=True)
    assert "| jobs | 1 |" in text
    assert "| largest answer | 2.0 kB |" in text
    assert "AMPERE_16" in text
    assert "no job was measured on a GPU" in text
    assert "## Figures" not in page(body("return 1"))


def test_the_badge_has_a_place_for_the_owner_and_is_told_of():
    text = page(body("return 1"))
    assert "https://api.runpod.io/badge/OWNER/my-handler" in text
    assert "for OWNER in the badge" in text


def test_limits_and_choices_have_a_column_where_there_are_any():
    module = 'def handler(job):\n    m = job["input"]["mode"]\n    if m not in ("a", "b"):\n        raise ValueError\n'
    assert '| `mode` |  | yes |  | one of `"a"`, `"b"` |' in page(module).replace("'", '"')


def test_of_very_many_keys_the_first_are_named():
    text = page(body("return job['input']"), job={"input": {f"k{n}": n for n in range(30_000)}}, call=lambda job: "ok")
    assert "`k35`" in text
    assert '"k35": 35' in text
    assert "29,964 more keys" in text
    assert "k36" not in text
    assert len(text) < 10_000
