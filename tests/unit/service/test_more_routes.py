"""Composing, searching in batches, explaining, thumbnails, and what is known of the model."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cirray.bundles import Bundle
from cirray.bundles.explanation import explain
from cirray.search import Query, SearchEngine
from cirray.service import Backend, Gallery, LocalShard, Protection, RateLimit, create_api
from cirray.service.fanout import ShardFaultError
from cirray.service.thumbnails import Thumbnails, ThumbnailSize
from tests.asgi_client import Api

REFERENCE, TEXT = "css_test_000000", "make the circle red"
OK: dict[str, Any] = {"reference": {"id": REFERENCE}, "text": TEXT}


def post(api: Api, path: str, **body: Any) -> Any:
    answer = api.request("POST", path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def code_of(api: Api, path: str, **body: Any) -> str:
    code: str = api.request("POST", path, json=body).json()["code"]
    return code


@pytest.mark.parametrize("encoding", ["base64", "list"])
def test_the_composed_vector_is_the_one_that_is_searched_for(
    api: Api, engine: SearchEngine, gallery: Gallery, encoding: str
) -> None:
    found = post(api, "/v1/compose", **OK, encoding=encoding)
    if encoding == "base64":
        vector = np.frombuffer(base64.b64decode(found["vector"]), "<f4")
    else:
        vector = np.array(found["vector"], np.float32)
    (composed,) = engine.compose([engine.prepare(Query(TEXT, REFERENCE))])
    assert found["dim"] == len(vector) == engine.version.dim
    np.testing.assert_array_equal(vector, composed.vector)
    picture = base64.b64encode(gallery.image(REFERENCE)).decode()
    sent = post(api, "/v1/compose", reference={"image": picture}, text=TEXT, encoding=encoding)
    assert sent["vector"] == found["vector"]


def test_each_search_of_a_batch_has_its_own_filter(api: Api) -> None:
    query = {"reference": {"id": REFERENCE}, "text": TEXT}
    nothing = {"must": [{"field": "category", "in": ["no such category"]}]}
    unknown = {"must": [{"field": "colour", "in": ["red"]}]}
    searches = [query, {**query, "filter": nothing}, {**query, "filter": unknown}]
    whole, none, refused = post(api, "/v1/search/batch", searches=searches)["items"]
    assert whole["result"]["hits"] != []
    assert (none["result"]["hits"], none["result"]["coverage"]["exhausted"]) == ([], True)
    assert (refused["result"], refused["problem"]["code"]) == (None, "validation")
    assert [error["pointer"] for error in refused["problem"]["errors"]] == ["/filter/must/0/field"]


def test_a_batch_answers_as_its_searches_would_one_by_one(api: Api, gallery: Gallery) -> None:
    items = [item.item_id for item in gallery.page(None, 5).items]
    texts = ["make it red", TEXT, "remove the blue object", "add a circle", "make it small"]
    searches = [
        {"reference": {"id": item}, "text": text, "limit": limit}
        for item, text, limit in zip(items, texts, range(3, 8), strict=True)
    ]
    found = post(api, "/v1/search/batch", searches=searches)["items"]
    assert len(found) == 5
    for search, item in zip(searches, found, strict=True):
        alone = api.search(**search).json()
        assert item["problem"] is None
        assert [hit["id"] for hit in item["result"]["hits"]] == [hit["id"] for hit in alone["hits"]]
        np.testing.assert_allclose(
            [hit["score"] for hit in item["result"]["hits"]], [hit["score"] for hit in alone["hits"]], atol=1e-5
        )
        assert item["result"]["coverage"] == alone["coverage"]


def test_what_is_wrong_with_one_search_of_a_batch_costs_the_others_nothing(api: Api) -> None:
    bad = [
        {"reference": {"id": "nobody"}, "text": "x"},
        {"reference": {"image": "no base64!"}, "text": "x"},
        {"reference": {"image": base64.b64encode(b"no picture").decode()}, "text": "x"},
        {**OK, "index": "other"},
    ]
    items = post(api, "/v1/search/batch", searches=[bad[0], OK, *bad[1:], OK])["items"]
    codes = [item["problem"] and item["problem"]["code"] for item in items]
    assert codes == ["unknown-item", None, "validation", "bad-image", "unknown-index", None]
    assert items[2]["problem"]["errors"][0]["pointer"] == "/reference/image"
    assert items[1]["result"]["hits"] == items[5]["result"]["hits"] != []
    everyone = post(api, "/v1/search/batch", searches=[bad[0]])["items"]
    assert everyone[0]["problem"]["status"] == 404


def test_a_batch_has_limits(api: Api, engine: SearchEngine, gallery: Gallery) -> None:
    assert code_of(api, "/v1/search/batch", searches=[]) == "validation"
    assert code_of(api, "/v1/search/batch", searches=[OK] * 65) == "validation"
    shards = [LocalShard(number, shard) for number, shard in enumerate(engine.shards)]
    protection = Protection(rate=RateLimit(0.001, 10))
    limited = Api(create_api(Backend(engine, gallery, shards), protection=protection))
    assert len(post(limited, "/v1/search/batch", searches=[OK] * 8)["items"]) == 8
    refused = limited.request("POST", "/v1/search/batch", json={"searches": [OK] * 8})
    assert (refused.status_code, refused.json()["code"]) == (429, "rate-limited")
    assert int(refused.headers["retry-after"]) > 1


def test_a_batch_without_a_shard_says_so(make_api: Any, engine: SearchEngine) -> None:
    class Lost:
        async def ask(self, *_: object, **__: object) -> None:
            raise ShardFaultError("unavailable")

        async def probe(self, version: str) -> None:
            raise ShardFaultError("unavailable")

    answer = make_api({0: Lost()}).request("POST", "/v1/search/batch", json={"searches": [OK, OK]})
    assert answer.headers["x-degraded"] == "1"
    assert [item["result"]["coverage"]["ratio"] for item in answer.json()["items"]] == [0.5, 0.5]
    gone = make_api({0: Lost(), 1: Lost()}).request("POST", "/v1/search/batch", json={"searches": [OK]})
    assert gone.json()["items"][0]["problem"]["code"] == "insufficient-coverage"


def test_what_is_known_of_the_model(api: Api, engine: SearchEngine) -> None:
    (composer,) = api.get("/v1/composers").json()["composers"]
    bundle = engine.model
    assert isinstance(bundle, Bundle)
    assert (composer["name"], composer["version"]) == ("tiny/tirg", bundle.version)
    assert (composer["method"], composer["dim"]) == ("tirg-last-conv", engine.version.dim)
    assert composer["explains"] == list(bundle.model.composer.explains) != []
    assert (composer["uses_reference"], composer["uses_text"]) == (True, True)


def test_an_explanation_has_the_parts_of_the_score_ranks_and_maps(
    api: Api, engine: SearchEngine, gallery: Gallery
) -> None:
    bundle = engine.model
    assert isinstance(bundle, Bundle)
    hits = api.search(**OK, limit=10).json()["hits"]
    found = post(api, "/v1/explain", **OK, item=hits[4]["id"])
    assert found["scores"]["query"] == pytest.approx(hits[4]["score"], abs=1e-5)
    reference, target = bundle.embed([gallery.image(REFERENCE), gallery.image(hits[4]["id"])])
    assert found["scores"]["reference"] == pytest.approx(float(reference @ target), abs=1e-5)
    assert found["scores"]["text"] is None
    assert found["ranks"]["with_text"] == 5
    vectors = {i: v for shard in engine.shards for i, v in zip(shard.item_ids, shard.vectors(), strict=True)}
    own = float(vectors[hits[4]["id"]] @ reference)
    closer = {item for item, vector in vectors.items() if float(vector @ reference) > own + 1e-6} - {REFERENCE}
    assert found["ranks"]["without_text"] == len(closer) + 1
    assert found["supported"] is True
    expected = explain(bundle, gallery.image(REFERENCE), TEXT).maps
    assert [grid["name"] for grid in found["maps"]] == list(expected)
    for grid in found["maps"]:
        values = np.frombuffer(base64.b64decode(grid["values_b64_u8"]), np.uint8)
        shown = values.reshape(grid["height"], grid["width"]) / 255
        np.testing.assert_allclose(shown, expected[grid["name"]], atol=1 / 255)


def test_an_explanation_is_made_once(
    api: Api, engine: SearchEngine, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = gallery.page(None, 3).items[2].item_id
    first = post(api, "/v1/explain", **OK, item=item)
    monkeypatch.setattr(engine, "prepare", lambda query: pytest.fail("made again"))
    second = post(api, "/v1/explain", **OK, item=item)
    assert {**first, "request_id": ""} == {**second, "request_id": ""}
    assert first["request_id"] != second["request_id"]


@pytest.mark.parametrize("path", ["/v1/compose", "/v1/explain"])
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"reference": {"id": "nobody"}}, "unknown-item"),
        ({"index": "other"}, "unknown-index"),
        ({"text": "!!!"}, "validation"),
        ({"text": ""}, "validation"),
        ({"reference": {"image": "?"}}, "validation"),
        ({"reference": {"image": "QUJD"}}, "bad-image"),
        ({"timeout_ms": 0}, "validation"),
        ({"colour": "red"}, "validation"),
    ],
)
def test_what_is_wrong_is_a_problem(api: Api, path: str, change: dict[str, Any], code: str) -> None:
    body = {**OK, **({"item": REFERENCE} if path == "/v1/explain" else {}), **change}
    assert code_of(api, path, **body) == code


def test_an_item_to_explain_must_exist(api: Api) -> None:
    assert code_of(api, "/v1/explain", **OK, item="nobody") == "unknown-item"


def picture(size: tuple[int, int], kind: str) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(("full", "small"), [((800, 400), (96, 48)), ((300, 900), (32, 96)), ((97, 1), (96, 1))])
def test_a_thumbnail_has_its_size(kind: str, full: tuple[int, int], small: tuple[int, int]) -> None:
    asked: list[str] = []
    thumbnails = Thumbnails(lambda item: asked.append(item) or picture(full, kind))  # type: ignore[func-returns-value]
    made = Image.open(io.BytesIO(thumbnails.of("a", ThumbnailSize.SMALL)))
    assert (made.size, made.format) == (small, "PNG" if kind == "PNG" else "JPEG")
    thumbnails.of("a", ThumbnailSize.SMALL)
    assert asked == ["a"]


def test_a_picture_that_is_small_already_is_sent_as_it_is(api: Api, gallery: Gallery) -> None:
    url = api.get("/v1/items?limit=1").json()["items"][0]["image_url"]
    answer = api.get(f"{url}&size=96")
    assert answer.content == gallery.image(gallery.page(None, 1).items[0].item_id)
    assert "immutable" in answer.headers["cache-control"]
    assert api.get(f"{url}&size=96", headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    for size in ("97", "0", "x", ""):
        assert api.get(f"{url}&size={size}").json()["errors"][0]["pointer"] == "?size"
