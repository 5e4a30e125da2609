"""The description of the API at `/openapi.json`, with what holds for all of its routes."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from cirray.service.guard import needed_role
from cirray.service.problems import problem_responses
from cirray.service.schemas import Problem

_SCHEME = "key"


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of `app`: its routes, its problems, and what the guard may answer."""
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    document["components"]["schemas"] |= {**problem.pop("$defs"), "Problem": problem}
    document["components"]["securitySchemes"] = {
        _SCHEME: {"type": "http", "scheme": "bearer", "description": "Where the service has keys."}
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _guard(operation, method.upper(), path)
    return document


def _guard(operation: dict[str, Any], method: str, path: str) -> None:
    """Add to what OpenAPI says of a route that a key may be asked for, and what is answered without the right one."""
    role = needed_role(method, path)
    if role is None:
        return
    operation["security"] = [{}, {_SCHEME: []}]  # one or the other: without keys, the service asks for none
    codes = ["unauthorized", *(["forbidden"] if role == "write" else []), "rate-limited", "overloaded"]
    for status, found in problem_responses(codes).items():
        known = operation["responses"].get(str(status))
        if known is None:
            operation["responses"][str(status)] = found
        elif found["description"] not in known["description"]:
            known["description"] += f"; {found['description']}"
