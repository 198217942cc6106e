"""README.md of a worker repository: what it takes, what it answers, how to run, build and deploy it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from rp_notebook.export.base_images import held_by
from rp_notebook.export.dockerfile import build_command
from rp_notebook.export.draft import Draft
from rp_notebook.export.figures import figures, size_text, time_text
from rp_notebook.export.input_types import Field
from rp_notebook.export.reads import Variable
from rp_notebook.export.weights_section import weights_section
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.masking import MASK, masked, secrets_in, tells
from rp_notebook.jobs.record import JobRecord

TEXT_SHOWN = 120  # characters of a string in a sample
ITEMS_SHOWN = 8  # elements of a list in a sample
ROWS_SHOWN = 3  # of a list of lists or objects
KEYS_SHOWN = 36  # of an object
LINE = 100  # characters
_DEEPEST = 12

_WITH_EXAMPLE = """\
`test_input.json` is the job that this runs:

```
pip install -r requirements.txt
python handler.py
```"""
_WITHOUT_EXAMPLE = """\
No job that could serve as an example had run when this was exported, so there is no `test_input.json`:

```
pip install -r requirements.txt
python handler.py --test_input '{"input": {"key": "value"}}'
```"""


def readme(draft: Draft, *, has_jobs: bool, findings: Sequence[Finding] = ()) -> str:
    """The text of README.md; only the last part of the notebook's name is told.

    What looks like a secret in the sample is masked. `has_jobs` says whether tests/jobs.jsonl is there.
    """
    handler, sample, read = draft.handler, draft.sample, draft.needs.variables
    origin = f"`{PurePath(draft.notebook).name}`" if draft.notebook else "a notebook"
    parts = [
        f"# {handler}\n\n{_badge(handler)}\n\nA RunPod Serverless worker, exported from {origin} by rp-notebook.",
        _inputs(draft.fields),
        *_sample(sample),
        *figures(draft),
        _running(draft, has_jobs=has_jobs),
        *_environment(read),
        *weights_section(draft.needs.models, draft.weights),
        _deploying(draft),
        *_doubts(findings),
    ]
    return "\n\n".join(parts) + "\n"


def image_name(handler: str) -> str:
    """A name that an image may have: lower case, no underscores at the ends."""
    kept = "".join(char if char.isascii() and char.isalnum() else "-" for char in handler.lower())
    return "-".join(part for part in kept.split("-") if part) or "worker"


def cut(value: Any, depth: int = 0) -> Any:
    """A JSON value that fits a page: long text and long lists are cut, and say how long they were."""
    match value:
        case str() if len(value) > TEXT_SHOWN:
            return f"{value[:TEXT_SHOWN]}... ({len(value):,} characters)"
        case list() | dict() if depth == _DEEPEST:
            return "..."
        case list():
            most = ROWS_SHOWN if all(isinstance(item, list | dict) for item in value) else ITEMS_SHOWN
            more = [f"... ({len(value) - most:,} more)"] if len(value) > most else []
            return [*(cut(item, depth + 1) for item in value[:most]), *more]
        case dict():
            rest = {"...": f"{len(value) - KEYS_SHOWN:,} more keys"} if len(value) > KEYS_SHOWN else {}
            return {key: cut(item, depth + 1) for key, item in [*value.items()][:KEYS_SHOWN]} | rest
    return value


def _badge(handler: str) -> str:
    place = f"OWNER/{image_name(handler)}"
    return f"[![Runpod](https://api.runpod.io/badge/{place})](https://console.runpod.io/hub/{place})"


def _inputs(fields: Sequence[Field]) -> str:
    if not fields:
        return "## Input\n\n`input` is handed to the handler as it comes."
    fields, count = fields[:KEYS_SHOWN], len(fields)
    noted = any(_note(one) for one in fields)
    head = "| key | type | required | default |" + (" |\n|---|---|---|---|---|" if noted else "\n|---|---|---|---|")
    more = f"\n\nAnd {count - KEYS_SHOWN:,} more keys." if count > KEYS_SHOWN else ""
    return (
        "## Input\n\nThe keys of `input`:\n\n" + "\n".join([head, *(_row(one, noted=noted) for one in fields)]) + more
    )


def _row(one: Field, *, noted: bool) -> str:
    default = f"`{_cell(one.default)}`" if one.default is not None else ""
    row = f"| `{_cell(one.name)}` | {' or '.join(one.kinds)} | {'yes' if one.required else 'no'} | {default} |"
    return row + (f" {_note(one)} |" if noted else "")


def _note(one: Field) -> str:
    """What else there is to say: the values that it takes, its limits, what it is for."""
    choices = f"one of {', '.join(f'`{_cell(json.dumps(c))}`' for c in one.choices)}" if one.choices else ""
    said = [one.about.rstrip("."), choices, f"`{_cell(one.rule)}`" if one.rule else ""]
    return "; ".join(_cell(part) if part is said[0] else part for part in said if part)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("`", "'")


def _sample(record: JobRecord | None) -> list[str]:
    if record is None:
        return []
    request, _ = masked({"input": record.job.input})
    streams = not record.output and bool(record.items)  # a generator without aggregation answers []
    took = "" if record.execution_ms is None else f" It took {time_text(record.execution_ms)}."
    size = f"The request is {size_text(record.sizes.request)}, the answer {size_text(record.sizes.result or 0)}."
    return [
        f"## A job that ran\n\n{size}{took}",
        f"```json\n{_json(request)}\n```",
        f"It {'streams' if streams else 'answers'}",
        f"```json\n{_answer(record.items if streams else record.output, record)}\n```",
    ]


def _answer(answer: Any, record: JobRecord) -> str:
    if tells(json.dumps(answer, ensure_ascii=False), secrets_in(record.job.input)):
        return json.dumps(MASK)
    return _json(masked({"output": answer})[0]["output"])


def _json(value: Any) -> str:
    return _laid_out(cut(value), "")


def _laid_out(value: Any, indent: str) -> str:
    """JSON with what fits on a line on a line: a row of numbers is no column of them."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= LINE or not isinstance(value, dict | list) or not value:
        return line
    inner = f"{indent}  "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key, ensure_ascii=False)}: {_laid_out(item, inner)}" for key, item in value.items()]
    else:
        parts = [_laid_out(item, inner) for item in value]
    opened, closed = "{}" if isinstance(value, dict) else "[]"
    return f"{opened}\n" + ",\n".join(f"{inner}{part}" for part in parts) + f"\n{indent}{closed}"


def _running(draft: Draft, *, has_jobs: bool) -> str:
    name = image_name(draft.handler)
    here = _WITH_EXAMPLE if draft.sample is not None else _WITHOUT_EXAMPLE
    if held_by(draft.base or ""):  # what the image brings along has to come from somewhere else here
        here = here.replace("-r requirements.txt", "-r requirements-base.txt -r requirements.txt")
    flags = (" --gpus all" if draft.machine.gpu else "") + (" --env-file .env" if draft.needs.variables else "")
    image = f"```\n{_build(draft)} -t {name} .\ndocker run --rm{flags} {name}\n```"
    proof = (
        "`tests/jobs.jsonl` holds jobs that ran in the notebook. These run them and compare the answers:"
        "\n\n```\npip install pytest && python -m pytest tests   # the handler by itself\n"
        "rp-notebook prove .                            # a worker under the real SDK\n```"
    )
    return "\n\n".join(["## Run it", here, "In its image:", image, *([proof] if has_jobs else [])])


def _environment(variables: Sequence[Variable]) -> list[str]:
    if not variables:
        return []
    rows = [
        f"| `{_cell(one.name)}` | {_kind(one)} | {f'`{_cell(one.default)}`' if one.default else ''} |"
        for one in variables
    ]
    head = "Copy `.env.example` to `.env` and fill it in.\n\n| variable | | default |\n|---|---|---|"
    return ["## Environment\n\n" + "\n".join([head, *rows])]


def _kind(variable: Variable) -> str:
    needed = "optional" if variable.optional or variable.default is not None else "required"
    return f"secret, {needed}" if variable.secret else needed


def _build(draft: Draft) -> str:
    return build_command(token=draft.weights.mode == "bake" and draft.weights.token)


def _deploying(draft: Draft) -> str:
    name, sample, variables = image_name(draft.handler), draft.sample, draft.needs.variables
    machine = f"a GPU of {', '.join(pool.id for pool in draft.machine.pools)}" if draft.machine.gpu else "a CPU or GPU"
    environment = ", set the environment variables above (secrets as RunPod secrets)" if variables else ""
    call = json.dumps(masked({"input": sample.job.input})[0], ensure_ascii=False) if sample else '{"input": {}}'
    if len(call) > 2 * TEXT_SHOWN or "'" in call:
        call = "@test_input.json"
    return (
        "## Deploy it\n\n"
        f"1. `{_build(draft)} -t YOU/{name}:1 .` and `docker push YOU/{name}:1`,\n"
        "   or publish this folder on GitHub with a release: the Hub reads `.runpod/`, and releases only. Write your\n"
        "   name for OWNER in the badge above.\n"
        f"2. In the RunPod console: Serverless, New Endpoint, that image or repository, {machine},\n"
        f"   {draft.machine.disk_gb} GB of container disk{_place(draft)}{environment}.\n"
        "3. Call it:\n\n"
        "```\n"
        'curl https://api.runpod.ai/v2/$ENDPOINT_ID/runsync -H "Authorization: Bearer $RUNPOD_API_KEY" \\\n'
        f"  -H 'Content-Type: application/json' -d '{call}'\n"
        "```"
    )


def _place(draft: Draft) -> str:
    match draft.weights.mode:
        case "volume":
            return ", a network volume"
        case "cached":
            return f", Model `{draft.weights.models[0].id}`"
    return ""


def _doubts(findings: Sequence[Finding]) -> list[str]:
    lines = [f"- {finding}" for finding in findings if finding.severity != "note"]
    return ["## What the export warned about\n\n" + "\n".join(lines)] if lines else []
