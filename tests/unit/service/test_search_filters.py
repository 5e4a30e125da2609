"""What a search may find, how widely it looks, and what it tells of each hit, over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cirray.errors import LowRecallError
from cirray.index import SHARD_ITEMS, mask_of, parse_filter
from cirray.search import SearchEngine
from cirray.service import Gallery, ServingSet, build_app
from cirray.storage import Root
from tests.asgi_client import Api
from tests.service_world import INDEX, SPLIT

TEXT = "make the red object blue"


@pytest.fixture(scope="module")
def query(gallery: Gallery) -> dict[str, Any]:
    reference = gallery.examples(1)[0][0].item_id
    return {"reference": {"id": reference}, "text": TEXT, "limit": 200}


@pytest.fixture(scope="module")
def rows(gallery: Gallery) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = gallery.dataset.gallery(SPLIT).select(SHARD_ITEMS.names).to_pylist()
    return found


def label_filter(rows: list[dict[str, Any]], count: int) -> dict[str, Any]:
    return {"must": [{"field": "label", "in": [row["label"] for row in rows[:count]]}]}


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [hit["id"] for hit in answer.json()["hits"]]


def test_only_what_passes_is_found_and_the_answer_says_how(
    api: Api, query: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    everything = ids(api.search(**query))
    wanted = label_filter(rows, 5)
    answer = api.search(**query, filter=wanted)
    passing = {row["item_id"] for row in rows if row["label"] in wanted["must"][0]["in"]}
    assert ids(answer) == [item_id for item_id in everything if item_id in passing]
    assert 0 < len(ids(answer)) < len(everything)
    coverage = answer.json()["coverage"]
    assert (coverage["filter"], coverage["exhausted"]) == ("exact-scan", True)
    two = api.search(**{**query, "limit": 2}, filter=wanted).json()["coverage"]
    assert (two["filter"], two["exhausted"]) == ("exact-scan", False)
    assert api.search(**query).json()["coverage"]["filter"] is None


def test_a_filter_that_nothing_passes_has_an_empty_answer(api: Api, query: dict[str, Any]) -> None:
    answer = api.search(**query, filter={"must": [{"field": "category", "in": ["no such"]}]})
    assert ids(answer) == []
    assert answer.json()["coverage"]["exhausted"] is True


def test_excluded_items_make_room(api: Api, query: dict[str, Any]) -> None:
    everything = ids(api.search(**query))
    left = api.search(**{**query, "limit": 4}, exclude_ids=[*everything[1:4], "no such item"])
    assert ids(left) == [everything[0], *everything[4:7]]


def test_a_least_score_cuts_the_list(api: Api, query: dict[str, Any]) -> None:
    hits = api.search(**query).json()["hits"]
    answer = api.search(**query, min_score=hits[3]["score"])
    assert ids(answer) == [hit["id"] for hit in hits if hit["score"] >= hits[3]["score"]]
    assert answer.json()["coverage"]["exhausted"] is True


def test_fields_are_told_where_they_are_asked_for(
    api: Api, query: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    by_id = {row["item_id"]: row for row in rows}
    assert all(hit["fields"] is None for hit in api.search(**query).json()["hits"])
    for hit in api.search(**query, fields=["label", "category", "attributes"]).json()["hits"]:
        row = by_id[hit["id"]]
        told = {name: row[name] for name in ("label", "category", "attributes")}
        assert hit["fields"] == {**told, "caption": None}
        assert hit["label"] == row["label"]


def test_an_exact_search_of_an_exact_index_is_the_same(api: Api, query: dict[str, Any]) -> None:
    assert ids(api.search(**query, params={"exact": True})) == ids(api.search(**query))


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"filter": {"must": [{"field": "price", "in": [1]}]}}, "/filter/must/0/field"),
        ({"filter": {"must_not": [{"field": "caption", "in": [1]}]}}, "/filter/must_not/0/in/0"),
        ({"filter": {"should": [{"field": "category", "range": {"gt": 1}}]}}, "/filter/should/0/range"),
        ({"filter": {"must": [{"field": "category", "in": ["a"], "range": {"gt": 1}}]}}, "/filter/must/0"),
        ({"filter": {"must": [{"field": "category", "in": []}]}}, "/filter/must/0/in"),
        ({"filter": {"must": [{"field": "category", "in": [None]}]}}, "/filter/must/0/in/0"),
        ({"filter": {"must": [{"field": "category", "in": ["a"] * 1001}]}}, "/filter/must/0/in"),
        ({"filter": {"must": [{"field": "category", "in": ["a"]}] * 33}}, "/filter/must"),
        ({"filter": {"must": [{"must": []}]}}, "/filter/must/0/must"),
        ({"filter": {"any": []}}, "/filter/any"),
        ({"filter": []}, "/filter"),
        ({"exclude_ids": ["a"] * 1001}, "/exclude_ids"),
        ({"exclude_ids": [""]}, "/exclude_ids/0"),
        ({"min_score": 2}, "/min_score"),
        ({"params": {"nprobe": 0}}, "/params/nprobe"),
        ({"params": {"ef": 10**6}}, "/params/ef"),
        ({"params": {"exact": 1}}, "/params/exact"),
        ({"params": {"probes": 1}}, "/params/probes"),
        ({"fields": ["price"]}, "/fields/0"),
    ],
)
def test_what_cannot_be_asked_is_named(api: Api, query: dict[str, Any], change: dict[str, Any], pointer: str) -> None:
    answer = api.search(**query, **change)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "validation")
    assert pointer in [error["pointer"] for error in problem["errors"]]


def test_a_dial_that_the_index_has_not_is_refused(api: Api, query: dict[str, Any]) -> None:
    answer = api.search(**query, params={"nprobe": 4})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation")
    assert "of kind flat, which has no nprobe" in answer.json()["detail"]


def test_a_deeply_nested_filter_is_a_problem_and_no_crash(api: Api, query: dict[str, Any]) -> None:
    body = json.dumps(query)[:-1] + ', "filter": ' + '{"must": [' * 500 + "]}" * 500 + "}"
    answer = api.request("POST", "/v1/search", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation")


def test_the_gallery_is_browsed_under_a_filter(api: Api, rows: list[dict[str, Any]]) -> None:
    wanted = {"must_not": label_filter(rows, 3)["must"]}
    dropped = set(wanted["must_not"][0]["in"])
    expected = [row["item_id"] for row in rows if row["label"] not in dropped]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.get("/v1/items", params={"limit": 4, "filter": json.dumps(wanted), **cursor}).json()
        assert page["total"] == len(expected)
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == expected


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"must": [{"field": "price", "in": [1]}]}', "[" * 5000, "x" * 20_000]
)
def test_a_filter_that_the_gallery_cannot_use_is_named(api: Api, text: str) -> None:
    answer = api.get("/v1/items", params={"filter": text})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["?filter"]


def test_what_is_served_says_of_what_kind_it_is(api: Api) -> None:
    (index,) = api.get("/v1/indexes").json()["indexes"]
    assert (index["kind"], index["dials"], index["recall_at_10"]) == ("flat", {}, 1.0)


def test_every_shard_filters_as_its_table_says(engine: SearchEngine, rows: list[dict[str, Any]]) -> None:
    wanted = parse_filter(json.dumps(label_filter(rows, 5)))
    passing = {i for s in engine.shards for i, p in zip(s.item_ids, mask_of(wanted, s.items), strict=True) if p}
    assert passing == {row["item_id"] for row in rows if row["label"] in (wanted.must[0].among or [])}


def test_an_index_that_finds_too_little_is_not_served(tiny_root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tiny_root.index(INDEX).open().place / "manifest.json"
    before = place.read()
    manifest = json.loads(before)
    manifest["details"]["kind"] = "ivf-flat"
    manifest["details"]["recall"] = {"at_10": 0.5, "queries": 100, "asked": "composed", "least": 0.9}
    place.write(json.dumps(manifest).encode())
    try:
        with pytest.raises(LowRecallError, match=r"finds 0\.5000 of the ten best.*least 0\.9 .*--set kind=flat"):
            ServingSet.open(tiny_root, INDEX)
        with pytest.raises(LowRecallError):
            build_app({"root": tiny_root.uri, "index": INDEX})
    finally:
        place.write(before)
