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
from rp_notebook.export.dockerfile import dockerfile, dockerignore, image_for
from rp_notebook.export.draft import Draft
from rp_notebook.export.image_size import image_bytes, package_bytes
from rp_notebook.export.machine import machine_of
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
from rp_notebook.jobs.payload import MB
from rp_notebook.jobs.record import JobRecord

HANDLER = "handler.py"
TEST_INPUT = "test_input.json"
JOBS = "tests/jobs.jsonl"
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
) -> Repo:
    """The repository of a worker whose handler.py is `module`.

    `lines` has `(cell, line)` or None for each line of `module`; `records` are jobs that ran, oldest first: the last
    completed one of this handler is the example. `python` is like "3.11"; `notebook` is only named. `local_files` and
    what it `needs` go along (else the module's environment variables), `base` is an image to build on, `cells` has the
    id and the sha256 of each cell in `lines`. Raises `ExportRefused` when a local file has the name of one of our own.
    """
    draft = _draft(module, declaration, records, pins, python, notebook, local_files, base, needs)
    sample, needs = draft.sample, draft.needs
    needed = {HANDLER: module.encode(), **local_files, **_test_input(sample)}
    own = {
        "requirements.txt": requirements_txt(pins),
        "Dockerfile": _dockerfile(pins, needs, python, tuple(needed), base),
        ".dockerignore": dockerignore(needed),
        ".env.example": _env_example(needs.variables),
        "README.md": readme(draft, has_jobs=bool(jobs_jsonl), findings=findings),
        **published(draft, has_tests=bool(jobs_jsonl)),
    }
    _refuse_clashes(local_files, {HANDLER, TEST_INPUT, JOBS, MANIFEST, *own})
    files = needed | {name: text.encode() for name, text in own.items()} | ({JOBS: jobs_jsonl} if jobs_jsonl else {})
    said = partial(manifest, python=python, notebook=notebook, lines=lines, cells=cells, models=needs.models)
    return Repo({**files, MANIFEST: said(files, declaration.name)})


def _draft(
    module: str,
    declaration: Declaration,
    records: Sequence[JobRecord],
    pins: Sequence[Pin],
    python: str,
    notebook: str | None,
    files: Mapping[str, bytes],
    base: str | None,
    needs: Needs | None,
) -> Draft:
    sample, needs = _example(records, declaration.name), needs or Needs(variables(module))
    weights = sum(model.size or 0 for model in needs.models)
    size = image_bytes(image_for(python, torch_build(pins), base), package_bytes(pins), files, weights)
    machine = machine_of(records, torch_build(pins), image_bytes=size, weight_bytes=weights)
    told = (module, declaration, tuple(pins), needs, machine, python, tuple(records))
    return Draft(*told, sample=sample, base=base, notebook=notebook, files=files)


def _dockerfile(pins: Sequence[Pin], needs: Needs, python: str, files: Sequence[str], base: str | None) -> str:
    apt = [*needs.apt, *_tools(pins)]
    build = torch_build(pins)
    return dockerfile(python=python, torch_build=build, apt=apt, files=files, base=base, settings=needs.settings)


def _example(records: Sequence[JobRecord], handler: str) -> JobRecord | None:
    for record in reversed(records):
        # The SDK's local run takes any input but null (facts/runpod-contract.md 3.2, 3.3).
        is_usable = record.job.input is not None and record.sizes.request <= TEST_INPUT_LIMIT
        if is_usable and record.job.handler == handler and record.status is Status.COMPLETED:
            return record
    return None


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
