"""POST /v1/search: the answer is the engine's, and says how it came about."""

from __future__ import annotations

import base64

import pytest

from cirray.search import Query, SearchEngine
from cirray.service import Gallery
from tests.asgi_client import Api


@pytest.fixture(scope="module")
def reference(gallery: Gallery) -> str:
    return gallery.examples(1)[0][0].item_id


def test_search_by_id_gives_what_the_engine_gives(api: Api, engine: SearchEngine, reference: str) -> None:
    answer = api.search(reference={"id": reference}, text="make the red object blue", limit=7)
    assert answer.status_code == 200, answer.text
    expected = engine.search(Query("make the red object blue", reference_id=reference, limit=7))
    found = answer.json()
    assert [(hit["id"], hit["rank"], hit["score"]) for hit in found["hits"]] == [
        (hit.item_id, hit.rank, hit.score) for hit in expected.hits
    ]
    assert len(found["hits"]) == 7
