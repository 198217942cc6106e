"""No secret reaches a file, a report or the history, wherever in a notebook it stands."""

from __future__ import annotations

import ast
import json
import random
import re
import string

import nbformat
import pytest

from rp_notebook.errors import ExportRefused
from rp_notebook.export.cells import CellRun
from rp_notebook.export.exporting import export_cells, export_notebook
from rp_notebook.export.live import Live
from rp_notebook.export.module import module_of
from rp_notebook.export.repo import worker_repo
from rp_notebook.export.secret_texts import secrets_of
from rp_notebook.export.slicing import slice_cells
from rp_notebook.export.vault import Vault
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.history import History
from rp_notebook.jobs.running import run_job

ALPHABET = string.ascii_letters + string.digits


def random_text(seed: str, length: int = 32) -> str:
    return "".join(random.Random(seed).choices(ALPHABET, k=length))


def canary(seed: str) -> str:
    return f"hf_{random_text(seed)}"


# Cells with CANARY where the secret stands; each is followed by a handler that uses `value`.
PLACES = {
    "literal": ["value = 'CANARY'"],
    "keyword": ["value = dict(token='CANARY')"],
    "positional": ["value = str('CANARY')"],
    "attribute": ["import types", "value = types.SimpleNamespace()", "value.api_key = 'CANARY'"],
    "subscript": ["value = {}", "value['token'] = 'CANARY'"],
    "dict": ["value = {'a': {'Authorization': 'Bearer CANARY'}}"],
    "dict key": ["value = {'CANARY': 1}"],
    "list": ["value = ['a', 'CANARY']"],
    "implicit concatenation": ["value = ('start '\n         'CANARY'\n         ' end')"],
    "triple quotes": ['value = """\nfirst\nCANARY\nlast"""'],
    "braces and quotes": ["value = '{\"a\": \"CANARY\", \\'b\\': {}}'"],
    "f-string": ["n = 1", "value = f'{n} \"CANARY\" {n}'"],
    "f-string, within the braces": ["n = 1", "value = f'{n}{len(\"CANARY\")}'"],
    "f-string, double": ["n = 1", 'value = f"{n} CANARY"'],
    "bytes": ["value = b'CANARY'"],
    "default argument": ["def value(a=1, *, token='CANARY'):\n    return token"],
    "in a function": ["def value():\n    key = 'CANARY'\n    return key"],
    "in a class": ["class value:\n    key = 'CANARY'"],
    "lambda": ["value = lambda: 'CANARY'"],
    "walrus": ["value = (key := 'CANARY')"],
    "tuple": ["user, value = 'me', 'CANARY'"],
    "comparison": ["value = 'x' == 'CANARY'"],
    "environment read": ["import os", "value = os.environ.get('HF_TOKEN', 'CANARY')"],
    "environment set": ["import os", "os.environ['HF_TOKEN'] = 'CANARY'", "value = os.environ['HF_TOKEN']"],
    "environment default": ["import os", "os.environ.setdefault('HF_TOKEN', 'CANARY')", "value = 1"],
    "environment update": [
        "import os",
        "os.environ.update({'HF_TOKEN': 'CANARY', 'A': '1'})",
        "value = os.environ['A']",
    ],
    "magic": ["%env HF_TOKEN=CANARY", "import os", "value = os.environ['HF_TOKEN']"],
    "set_env": ["%set_env HF_TOKEN CANARY", "value = 1"],
    "shell": ["!curl -H 'Authorization: Bearer CANARY' example.org", "value = 1"],
    "shell cell": ["%%bash\nexport HF_TOKEN=CANARY", "value = 1"],
    "comment": ["# my token is CANARY\nvalue = 1  # CANARY"],
    "comment inside": ["def value():\n    # CANARY\n    return 1"],
    "docstring": ["def value():\n    '''Uses CANARY.'''\n    return 1"],
    "dropped": ["unused = 'CANARY'", "value = 1"],
    "dropped call": ["print('CANARY')", "value = 1"],
    "url": ["value = 'https://me:CANARY@example.org/x'"],
    "elsewhere": ["value = 'CANARY'", "other = 'x CANARY y'", "value = [value, other]"],
    "guarded": ["value = 1\nif __name__ == '__main__':\n    token = 'CANARY'\n    print(token)"],
    "loop": ["value = []\nfor name in ['CANARY', 'b']:\n    value.append(name)"],
    "match": ["match 'x':\n    case 'CANARY':\n        value = 1\n    case _:\n        value = 2"],
    "raised": ["value = 1\nraise ValueError('CANARY')"],
    "unparsable": ["value = 1", "token = 'CANARY' +"],
}
HANDLER = "def handler(job):\n    return [str(value), job['input']]"


def cells_of(texts: list[str], secret: str) -> list[CellRun]:
    runs = [CellRun(n, text.replace("CANARY", secret)) for n, text in enumerate([*texts, HANDLER], start=1)]
    return [CellRun(r.number, r.text, ok=False, failed_line=2) if "\nraise" in r.text else r for r in runs]


def everything(cells, *, live=None) -> str:
    """What an export of these cells says, but for the packages: files and reports, or why it is refused."""
    declaration, vault = Declaration("handler", "handler"), Vault(live.secrets if live else {})
    try:
        found = slice_cells(cells, declaration, live, vault)
        module = module_of(found, declaration)
    except ExportRefused as refusal:
        return str(refusal)
    repo = worker_repo(
        module=module.text,
        lines=module.lines,
        declaration=declaration,
        records=[],
        pins=[],
        python="3.11",
        notebook=None,
        findings=found.findings,
    )
    return "\n".join([*(body.decode() for body in repo.values()), repr(found)])


def whole(cells, *, live=None, records=(), **given) -> str:
    """The same with everything that a real export does."""
    result = export_cells(cells, Declaration("handler", "handler"), live=live, records=records, **given)
    ast.parse(result.module)
    files = "".join(body.decode("latin-1") for body in result.repo.values())
    return "\n".join([files, result.repo.tree(), repr(result), *map(str, result.findings)])


def test_a_notebook_full_of_secrets_is_exported_without_one() -> None:
    texts: list[str] = []
    secrets = [canary(place) for place in PLACES]
    names = []
    for number, (place, secret) in enumerate(zip(PLACES, secrets, strict=True)):
        if place not in ("match", "dict key", "raised", "unparsable"):
            names.append(f"value_{number}")
            texts += [re.sub(r"\bvalue\b", names[-1], t).replace("CANARY", secret) for t in PLACES[place]]
    runs = [CellRun(n, text) for n, text in enumerate([*texts, f"def handler(job):\n    return [{', '.join(names)}]"])]
    job = run_job(lambda job: job["input"], {"id": "1", "input": {"say": secrets}}, clock=lambda: 0.0)
    said = whole(runs, records=[job])
    assert [secret for secret in secrets if secret in said] == []


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_of_a_known_shape_is_written_nowhere(place: str) -> None:
    secret = canary(place)
    said = everything(cells_of(PLACES[place], secret))
    assert secret not in said
    assert secret[5:-5] not in said


@pytest.mark.parametrize("place", [p for p in PLACES if p != "unparsable"])
def test_a_secret_of_the_environment_is_written_nowhere(place: str) -> None:
    secret = f"plain-{random_text(place, 9)}-words"
    live = Live({}, {}, {secret: "MY_SECRET"})
    assert secret not in everything(cells_of(PLACES[place], secret), live=live)


@pytest.mark.parametrize(
    "place", ["literal", "keyword", "attribute", "subscript", "dict", "default argument", "dropped"]
)
@pytest.mark.parametrize("name", ["password", "api_key", "client_secret"])
def test_what_is_given_to_a_telling_name_is_written_nowhere(place: str, name: str) -> None:
    secret = f"Hunter{random_text(place, 5)}7"
    texts = [
        t.replace("token", name)
        .replace("api_key", name)
        .replace("value = 'CANARY'", f"{name} = 'CANARY'; value = {name}")
        for t in PLACES[place]
    ]
    texts = [t.replace("unused", name).replace("Authorization': 'Bearer ", f"{name}': '") for t in texts]
    assert secret not in everything(cells_of(texts, secret))


@pytest.mark.parametrize("texts", [["value = 'CANARY'"], ["value = dict(a='CANARY')"], ["def value(a='CANARY'): pass"]])
def test_a_long_random_text_is_a_secret_by_itself(texts: list[str]) -> None:
    secret = "zq8vN3mKp1rT6wXy2bC9dE4fG7h"
    assert secret not in everything(cells_of(texts, secret))


def test_a_value_that_somebody_typed_is_written_nowhere() -> None:
    secret = "typed-Plainly-1"
    cells = cells_of(["import getpass", "token = getpass.getpass()", "value = [token, token]"], secret)
    job = run_job(lambda job: job["input"], {"id": "1", "input": {"say": f"I am {secret}"}}, clock=lambda: 0.0)
    said = whole(cells, live=Live({"token": secret}, {}), records=[job])
    assert secret not in said
    assert 'token = os.environ["TOKEN"]' in said


@pytest.mark.parametrize("known", [True, False], ids=["of the environment", "of a known shape"])
def test_a_job_with_a_secret_is_kept_without_it(known: bool) -> None:
    secret = f"plain-{random_text('job', 9)}" if known else canary("job")
    live = Live({}, {}, {secret: "MY_SECRET"} if known else {})
    job = run_job(lambda job: job["input"], {"id": "1", "input": {"say": f"I am {secret}"}}, clock=lambda: 0.0)
    said = whole(cells_of(["value = 1"], secret), live=live, records=[job])
    assert secret not in said
    assert "input.say held a secret" in said


def test_what_a_notebook_file_holds_beside_its_code_stays_in_it(tmp_path) -> None:
    places = ("markdown", "raw", "output", "display", "metadata", "attachment", "title")
    secrets = {place: canary(place) for place in places}
    code = nbformat.v4.new_code_cell(
        "value = 1",
        metadata={"note": secrets["metadata"]},
        outputs=[
            nbformat.v4.new_output("stream", text=secrets["output"]),
            nbformat.v4.new_output("display_data", data={"text/html": f"<b>{secrets['display']}</b>"}),
        ],
    )
    text = nbformat.v4.new_markdown_cell(
        f"# {secrets['markdown']}", attachments={"a.txt": {"text/plain": secrets["attachment"]}}
    )
    raw = nbformat.v4.new_raw_cell(secrets["raw"])
    notebook = nbformat.v4.new_notebook(
        cells=[text, raw, code, nbformat.v4.new_code_cell(f"%%runpod_handler\n{HANDLER}")],
        metadata={"title": secrets["title"]},
    )
    nbformat.write(notebook, tmp_path / "n.ipynb")
    export_notebook(tmp_path / "n.ipynb", tmp_path / "worker")
    written = b"".join(path.read_bytes() for path in (tmp_path / "worker").rglob("*") if path.is_file())
    assert b"value = 1" in written
    assert [place for place, secret in secrets.items() if secret.encode() in written] == []


def test_a_value_without_a_cell_that_is_a_secret_is_not_frozen() -> None:
    secret = canary("live")
    said = everything([CellRun(1, HANDLER)], live=Live({"value": [secret]}, {}))
    assert secret not in said
    assert "RPS105" in said


def test_a_secret_in_a_module_beside_the_notebook_is_read_from_the_environment(tmp_path, monkeypatch) -> None:
    secret = canary("local")
    (tmp_path / "besides.py").write_text(f'"""Mine, with {canary("text")}."""\nTOKEN = "{secret}"\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    cells = [CellRun(1, "import besides"), CellRun(2, "def handler(job):\n    return besides.TOKEN")]
    result = export_cells(cells, Declaration("handler", "handler"), folder=tmp_path)
    assert result.repo["besides.py"].decode() == '"""Mine, with ***."""\nimport os\nTOKEN = os.environ["HF_TOKEN"]\n'
    assert b"HF_TOKEN=" in result.repo[".env.example"]


def test_a_secret_of_the_environment_never_reaches_the_history(tmp_path) -> None:
    secret = "plain-Words-1"
    history = History(lambda: [tmp_path / "jobs.sqlite"], secrets=lambda: {secret: "MY_SECRET"})
    history.ended(run_job(lambda job: job["input"], {"id": "1", "input": {"say": f"I am {secret}"}}, clock=lambda: 0.0))
    history.flush()
    (record,) = history.records()
    assert (record.job.input, record.output, record.masked) == ({"say": "***"}, {"say": "***"}, ("input.say",))
    assert not any(secret.encode() in path.read_bytes() for path in tmp_path.iterdir())
    history.close()


@pytest.mark.parametrize(
    "place", ["literal", "keyword", "dict", "braces and quotes", "bytes", "f-string", "f-string, double"]
)
def test_the_worker_has_the_same_value_from_its_environment(place: str, monkeypatch) -> None:
    secret = canary(place)
    cells = cells_of(PLACES[place], secret)
    names: dict = {"__name__": "worker"}
    exec("\n".join(cell.text for cell in cells), plain := {})
    declaration = Declaration("handler", "handler")
    module = module_of(slice_cells(cells, declaration), declaration).text
    monkeypatch.setenv("HF_TOKEN", secret)
    exec(compile(module.replace("import runpod\n", ""), "handler.py", "exec"), names)
    assert names["handler"]({"input": 1}) == plain["handler"]({"input": 1})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("model_id", "meta-llama/Llama-3.1-8B-Instruct"),
        ("path", "models/Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf"),
        ("revision", "0c9f1d2e3b4a5968778695a4b3c2d1e0f9182736"),
        ("sha256", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
        ("file_id", "1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms"),
        ("run", "123e4567-e89b-12d3-a456-426614174000"),
        ("image", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"),
        ("pattern", r"^[A-Za-z0-9_]{3,32}@(?:[a-z0-9-]+\.)+[a-z]{2,6}$"),
        ("prompt", "Describe the picture in detail, as a poet of the 19th century would."),
        ("name", "AutoModelForSequenceClassificationV2WithPooling"),
        ("alphabet", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        ("token", "<|endoftext|>"),
        ("token", "antidisestablishmentarianism"),
        ("pad_token", "[PAD]"),
        ("api_key", "EMPTY"),
        ("api_key", "YOUR_API_KEY"),
        ("api_key", "not-needed"),
        ("api_key", "OPENAI_API_KEY"),
        ("api_key", ""),
        ("password", "<your password>"),
        ("secret_name", "secret"),
        ("max_tokens", "many"),
        ("key", "value"),
        ("header", "X-Xet-Access-Token"),
        ("url", "https://huggingface.co/datasets/a/b/resolve/main/x.parquet"),
    ],
)
def test_what_is_no_secret_stays(name: str, text: str) -> None:
    assert secrets_of(text, name, {}) == []


def test_an_edited_secret_keeps_its_variable_and_two_clients_have_two() -> None:
    cells = [
        CellRun(1, "from openai import OpenAI"),
        CellRun(2, f"a = OpenAI(api_key='sk-{random_text('1')}1')"),
        CellRun(3, f"a = OpenAI(api_key='sk-{random_text('2')}1')"),
        CellRun(4, f"b = OpenAI(api_key='sk-{random_text('3')}1')"),
        CellRun(5, "def handler(job):\n    return [a, b]"),
    ]
    result = export_cells(cells, Declaration("handler", "handler"))
    assert 'a = OpenAI(api_key=os.environ["OPENAI_API_KEY"])' in result.module
    assert 'b = OpenAI(api_key=os.environ["OPENAI_API_KEY_2"])' in result.module
    assert [(v.name, v.secret) for v in result.needs.variables] == [
        ("OPENAI_API_KEY", True),
        ("OPENAI_API_KEY_2", True),
    ]
    assert json.loads(result.repo["rp_manifest.json"])["handler"] == "handler"
