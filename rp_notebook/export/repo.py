"""A worker repository in memory: what an export writes, and how it is put together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

from rp_notebook.errors import ExportRefused
from rp_notebook.export.dockerfile import dockerfile, dockerignore
from rp_notebook.export.draft import Draft
from rp_notebook.export.fetching import FETCH, fetch_weights
from rp_notebook.export.image import Image, image_of
from rp_notebook.export.manifest import MANIFEST, manifest
from rp_notebook.export.needs import Needs
from rp_notebook.export.publishing import published
from rp_notebook.export.readme import readme
from rp_notebook.export.reads import Variable, variables
from rp_notebook.export.requirements import Pin, requirements_txt, torch_build
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.job import Status
from rp_notebook.jobs.masking import masked
from rp_notebook.jobs.payload import MB, RUN_LIMIT
from rp_notebook.jobs.record import JobRecord

HANDLER = "handler.py"
TEST_INPUT = "test_input.json"
JOBS = "tests/jobs.jsonl"
REQUIREMENTS, BASE_REQUIREMENTS = "requirements.txt", "requirements-base.txt"
TEST_INPUT_LIMIT = 1 * MB  # larger ones make a repository that nobody wants to clone


@dataclass(frozen=True, eq=False)
class Repo(Mapping[str, bytes]):
    """The files of a repository: POSIX names to bytes. Nothing is on disk until it is written.

    Raises `ValueError` for a name that would lead out of the repository.
    """

    files: Mapping[str, bytes]

    def __post_init__(self) -> None:
        for name in self.files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or path.as_posix() != name or name == ".":
                raise ValueError(f"{name!r} is no name below a repository")
        ordered = {name: self.files[name] for name in sorted(self.files)}
        object.__setattr__(self, "files", MappingProxyType(ordered))

    def __getitem__(self, name: str) -> bytes:
        return self.files[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def __repr__(self) -> str:
        return f"<Repo of {len(self)} files, {sum(map(len, self.values())):,} bytes>"

    def tree(self) -> str:
        """A line for each file with its size in bytes."""
        width = max(map(len, self), default=0)
        return "\n".join(f"{name:<{width}}  {len(body):>11,}" for name, body in self.items())


def worker_repo(
    *,
    module: str,
    lines: Sequence[tuple[int, int] | None],
    declaration: Declaration,
    records: Sequence[JobRecord],
    pins: Sequence[Pin],
    python: str,
    notebook: str | None,
    findings: Sequence[Finding] = (),
    jobs_jsonl: bytes = b"",
    local_files: Mapping[str, bytes] = MappingProxyType({}),
    base: str | None = None,
    cells: Mapping[int, tuple[str | None, str]] = MappingProxyType({}),
    needs: Needs | None = None,
    image: Image | None = None,
) -> Repo:
    """The repository of a worker whose handler.py is `module`.

    `lines` has `(cell, line)` or None for each line of `module`; `records` are jobs that ran, oldest first: the last
    completed one of this handler is the example. `python` is like "3.11"; `notebook` is only named. `local_files` and
    what it `needs` go along (else the module's environment variables), `base` is an image to build on, `cells` has the
    id and the sha256 of each cell in `lines`, `image` what it is built on and from (else what follows from the rest).
    Raises `ExportRefused` when a local file has the name of one of our own.
    """
    sample, needs = _example(records, declaration.name), needs or Needs(variables(module))
    image = image or image_of(pins, needs, local_files, records, python=python, base=base)
    told = (module, declaration, tuple(pins), needs, image.machine, python, tuple(records), sample, image.base)
    draft = Draft(*told, image.weights, notebook, local_files)
    fetched = image.weights.models if image.weights.mode == "bake" else ()
    needed = {HANDLER: module.encode(), **local_files, **_test_input(sample)}
    needed |= {FETCH: fetch_weights(fetched, module).encode()} if fetched else {}
    own = {
        **_requirements(draft, image),
        "Dockerfile": _dockerfile(draft, image, tuple(needed)),
        ".dockerignore": dockerignore(needed),
        ".env.example": _env_example(needs.variables),
        "README.md": readme(draft, has_jobs=bool(jobs_jsonl), findings=findings),
        **published(draft, has_tests=bool(jobs_jsonl)),
    }
    _refuse_clashes(local_files, {HANDLER, TEST_INPUT, JOBS, MANIFEST, *own})
    files = needed | {name: text.encode() for name, text in own.items()} | ({JOBS: jobs_jsonl} if jobs_jsonl else {})
    said = partial(manifest, python=python, notebook=notebook, lines=lines, cells=cells, models=needs.models)
    return Repo({**files, MANIFEST: said(files, declaration.name)})


def _dockerfile(draft: Draft, image: Image, files: Sequence[str]) -> str:
    return dockerfile(
        python=draft.python,
        torch_build=torch_build(draft.pins),
        apt=[*draft.needs.apt, *_tools(draft.pins)],
        files=files,
        base=image.base,
        settings=draft.needs.settings,
        weights=image.weights,
    )


def _requirements(draft: Draft, image: Image) -> dict[str, str]:
    """What the image installs, and what its base holds already: tests elsewhere need both."""
    files = {REQUIREMENTS: requirements_txt(pin for pin in draft.pins if pin not in image.held)}
    return files | ({BASE_REQUIREMENTS: requirements_txt(image.held)} if image.held else {})


def _example(records: Sequence[JobRecord], handler: str) -> JobRecord | None:
    # The SDK's local run takes any input but null (facts/runpod-contract.md 3.2, 3.3).
    usable = [
        record
        for record in reversed(records)
        if record.job.input is not None and record.sizes.request <= TEST_INPUT_LIMIT
        and record.job.handler == handler and record.status is Status.COMPLETED
    ]  # fmt: skip
    # One that the platform would refuse is no example of anything else.
    return next((record for record in usable if (record.sizes.result or 0) <= RUN_LIMIT), next(iter(usable), None))


def _test_input(record: JobRecord | None) -> dict[str, bytes]:
    if record is None:
        return {}
    job: dict[str, Any] = {"input": record.job.input}
    return {TEST_INPUT: (json.dumps(masked(job)[0], ensure_ascii=False, indent=2) + "\n").encode()}


def _env_example(read: Sequence[Variable]) -> str:
    if not read:
        return "# The handler reads no environment variable.\n"
    return "".join(f"{_about(one)}{one.name}={_one_line(one.default)}\n" for one in read)


def _about(variable: Variable) -> str:
    return "# a secret: set it as one on the endpoint\n" if variable.secret else ""


def _one_line(default: str | None) -> str:
    # docker's --env-file knows no quotes and no line breaks.
    return default if default and default.isprintable() else ""


def _tools(pins: Sequence[Pin]) -> list[str]:
    return ["git"] if any("git+" in pin.specifier for pin in pins) else []


def _refuse_clashes(local_files: Mapping[str, bytes], own: set[str]) -> None:
    clashes = sorted(own & set(local_files))
    if clashes:
        message = f"{', '.join(clashes)}: the worker has files of its own by these names"
        raise ExportRefused([Finding("RPX210", "error", message, "rename them beside the notebook")])
