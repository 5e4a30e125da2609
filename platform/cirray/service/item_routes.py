"""Browsing the gallery to find a reference."""

from __future__ import annotations

import hashlib
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from cirray.errors import FilterError
from cirray.index import parse_filter
from cirray.service.backend import Backend
from cirray.service.gallery import Gallery, GalleryItem, GalleryPage
from cirray.service.media import media_type_of
from cirray.service.problems import problem_responses
from cirray.service.refusals import InvalidQueryError
from cirray.service.schemas import Example, ExampleList, Identifier, Item, ItemPage, Parameters
from cirray.service.thumbnails import Thumbnails, ThumbnailSize

_YEAR = 365 * 24 * 3600


class PageParameters(Parameters):
    """Which page of the gallery."""

    cursor: str | None = Field(None, max_length=512, description="Id after which the page starts.")
    limit: int = Field(50, ge=1, le=200, description="Items at most.")
    filter: str | None = Field(
        None, max_length=16_384, description="Conditions on the items, as JSON, as in POST /v1/search."
    )


class ExampleParameters(Parameters):
    """Which examples."""

    reference_id: Identifier | None = Field(None, description="Prefer queries of this reference.")
    limit: int = Field(8, ge=1, le=200, description="Examples at most.")


class ImageParameters(Parameters):
    """Which state of the picture."""

    v: str | None = Field(None, max_length=64, description="As in image_url; lets the answer be cached for good.")
    size: ThumbnailSize | None = Field(None, description="Longest side in pixels; the picture as it is if absent.")


def item_router(backend: Backend) -> APIRouter:
    """Return the routes `/v1/items…` and `/v1/examples`."""
    router = APIRouter(prefix="/v1", tags=["gallery"])
    gallery, links = backend.gallery, ImageLinks(backend.index.dataset_fingerprint[:16])
    thumbnails = Thumbnails(gallery.image)

    @router.get("/items", responses=problem_responses(["validation", "internal"]))
    def items(parameters: Annotated[PageParameters, Query()]) -> ItemPage:
        """Return a page of the gallery, by id."""
        found, total = _page(gallery, parameters)
        page, more = found[: parameters.limit], len(found) > parameters.limit
        return ItemPage(
            items=[links.item(item) for item in page],
            next_cursor=page[-1].item_id if more else None,
            total=total,
        )

    # Ids may hold slashes, so the longer path must come first.
    @router.get(
        "/items/{item_id:path}/image",
        response_class=Response,
        responses={
            200: {"content": {"image/*": {}}, "description": "The picture file."},
            304: {"description": "It is still the same."},
            **problem_responses(["unknown-item", "validation", "internal"]),
        },
    )
    def image(item_id: str, parameters: Annotated[ImageParameters, Query()], request: Request) -> Response:
        """Return an item's picture file, or a smaller one."""
        data = thumbnails.of(item_id, parameters.size) if parameters.size else gallery.image(item_id)
        etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        # Only an address that names the dataset's content can never come to mean another picture.
        forever = parameters.v == links.version
        headers = {"etag": etag, "cache-control": f"public, max-age={_YEAR}, immutable" if forever else "no-cache"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(data, 200, headers, media_type_of(data))

    @router.get("/items/{item_id:path}", responses=problem_responses(["unknown-item", "validation", "internal"]))
    def item(item_id: str) -> Item:
        """Return one item."""
        return links.item(gallery.item(item_id))

    @router.get("/examples", responses=problem_responses(["validation", "internal"]))
    def examples(parameters: Annotated[ExampleParameters, Query()]) -> ExampleList:
        """Return some of the dataset's own queries."""
        found = gallery.examples(parameters.limit, parameters.reference_id)
        return ExampleList(examples=[Example(reference=links.item(item), text=text) for item, text in found])

    return router


def _page(gallery: Gallery, parameters: PageParameters) -> GalleryPage:
    """Return a page and one item more, if there is one.

    Raises:
        InvalidQueryError: the filter cannot be read or put to the items.
    """
    try:
        wanted = None if parameters.filter is None else parse_filter(parameters.filter)
        return gallery.page(parameters.cursor, parameters.limit + 1, wanted)
    except FilterError as error:
        raise InvalidQueryError(error.message, pointer="?filter", hint=error.hint) from None


class ImageLinks:
    """Makes addresses of pictures that change whenever the dataset does.

    Args:
        version: names the dataset's content.
    """

    def __init__(self, version: str) -> None:
        self.version = version

    def url(self, item_id: str) -> str:
        """Return the address of an item's picture, relative to the service."""
        return f"/v1/items/{quote(item_id, safe='')}/image?v={quote(self.version, safe='')}"

    def item(self, item: GalleryItem) -> Item:
        """Return an item as it goes over the wire."""
        return Item(
            id=item.item_id,
            label=item.label,
            caption=item.caption,
            width=item.width,
            height=item.height,
            image_url=self.url(item.item_id),
        )
