"""The OpenAPI document: FastAPI's, with what it cannot know of problems, keys, preconditions and repeated requests."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.service.idempotency import HEADER, KEY_PATTERN, MAX_KEY_LENGTH
from api.service.problems import MEDIA_TYPE

_PROBLEM: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "What went wrong, as RFC 9457 writes it.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "Names the kind of problem; about:blank says no more than status."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was wrong, the rule, and what to do."},
        "error": {
            "type": "object",
            "description": "Of images/generations alone: the same for OpenAI's client.",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
            },
        },
        "request_id": {"type": "string", "description": "Finds this request in the server's log."},
        "errors": {
            "type": "array",
            "description": "Of an invalid request, every place that is wrong.",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
_IDEMPOTENCY_KEY: Final[dict[str, Any]] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Sent again with the same key and body within a day, the request changes nothing and has the same "
    "answer, with `Idempotency-Replayed: true`.",
    "schema": {"type": "string", "pattern": KEY_PATTERN, "maxLength": MAX_KEY_LENGTH, "examples": ["a UUID"]},
}
_REPLAYED: Final[dict[str, Any]] = {
    "Idempotency-Replayed": {
        "description": "`true` where the answer is that of an earlier request with the same key.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}
_ETAG: Final[dict[str, Any]] = {"type": "string", "pattern": r'^("[0-9]{1,9}"|\*)$', "examples": ['"1"']}


def describe(app: FastAPI, *, with_keys: bool) -> None:
    """Makes the app's document tell of problems as an answer of every operation, and of keys where they are asked."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, with_keys=with_keys)
        return app.openapi_schema

    app.openapi = openapi


def _document(app: FastAPI, *, with_keys: bool) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, summary=app.summary, description=app.description, routes=app.routes
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    if not with_keys:
        document["components"].pop("securitySchemes", None)
    for operations in document["paths"].values():
        for method, operation in operations.items():
            _describe_operation(operation, with_keys=with_keys)
            if method == "post":
                _describe_repeats(operation)
    return document


def _describe_repeats(operation: dict[str, Any]) -> None:
    operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
    for answer in operation["responses"].values():
        answer["headers"] = {**answer.get("headers", {}), **_REPLAYED}


def _describe_operation(operation: dict[str, Any], *, with_keys: bool) -> None:
    operation["responses"].pop("422", None)
    operation["responses"]["default"] = {
        "description": "A problem",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if not with_keys:
        operation.pop("security", None)
    for parameter in operation.get("parameters", ()):
        if parameter["name"] == "if-match":  # without it the answer is 428, which no type of FastAPI's gives
            parameter |= {"required": True, "schema": _ETAG}
