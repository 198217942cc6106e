"""Which keys the input of a handler has, for a form: from its schema, its text, and the jobs that ran."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rp_notebook.jobs.handler import Handler
from rp_notebook.jobs.query import Query
from rp_notebook.kernel.session import Session
from rp_notebook.panel.form import Form, form_of, form_of_schema

if TYPE_CHECKING:
    from rp_notebook.export.input_types import Field

OBSERVED = 20  # the latest jobs that are looked at


def keys_of(session: Session, handler: Handler) -> Form:
    """The fields of the form for a handler; none where nothing tells that its input has keys."""
    from rp_notebook.export.input_fields import input_fields
    from rp_notebook.export.input_types import schema_fields

    declaration = session.declaration(handler)
    if declaration.flat is not None:
        return form_of(_of_flat(session, handler))
    text = _text_of(session)
    schema = session.schema_of(handler)
    if schema is not None:
        literal = _assigned(text, declaration.schema or "")
        keys = list(schema_fields(literal)) if literal is not None else []
        return form_of(keys) if {key.name for key in keys} == set(schema) else form_of_schema(schema)
    return form_of(input_fields(text, declaration.function, _observed(session, handler)))


def _of_flat(session: Session, handler: Handler) -> list[Field]:
    from rp_notebook.export.input_fields import input_fields
    from rp_notebook.export.input_types import Field, with_default

    flat = session.declaration(handler).flat
    given = () if flat is None else flat.inputs
    seen = {one.name: one for one in input_fields("", "", _observed(session, handler))}
    fields = []
    for each in given:
        default = None if each.default is None else ast.parse(each.default, mode="eval").body
        one = with_default(Field(each.name, required=default is None), default)
        known = seen.get(each.name)
        fields.append(Field(one.name, one.required, one.default, one.kinds or (known.kinds if known else ())))
    return fields


def _observed(session: Session, handler: Handler) -> list[dict[str, object]]:
    ran = session.history.records(Query(handler=handler.name, outcomes=("COMPLETED",), last=OBSERVED))
    return [record.job.input for record in ran if isinstance(record.job.input, dict)]


def _text_of(session: Session) -> str:
    """What ran, one cell below the other, as a module that is only read."""
    return "\n".join(_readable(session))


def _readable(session: Session) -> Iterator[str]:
    from rp_notebook.export.cells import python_of
    from rp_notebook.jobs.handler_cell import HANDLER_MAGIC

    for cell in session.recorder.cells:
        lines = cell.text.splitlines(keepends=True)
        text = "".join(f"#{line}" if line.lstrip().startswith(HANDLER_MAGIC) else line for line in lines)
        try:
            python = python_of(text)
            ast.parse(python)
        except (SyntaxError, ValueError):
            continue
        yield python


def _assigned(text: str, name: str) -> ast.Dict | None:
    """The literal that a variable was given last."""
    for node in reversed(ast.parse(text).body):
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return node.value if isinstance(node.value, ast.Dict) else None
    return None
