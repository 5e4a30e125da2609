"""Browsing the gallery."""

from __future__ import annotations

import pytest

from cirray.service import Gallery
from cirray.service.media import media_type_of
from tests.asgi_client import Api


def test_pages_cover_the_gallery_once_in_order(api: Api, gallery: Gallery) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        page = api.get("/v1/items", params={"limit": 7, **({"cursor": cursor} if cursor else {})}).json()
        seen += [item["id"] for item in page["items"]]
        assert page["total"] == len(gallery)
        if (cursor := page["next_cursor"]) is None:
            break
        assert len(page["items"]) == 7
    assert seen == gallery.dataset.gallery("test")["item_id"].to_pylist()


def test_the_last_page_is_known_to_be_the_last_even_when_it_is_full(api: Api, gallery: Gallery) -> None:
    page = api.get("/v1/items", params={"limit": len(gallery)}).json()
    assert (len(page["items"]), page["next_cursor"]) == (len(gallery), None)


def test_a_cursor_need_not_be_an_item(api: Api, gallery: Gallery) -> None:
    first, second = (item["id"] for item in api.get("/v1/items?limit=2").json()["items"])
    page = api.get("/v1/items", params={"cursor": first + "!", "limit": 1}).json()
    assert page["items"][0]["id"] == second
    assert api.get("/v1/items", params={"cursor": "~"}).json()["items"] == []


def test_an_item_and_its_picture(api: Api, gallery: Gallery) -> None:
    item_id = gallery.page(None, 1).items[0].item_id
    item = api.get(f"/v1/items/{item_id}").json()
    assert (item["id"], item["width"], item["height"]) == (item_id, 64, 64)
    answer = api.get(item["image_url"])
    assert answer.content == gallery.dataset.image(item_id)
    assert answer.headers["content-type"] == "image/png"
    assert "immutable" in answer.headers["cache-control"]


def test_a_picture_is_sent_once(api: Api, gallery: Gallery) -> None:
    url = api.get("/v1/items?limit=1").json()["items"][0]["image_url"]
    etag = api.get(url).headers["etag"]
    again = api.get(url, headers={"if-none-match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)


@pytest.mark.parametrize("query", ["", "?v=another"])
def test_only_an_address_with_the_content_in_it_is_cached_for_good(api: Api, gallery: Gallery, query: str) -> None:
    answer = api.get(f"/v1/items/{gallery.page(None, 1).items[0].item_id}/image{query}")
    assert answer.headers["cache-control"] == "no-cache"


def test_examples_are_queries_of_the_dataset(api: Api, gallery: Gallery) -> None:
    triplets = gallery.dataset.triplets("test").to_pylist()
    asked = {(row["reference_id"], row["texts"][0]) for row in triplets}
    examples = api.get("/v1/examples?limit=5").json()["examples"]
    assert len(examples) == 5
    assert {(example["reference"]["id"], example["text"]) for example in examples} <= asked


def test_examples_of_a_reference_are_its_own_where_it_has_some(api: Api, gallery: Gallery) -> None:
    triplets = gallery.dataset.triplets("test").to_pylist()
    reference, target = triplets[0]["reference_id"], triplets[0]["target_id"]
    own = {row["texts"][0] for row in triplets if row["reference_id"] == reference}
    examples = api.get("/v1/examples", params={"reference_id": reference, "limit": 200}).json()["examples"]
    assert {example["text"] for example in examples} == own
    assert {example["reference"]["id"] for example in examples} == {reference}
    assert target not in {row["reference_id"] for row in triplets}
    assert len(api.get("/v1/examples", params={"reference_id": target}).json()["examples"]) == 8


def test_what_is_served(api: Api, gallery: Gallery) -> None:
    (index,) = api.get("/v1/indexes").json()["indexes"]
    assert (index["name"], index["items"], index["shards"]) == ("tiny", len(gallery), 2)
    assert (index["model"], index["dataset"]) == ("tiny/tirg", "tiny")
    assert index["dataset_fingerprint"] == gallery.dataset.fingerprint


@pytest.mark.parametrize(
    ("start", "media_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8", "image/webp"),
        (b"BM", "image/bmp"),
        (b"II*\x00", "image/tiff"),
        (b"<svg onload=", "application/octet-stream"),
        (b"<html>", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_the_media_type_is_told_by_the_bytes(start: bytes, media_type: str) -> None:
    assert media_type_of(start) == media_type
