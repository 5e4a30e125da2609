"""Every error as an RFC 9457 problem document."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from cirray.errors import CirrayError, FilterError
from cirray.service.problem_types import PROBLEM_TYPES
from cirray.service.refusals import InvalidQueryError, RateLimitedError
from cirray.service.schemas import FieldProblem, Problem

MEDIA_TYPE = "application/problem+json"

_LOGGER = logging.getLogger(__name__)
_CODE_OF_STATUS = {404: "not-found", 405: "method-not-allowed", 413: "image-too-large"}
_MAX_POINTER = 200


def problem_response(
    request_id: str,
    instance: str,
    code: str,
    detail: str,
    *,
    errors: Sequence[FieldProblem] = (),
    hint: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the problem `code` as a response of media type `application/problem+json`.

    Args:
        request_id: of the request that it answers.
        instance: path of that request.
        code: a key of `PROBLEM_TYPES`.
        detail: what happened this time.
        errors: what is wrong with which field.
        hint: how to mend it; the general advice of the type where it is empty.
        headers: to send beside it.
    """
    kind = PROBLEM_TYPES[code]
    problem = _problem(request_id, instance, code, detail, errors, hint)
    retry = {} if kind.retry_after_s is None else {"retry-after": str(kind.retry_after_s)}
    # A caller's lone surrogate has no UTF-8 form; what cannot be written is replaced, never a second error.
    body = problem.model_dump_json(ensure_ascii=True).encode("utf-8", "replace")
    return Response(body, kind.status, {**retry, **(headers or {})}, MEDIA_TYPE)


def problem_of(request: Request, error: CirrayError) -> Problem:
    """Return the problem that an error is, where it is one of several that a request came to."""
    request_id, path = request.state.request_id, request.url.path
    if error.code not in PROBLEM_TYPES:
        _LOGGER.error("A part of request %s failed: %s", request_id, error, exc_info=error)
        return _problem(request_id, path, "internal", _unexpected(request_id), (), "")
    return _problem(request_id, path, error.code, error.message, _errors(error, error.message), error.hint)


def _problem(
    request_id: str, instance: str, code: str, detail: str, errors: Sequence[FieldProblem], hint: str
) -> Problem:
    kind = PROBLEM_TYPES[code]
    return Problem(
        type=kind.url,
        title=kind.title,
        status=kind.status,
        detail=detail,
        instance=instance,
        code=code,
        request_id=request_id,
        errors=list(errors),
        hint=hint or kind.mend,
    )


def install_problem_handlers(app: FastAPI) -> None:
    """Make `app` answer every exception that reaches it with a problem."""
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(CirrayError, _on_cirray_error)


def internal_problem(request_id: str, instance: str) -> Response:
    """Return the problem for an exception that nobody expected; it tells nothing of what is inside."""
    return problem_response(request_id, instance, "internal", _unexpected(request_id))


def _unexpected(request_id: str) -> str:
    return f"The service failed unexpectedly. The log has the details under request id {request_id}."


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [_field_problem(found) for found in error.errors()]
    detail = " ".join(f"{found.pointer or 'The body'}: {found.message}" for found in errors[:3])
    return _answer(request, "validation", detail, errors=errors)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 400:
        # What FastAPI makes of a body that it cannot even hand to the validation.
        return _answer(request, "validation", "The body cannot be read as JSON in UTF-8.")
    code = _CODE_OF_STATUS.get(error.status_code)
    if code is None:
        _LOGGER.error("An unforeseen HTTP error: %r", error)
        return internal_problem(request.state.request_id, request.url.path)
    detail = f"{PROBLEM_TYPES[code].title}: {request.method} {request.url.path}."
    return _answer(request, code, detail, headers=error.headers)


async def _on_cirray_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, CirrayError)
    if error.code not in PROBLEM_TYPES:
        # Storage and artifact errors name places of the inside; they are the operator's, not the caller's.
        _LOGGER.error("Request %s failed: %s", request.state.request_id, error, exc_info=error)
        return internal_problem(request.state.request_id, request.url.path)
    detail = str(error.args[0])
    wait = {"retry-after": str(error.retry_after_s)} if isinstance(error, RateLimitedError) else None
    return _answer(request, error.code, detail, errors=_errors(error, detail), hint=error.hint, headers=wait)


def _errors(error: CirrayError, detail: str) -> list[FieldProblem]:
    """Return where in the request the error lies, as far as that is known."""
    if isinstance(error, FilterError):
        return [FieldProblem(pointer=f"/filter{error.pointer}", message=detail)]
    pointer = error.pointer if isinstance(error, InvalidQueryError) else ""
    return [FieldProblem(pointer=pointer, message=detail)] if pointer else []


def _answer(request: Request, code: str, detail: str, **more: Any) -> Response:
    return problem_response(request.state.request_id, request.url.path, code, detail, **more)


def _field_problem(found: Mapping[str, Any]) -> FieldProblem:
    if found["type"] == "json_invalid":
        return FieldProblem(pointer="", message=f"This is not JSON: {found['ctx']['error']}.")
    where, *path = found["loc"]
    in_body = "".join(f"/{_escaped(part)}" for part in path)
    pointer = in_body if where == "body" else "?" + ".".join(map(str, path))
    message = str(found["msg"]).removeprefix("Value error, ")
    return FieldProblem(pointer=pointer[:_MAX_POINTER], message=message)


def _escaped(part: object) -> str:
    """Return one step of a JSON pointer (RFC 6901 section 3)."""
    return str(part).replace("~", "~0").replace("/", "~1")


def problem_responses(codes: Iterable[str]) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of the problems that a route may answer with.

    Args:
        codes: keys of `PROBLEM_TYPES`; several of one status share an entry.
    """
    titles: dict[int, list[str]] = {}
    for code in codes:
        kind = PROBLEM_TYPES[code]
        titles.setdefault(kind.status, []).append(f"{kind.title} (`{code}`)")
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": "; ".join(lines), "content": {MEDIA_TYPE: {"schema": schema}}}
        for status, lines in titles.items()
    }
