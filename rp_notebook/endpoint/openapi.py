"""The OpenAPI document of an endpoint, made from what its routes are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from rp_notebook.endpoint.operations import Operation, Query
from rp_notebook.jobs.job import Status
from rp_notebook.jobs.policy import LIMITS_MS

Schema = Mapping[str, Any]

JSON = "application/json"
TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
ANYTHING: Schema = {}


@dataclass(frozen=True)
class Door:
    """What differs from place to place: the operations, how to get in, and what every route may refuse with."""

    operations: Mapping[str, Operation]
    security: Mapping[str, Schema]
    refusals: tuple[int, ...]


BEARER: Schema = {"type": "http", "scheme": "bearer"}
BARE: Schema = {"type": "apiKey", "in": "header", "name": "Authorization", "description": "the key alone"}

WHY: Mapping[int, str] = MappingProxyType(
    {
        400: "what was asked for cannot be done as it was asked",
        401: "no key, or a wrong one",
        403: "the server's rules keep this request out",
        404: "there is no such endpoint or job: it never was, or its result has expired",
        409: "several kernels have the handler, or none that has loaded the extension; the error says what to type",
        413: "the body is over the limit",
        429: "over the rate limits",
    }
)


def _object(required: Mapping[str, Schema], optional: Mapping[str, Schema] = MappingProxyType({})) -> Schema:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


ID_AND_STATUS = {"id": TEXT, "status": {"enum": [str(status) for status in Status]}}
POLICY: Schema = {
    "type": ["object", "null"],
    "properties": {
        **{name: {"type": "number", "minimum": least, "maximum": most} for name, (least, most) in LIMITS_MS.items()},
        "lowPriority": {"type": "boolean"},
    },
}
ERROR = _object({"error": TEXT})
OPENAI_ERROR = _object(
    {
        "error": _object(
            {"message": TEXT, "type": TEXT, "param": {"type": ["string", "null"]}, "code": {"type": ["string", "null"]}}
        )
    }
)
SCHEMAS: Mapping[str, Schema] = MappingProxyType(
    {
        "Anything": ANYTHING,
        "Nothing": _object({}),
        "Job": {
            "type": "object",
            "properties": {
                "input": ANYTHING,
                "webhook": {"type": ["string", "null"], "pattern": "^https?://[^/?#]"},
                "policy": POLICY,
                "s3Config": {"type": ["object", "null"]},
            },
            "required": ["input"],
        },
        "Brief": _object(ID_AND_STATUS),
        "Status": _object(
            ID_AND_STATUS,
            {"delayTime": COUNT, "executionTime": COUNT, "workerId": TEXT, "output": ANYTHING, "error": TEXT},
        ),
        "Stream": _object({"status": ID_AND_STATUS["status"], "stream": _list({"type": "object"})}),
        "Purged": _object({"removed": COUNT, "status": {"const": "completed"}}),
        "Health": _object(
            {
                "jobs": _object(dict.fromkeys(("completed", "failed", "retried", "inProgress", "inQueue"), COUNT)),
                "workers": _object(
                    dict.fromkeys(("idle", "initializing", "ready", "running", "throttled", "unhealthy"), COUNT)
                ),
            }
        ),
        "Requests": _object({"requests": _list(_object(ID_AND_STATUS, {"delayTime": COUNT}))}),
        "Taken": {"type": "object", "required": ["id", "input"]},
        "TakenBatch": _list({"type": "object", "required": ["id", "input"]}),
        "Stops": _object({"jobsToStop": _list(TEXT)}),
        "Posted": {"type": "object"},
        "Error": {"anyOf": [ERROR, OPENAI_ERROR]},
    }
)


def document(endpoint: str, url: str, door: Door) -> dict[str, Any]:
    """The OpenAPI 3.1 document of one endpoint; `url` is the path of the endpoint on its server."""
    return {
        "openapi": "3.1.0",
        "info": {"title": endpoint, "version": "2", "description": "RunPod's endpoint on the handler of a notebook."},
        "servers": [{"url": url}],
        "security": [{name: []} for name in door.security],
        "paths": dict(_path(name, operation, door) for name, operation in door.operations.items()),
        "components": {"securitySchemes": dict(door.security), "schemas": dict(SCHEMAS)},
    }


def _path(name: str, operation: Operation, door: Door) -> tuple[str, dict[str, Any]]:
    path = "".join(f"/{part}" for part in (name, *(f"{{{rest}}}" for rest in operation.rest)))
    return path, {verb.lower(): _operation(f"{verb.lower()}-{name}", verb, operation, door) for verb in operation.verbs}


def _operation(operation_id: str, verb: str, operation: Operation, door: Door) -> dict[str, Any]:
    answers: dict[str, Any] = {"200": {"description": "done", "content": {JSON: _named(operation.gives)}}}
    if operation.events:
        answers["200"]["content"]["text/event-stream"] = {"schema": TEXT}
    if operation.or_nothing:
        answers["204"] = {"description": "there is none"}
    for status in sorted({*door.refusals, *operation.refusals}):
        answers[str(status)] = {"description": WHY[status], "content": {JSON: _named("Error")}}
    told: dict[str, Any] = {
        "operationId": operation_id,
        "summary": operation.about,
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": TEXT} for name in operation.rest),
            *map(_parameter, operation.query),
        ],
        "responses": answers,
    }
    if operation.takes is not None and verb == "POST":
        told["requestBody"] = {"required": operation.takes != "Anything", "content": {JSON: _named(operation.takes)}}
    return told


def _parameter(query: Query) -> dict[str, Any]:
    schema = TEXT
    if query.limits is not None:
        schema = {"type": "integer", "minimum": query.limits[0], "maximum": query.limits[1]}
    return {"name": query.name, "in": "query", "description": query.about, "schema": schema}


def _named(schema: str) -> dict[str, Any]:
    return {"schema": {"$ref": f"#/components/schemas/{schema}"}}
