"""What a worker needs around it, in its files: variables, settings, system packages and models."""

from __future__ import annotations

import json

from rp_notebook.export.cells import CellRun
from rp_notebook.export.exporting import export_cells
from rp_notebook.export.reads import Declared, Variable
from rp_notebook.export.result import ExportResult
from rp_notebook.jobs.declaration import Declaration

TOKEN = "hf_" + "a1B2" * 8


def exported(*cells: str, **given) -> ExportResult:
    runs = [CellRun(number, text) for number, text in enumerate(cells, start=1)]
    return export_cells(runs, Declaration("handler", "handler"), **given)


def test_variables_settings_and_models_are_in_every_file_that_tells_of_them(tmp_path) -> None:
    folder = tmp_path / "hub" / "models--a--b"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("c0ffee")
    (folder / "snapshots" / "c0ffee").mkdir(parents=True)
    (folder / "snapshots" / "c0ffee" / "weights").write_bytes(b"x" * 1500)
    result = exported(
        "import os\nfrom transformers import AutoModel",
        f"os.environ['HF_TOKEN'] = '{TOKEN}'",
        "%env TRANSFORMERS_VERBOSITY=error",
        "model = AutoModel.from_pretrained('a/b')",
        "def handler(job):\n    return [os.environ.get('LANGUAGE', 'en'), os.environ['PLACE'], model]",
        declared=Declared((Variable("STEPS", "20"), Variable("BUCKET_KEY", secret=True)), ("ffmpeg",)),
        environment={"HF_HOME": str(tmp_path)},
    )
    files = {name: body.decode() for name, body in result.repo.items()}
    assert files[".env.example"] == (
        "# a secret: set it as one on the endpoint\nBUCKET_KEY=\n# a secret: set it as one on the endpoint\nHF_TOKEN=\n"
        "LANGUAGE=en\nPLACE=\nSTEPS=20\n"
    )
    assert "| `HF_TOKEN` | secret, required |  |" in files["README.md"]
    assert "| `LANGUAGE` | optional | `en` |" in files["README.md"]
    assert "| `PLACE` | required |  |" in files["README.md"]
    assert "| `a/b` | `c0ffee` | 1.5 kB | `AutoModel.from_pretrained` |" in files["README.md"]
    assert "TRANSFORMERS_VERBOSITY=error" in files["Dockerfile"]
    assert "STEPS=20" in files["Dockerfile"]
    assert "ffmpeg" in files["Dockerfile"]
    (model,) = json.loads(files["rp_manifest.json"])["models"]
    assert (model["id"], model["revision"], model["size"]) == ("a/b", "c0ffee", 1500)


def test_a_setting_with_blanks_and_quotes_is_one_word_of_the_dockerfile() -> None:
    result = exported("def handler(job):\n    return 1", declared=Declared((Variable("SAY", 'a "b" $c'),)))
    assert 'SAY="a \\"b\\" \\$c"' in result.repo["Dockerfile"].decode()


def test_a_secret_that_nothing_of_the_worker_reads_is_not_asked_for() -> None:
    result = exported("import os", f"os.environ['WANDB_API_KEY'] = '{TOKEN}'", "def handler(job):\n    return 1")
    assert result.needs.variables == ()
    assert "RPS121" in {finding.code for finding in result.findings}


def test_what_a_module_sets_itself_is_not_asked_for() -> None:
    result = exported("import os\nos.environ['MODE'] = 'fast'", "def handler(job):\n    return os.environ['MODE']")
    assert result.needs.variables == ()


def test_a_token_that_the_notebook_hands_on_to_the_environment_is_asked_for() -> None:
    made = f'import os\nAPI_TOKEN = "{TOKEN}"\nos.environ["HF_TOKEN"] = API_TOKEN'
    needs = exported(made, "def handler(job):\n    return [API_TOKEN, os.environ['HF_TOKEN']]").needs
    assert [(one.name, one.secret, one.optional) for one in needs.variables] == [("HF_TOKEN", True, False)]
