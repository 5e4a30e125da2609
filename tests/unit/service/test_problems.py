"""Every error is a problem document of the right kind, and tells nothing of the inside."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cirray.errors import StorageError
from cirray.search import MAX_IMAGE_BYTES, SearchEngine
from cirray.service.middleware import MAX_BODY_BYTES
from cirray.service.problem_types import PROBLEM_TYPES
from tests.asgi_client import Api

OK = {"reference": {"id": "css_test_000000"}, "text": "make the circle red"}


def check_problem(answer: httpx.Response, code: str) -> dict[str, Any]:
    """Return the problem, after making sure that it is one of kind `code`."""
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    kind = PROBLEM_TYPES[code]
    assert (problem["code"], problem["status"], answer.status_code) == (code, kind.status, kind.status), answer.text
    assert (problem["type"], problem["title"]) == (f"/problems/{code}", kind.title)
    assert problem["request_id"] == answer.headers["x-request-id"] != ""
    assert problem["detail"]
    assert problem["hint"]
    assert "Traceback" not in answer.text
    assert ".py" not in answer.text
    return problem


def test_the_plain_request_is_fine(api: Api) -> None:
    assert api.search(**OK).status_code == 200


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"text": None}, "/text"),
        ({"text": ""}, "/text"),
        ({"text": "  \t "}, "/text"),
        ({"text": "x" * 513}, "/text"),
        ({"text": "!!!"}, "/text"),
        ({"text": "\u200b"}, "/text"),
        ({"text": "\x00"}, "/text"),
        ({"text": 5}, "/text"),
        ({"limit": 0}, "/limit"),
        ({"limit": 1000}, "/limit"),
        ({"limit": -1}, "/limit"),
        ({"limit": "5"}, "/limit"),
        ({"limit": 2.5}, "/limit"),
        ({"limit": True}, "/limit"),
        ({"timeout_ms": 0}, "/timeout_ms"),
        ({"timeout_ms": 10**9}, "/timeout_ms"),
        ({"exclude_reference": "yes"}, "/exclude_reference"),
        ({"refrence": {}}, "/refrence"),
        ({"a/b~c": 1}, "/a~1b~0c"),
        ({"reference": None}, "/reference"),
        ({"reference": {}}, "/reference"),
        ({"reference": {"id": "a", "image": "QUJD"}}, "/reference"),
        ({"reference": {"url": "http://localhost/"}}, "/reference/url"),
        ({"reference": {"id": ""}}, "/reference/id"),
        ({"reference": {"id": 7}}, "/reference/id"),
        ({"reference": {"image": ""}}, "/reference/image"),
        ({"reference": {"image": "no base64!"}}, "/reference/image"),
        ({"reference": {"image": "QUJ"}}, "/reference/image"),
        ({"reference": {"image": "data:image/png;base64,QUJD"}}, "/reference/image"),
        ({"reference": {"image": "ä"}}, "/reference/image"),
    ],
)
def test_a_wrong_field_is_named(api: Api, change: dict[str, Any], pointer: str) -> None:
    problem = check_problem(api.search(**{**OK, **change}), "validation")
    assert pointer in [error["pointer"] for error in problem["errors"]]
    assert all(error["message"] for error in problem["errors"])


@pytest.mark.parametrize("name", ["reference", "text"])
def test_a_missing_field_is_named(api: Api, name: str) -> None:
    body = {key: value for key, value in OK.items() if key != name}
    problem = check_problem(api.search(**body), "validation")
    assert [error["pointer"] for error in problem["errors"]] == [f"/{name}"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"garbage",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"text": "\xff"}',
        b'{"text": "\\ud800", "reference": {"id": "a"}}',
        b'{"\\ud800": 1}',
        b'{"text": NaN}',
        b"null",
        b"[]",
        b'"text"',
        b"1" * 5000,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_that_is_no_query_is_a_problem(api: Api, body: bytes) -> None:
    answer = api.request("POST", "/v1/search", content=body, headers={"content-type": "application/json"})
    check_problem(answer, "validation")


def test_a_body_of_another_kind_is_a_problem(api: Api) -> None:
    check_problem(api.request("POST", "/v1/search", data={"text": "make it red"}), "validation")
    check_problem(api.request("POST", "/v1/search", files={"file": b"abc"}), "validation")
    check_problem(api.request("POST", "/v1/search"), "validation")


@pytest.mark.parametrize(
    "picture", [b"not a picture", b"\x89PNG\r\n\x1a\n", b"\x00" * 4096, b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
)
def test_bytes_that_are_no_picture(api: Api, picture: bytes) -> None:
    reference = {"image": base64.b64encode(picture).decode()}
    check_problem(api.search(reference=reference, text="x"), "bad-image")


def test_a_picture_of_too_many_bytes(api: Api) -> None:
    reference = {"image": base64.b64encode(bytes(MAX_IMAGE_BYTES + 1)).decode()}
    check_problem(api.search(reference=reference, text="x"), "image-too-large")


def test_a_body_that_announces_too_much(api: Api) -> None:
    check_problem(api.request("POST", "/v1/search", content=bytes(MAX_BODY_BYTES + 1)), "image-too-large")


@pytest.mark.parametrize("announced", [{}, {"content-length": "5"}])
def test_a_body_that_does_not_announce_how_long_it_is_is_read_no_further_than_the_limit(
    api: Api, announced: dict[str, str]
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent <= 10 * MAX_BODY_BYTES:
            sent += 2**20
            yield bytes(2**20)

    answer = _chunked(api, endless(), announced)
    check_problem(answer, "image-too-large")
    assert sent <= MAX_BODY_BYTES + 2**20


def _chunked(api: Api, body: AsyncIterator[bytes], headers: dict[str, str]) -> httpx.Response:
    """Send a body piece by piece, which httpx's own transport for ASGI does not."""

    async def run() -> httpx.Response:
        messages: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            try:
                return {"type": "http.request", "body": await anext(body), "more_body": True}
            except StopAsyncIteration:
                return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            messages.append(message)

        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/v1/search",
            "raw_path": b"/v1/search",
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("test", 80),
        }
        await api.app(scope, receive, send)
        start, *rest = messages
        content = b"".join(message.get("body", b"") for message in rest)
        return httpx.Response(start["status"], headers=start["headers"], content=content)

    return asyncio.run(run())


def test_what_is_not_there(api: Api) -> None:
    problem = check_problem(api.search(reference={"id": "nobody"}, text="x"), "unknown-item")
    assert "nobody" in problem["detail"]
    for path in ("/v1/items/nobody", "/v1/items/nobody/image", "/v1/items/", "/v1/items//image", "/v1/items/a/b"):
        check_problem(api.get(path), "unknown-item")
    problem = check_problem(api.search(**OK, index="other"), "unknown-index")
    assert "'tiny'" in problem["detail"]


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/v1", "/v1/search/", "/assets/nothing.js", "/assets/%2e%2e/config", "/problems/nothing", "/docs"],
)
def test_no_such_route(api: Api, path: str) -> None:
    check_problem(api.get(path), "not-found")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/search"), ("POST", "/v1/items"), ("DELETE", "/"), ("PUT", "/assets/app.js")]
)
def test_no_such_method(api: Api, method: str, path: str) -> None:
    assert check_problem(api.request(method, path), "method-not-allowed")["instance"] == path
    assert api.request(method, path).headers["allow"]


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/v1/items?limit=0", "?limit"),
        ("/v1/items?limit=1000", "?limit"),
        ("/v1/items?limit=many", "?limit"),
        ("/v1/items?offset=5", "?offset"),
        ("/v1/examples?limit=0", "?limit"),
        ("/v1/examples?reference_id=", "?reference_id"),
    ],
)
def test_a_wrong_parameter_is_named(api: Api, path: str, pointer: str) -> None:
    problem = check_problem(api.get(path), "validation")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


@pytest.fixture
def breaks(engine: SearchEngine, monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    def install(error: Exception) -> None:
        def prepare(query: object) -> None:
            raise error

        monkeypatch.setattr(engine, "prepare", prepare)

    return install


@pytest.mark.parametrize("error", [ValueError("secret"), StorageError("secret"), RecursionError("secret")])
def test_the_unexpected_tells_nothing_but_is_logged(
    api: Api, breaks: Callable[[Exception], None], error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    breaks(error)
    with caplog.at_level(logging.ERROR):
        answer = api.request("POST", "/v1/search", json=OK, headers={"x-request-id": "mine-7"})
    problem = check_problem(answer, "internal")
    assert "secret" not in answer.text
    assert problem["request_id"] == "mine-7"
    assert any("mine-7" in record.getMessage() and record.exc_info for record in caplog.records)


@pytest.mark.parametrize("given", ["", "x" * 129, "ä", "a\x01b"])
def test_a_request_id_that_is_no_token_is_replaced(api: Api, given: str) -> None:
    answer = api.get("/livez", headers={"x-request-id": given.encode()})
    assert answer.headers["x-request-id"] != given
    assert answer.headers["x-request-id"].isalnum()


def test_every_kind_of_problem_is_documented_where_its_type_points(api: Api) -> None:
    for code, kind in PROBLEM_TYPES.items():
        described = api.get(kind.url)
        assert (described.json()["type"], described.json()["status"]) == (f"/problems/{code}", kind.status)
        page = api.get(kind.url, headers={"accept": "text/html,*/*"})
        assert page.headers["content-type"].startswith("text/html")
        assert kind.title in page.text


def operations(api: Api) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in api.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_openapi_documents_every_error_as_a_problem(api: Api) -> None:
    schemas = api.get("/openapi.json").json()["components"]["schemas"]
    assert {"Problem", "FieldProblem"} <= set(schemas)
    assert "HTTPValidationError" not in schemas
    routes = set()
    for method, path, operation in operations(api):
        routes.add((method, path))
        errors = {int(status): found for status, found in operation["responses"].items() if int(status) >= 400}
        assert errors, (method, path)
        for status, found in errors.items():
            assert list(found["content"]) == ["application/problem+json"], (method, path, status)
            assert found["content"]["application/problem+json"]["schema"]["$ref"].endswith("/Problem")
    assert {("post", "/v1/search"), ("get", "/v1/items"), ("get", "/readyz"), ("get", "/livez")} <= routes


def test_the_problem_documents_are_as_openapi_says(api: Api) -> None:
    schema = api.get("/openapi.json").json()["components"]["schemas"]["Problem"]
    problem = api.search().json()
    assert set(problem) == set(schema["properties"])
    assert set(schema["required"]) <= set(problem)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.fixed_dictionaries(
        {},
        optional={
            "reference": _JSON | st.fixed_dictionaries({}, optional={"id": _JSON, "image": st.text() | _JSON}),
            "text": st.text(max_size=20) | _JSON,
            "limit": st.integers(-5, 300) | _JSON,
            "timeout_ms": _JSON,
        },
    )
)
def test_any_body_gets_an_answer_or_a_problem(api: Api, body: dict[str, Any]) -> None:
    content = json.dumps(body).encode()
    answer = api.request("POST", "/v1/search", content=content, headers={"content-type": "application/json"})
    if answer.status_code != 200:
        code = check_problem(answer, answer.json()["code"])["code"]
        assert answer.status_code < 500 or code == "deadline-exceeded"


@pytest.mark.parametrize("path", ["/", "/assets/app.js", "/v1/indexes", "/nothing", "/livez"])
def test_safety_headers_are_on_everything(api: Api, path: str) -> None:
    headers = api.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert "unsafe" not in headers["content-security-policy"]
