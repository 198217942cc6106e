"""A worker about to be written: all that the files beside handler.py tell of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from rp_notebook.export.input_fields import input_fields
from rp_notebook.export.input_types import Field
from rp_notebook.export.machine import Machine
from rp_notebook.export.needs import Needs
from rp_notebook.export.pin import Pin
from rp_notebook.export.weights import NO_WEIGHTS, Weights
from rp_notebook.jobs.declaration import Declaration
from rp_notebook.jobs.job import Status
from rp_notebook.jobs.masking import masked
from rp_notebook.jobs.record import JobRecord


@dataclass(frozen=True)
class Draft:
    """A worker in its parts.

    `records` are jobs that ran, oldest first, `sample` the one in test_input.json; `files` are what goes along beside
    handler.py; `python` is like "3.11".
    """

    module: str
    declaration: Declaration
    pins: tuple[Pin, ...]
    needs: Needs
    machine: Machine
    python: str
    records: tuple[JobRecord, ...] = ()
    sample: JobRecord | None = None
    base: str | None = None
    weights: Weights = NO_WEIGHTS
    notebook: str | None = None
    files: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def handler(self) -> str:
        """The name it is registered under."""
        return self.declaration.name

    @property
    def fields(self) -> tuple[Field, ...]:
        """The keys of its input, as the module reads them and jobs had them."""
        inputs = [record.job.input for record in self.completed]
        given = [one for one in inputs if isinstance(one, dict)]
        return input_fields(self.module, self.declaration.function, given)

    @property
    def completed(self) -> tuple[JobRecord, ...]:
        """The jobs of the handler that ended well."""
        done = (record for record in self.records if record.status is Status.COMPLETED)
        return tuple(record for record in done if record.job.handler == self.handler)

    def plain_inputs(self) -> Iterator[tuple[JobRecord, dict[str, Any]]]:
        """The completed jobs whose input is an object without secrets, with that input; each input once."""
        seen: list[dict[str, Any]] = []
        for record in self.completed:
            given = record.job.input
            if not isinstance(given, dict) or record.masked or masked({"input": given})[1] or given in seen:
                continue
            seen.append(given)
            yield record, given
