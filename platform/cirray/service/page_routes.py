"""The web page, its files, and the pages behind the types of problems."""

from __future__ import annotations

import hashlib
import html
from dataclasses import dataclass
from importlib import resources

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from cirray.service.problem_types import PROBLEM_TYPES, ProblemType
from cirray.service.problems import problem_responses
from cirray.service.schemas import ProblemDescription

_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_PROBLEM_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="stylesheet" href="/assets/style.css"></head>
<body><header><h1>{title}</h1><p class="tagline">{status} <code>{code}</code></p></header>
<main class="plain"><p>{meaning}</p><p>{mend}</p></main></body>
</html>
"""


@dataclass(frozen=True)
class _PageFile:
    data: bytes
    media_type: str
    etag: str

    def answer(self, request: Request) -> Response:
        # "no-cache" lets a browser keep the file but ask whether it is still the same one.
        headers = {"etag": self.etag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == self.etag:
            return Response(status_code=304, headers=headers)
        return Response(self.data, 200, headers, self.media_type)


def page_router() -> APIRouter:
    """Return the routes `/`, `/assets/…` and `/problems/…`."""
    router = APIRouter()
    files = _page_files()

    @router.get("/", include_in_schema=False)
    def page(request: Request) -> Response:
        return files["index.html"].answer(request)

    @router.get("/assets/{name}", include_in_schema=False)
    def asset(name: str, request: Request) -> Response:
        if name not in files:
            raise HTTPException(404)
        return files[name].answer(request)

    @router.get(
        "/problems/{code}",
        summary="What a kind of problem means",
        response_model=ProblemDescription,
        responses=problem_responses(["not-found", "validation"]),
        tags=["problems"],
    )
    def problem_type(code: str, request: Request) -> Response | ProblemDescription:
        kind = PROBLEM_TYPES.get(code)
        if kind is None:
            raise HTTPException(404)
        if "text/html" in request.headers.get("accept", ""):
            return Response(_problem_page(kind), media_type="text/html")
        return ProblemDescription(
            type=kind.url, title=kind.title, status=kind.status, meaning=kind.meaning, mend=kind.mend
        )

    return router


def _page_files() -> dict[str, _PageFile]:
    files = {}
    for file in resources.files("cirray.service").joinpath("page").iterdir():
        suffix = f".{file.name.rpartition('.')[2]}"
        if suffix in _MEDIA_TYPES:
            data = file.read_bytes()
            etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
            files[file.name] = _PageFile(data, _MEDIA_TYPES[suffix], etag)
    return files


def _problem_page(kind: ProblemType) -> str:
    texts = {name: html.escape(getattr(kind, name)) for name in ("code", "title", "meaning", "mend")}
    return _PROBLEM_PAGE.format(status=kind.status, **texts)
