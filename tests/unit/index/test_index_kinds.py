"""Every kind of index against brute force: right scores, right order, filters kept, never short."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cirray.errors import ArtifactError, QueryError
from cirray.exact import exact_scores
from cirray.index import SearchOptions, Shard, check_width, kinds, mask_of, parse_filter, plan
from cirray.index.base import Base
from cirray.index.choice import chosen
from cirray.index.kinds import Dials
from cirray.index.ranking import Ranked
from tests.clustered import clustered, items_of

Vectors = npt.NDArray[np.float32]
ROWS, DIM = 4000, 24
APPROXIMATE = [name for name in kinds if name != "flat"]
SHIRTS = parse_filter('{"must": [{"field": "category", "in": ["shirt"]}]}')
MOST = parse_filter('{"must_not": [{"field": "category", "in": ["shirt"]}]}')
RARE = parse_filter('{"must": [{"field": "attributes", "in": ["rare"]}]}')


@pytest.fixture(scope="module")
def world() -> tuple[Any, Vectors, Vectors]:
    vectors, queries = clustered(ROWS, DIM, 3)
    return items_of(ROWS), vectors, queries


@pytest.fixture(scope="module", params=list(kinds))
def shard(request: pytest.FixtureRequest, world: tuple[Any, Vectors, Vectors]) -> Shard:
    items, vectors, _ = world
    return Shard.build(items, vectors, DIM, request.param, chosen(request.param, ROWS, DIM, Dials()).dials)


@pytest.fixture(params=["as it is", "ann for every filter"])
def planned(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Also without the scan of few rows, which would keep every filter of so small a shard from the index."""
    if request.param != "as it is":
        monkeypatch.setattr(plan, "SCAN_ROWS", 0)
        monkeypatch.setattr(plan, "SCAN_SHARE", 0.0)
    return str(request.param)


def naive(shard: Shard, query: npt.NDArray[np.float32], k: int, options: SearchOptions) -> list[tuple[str, float]]:
    """Rank all items that pass by their scores on the stored vectors, one by one."""
    mask = np.ones(len(shard), bool) if options.filter is None else mask_of(options.filter, shard.items)
    scored = []
    for row, vector in enumerate(shard.vectors()):
        if mask[row] and shard.item_ids[row] not in options.exclude:
            scored.append((-float(exact_scores(vector[None], query)[0]), shard.item_ids[row]))
    return [(item_id, -score) for score, item_id in sorted(scored)[:k]]


@pytest.mark.parametrize("wanted", [None, SHIRTS, MOST, RARE], ids=["all", "shirts", "most", "rare"])
def test_hits_are_real_and_in_order_and_enough(
    shard: Shard, world: tuple[Any, Vectors, Vectors], wanted: Any, planned: str
) -> None:
    queries = world[2]
    passing = set(shard.item_ids) if wanted is None else set(np.array(shard.item_ids)[mask_of(wanted, shard.items)])
    stored = dict(zip(shard.item_ids, shard.vectors(), strict=True))
    excluded = [tuple(shard.item_ids[:: 7 + number]) for number in range(len(queries))]
    for k in (10, 200):
        options = [SearchOptions(k, ids, wanted) for ids in excluded]
        for query, asked, found in zip(queries, options, shard.find(queries, options), strict=True):
            ids = [hit.item_id for hit in found.hits]
            assert len(ids) == len(set(ids)) == min(k, len(passing - set(asked.exclude)))
            assert set(ids) <= passing - set(asked.exclude)
            assert all(hit.score == exact_scores(stored[hit.item_id][None], query)[0] for hit in found.hits)
            assert found.hits == sorted(found.hits, key=lambda hit: (-hit.score, hit.item_id))
            assert found.complete
            assert (found.plan is None) == (wanted is None)


@pytest.mark.parametrize("wanted", [None, SHIRTS, RARE], ids=["all", "shirts", "rare"])
def test_an_exact_search_is_the_naive_ranking(shard: Shard, world: tuple[Any, Vectors, Vectors], wanted: Any) -> None:
    queries = world[2][:4]
    options = [SearchOptions(15, (shard.item_ids[5],), wanted, exact=True)] * 4
    for query, asked, found in zip(queries, options, shard.find(queries, options), strict=True):
        assert [(hit.item_id, hit.score) for hit in found.hits] == naive(shard, query, 15, asked)
        assert found.plan == (None if wanted is None else "exact-scan")


@pytest.mark.parametrize("name", APPROXIMATE)
def test_an_approximate_index_finds_most_and_more_where_it_looks_further(
    world: tuple[Any, Vectors, Vectors], name: str
) -> None:
    items, vectors, queries = world
    shard = Shard.build(items, vectors, DIM, name, chosen(name, ROWS, DIM, Dials()).dials)
    truth = [{hit.item_id for hit in hits} for hits in Shard.build(items, vectors, DIM).search(queries, 10)]

    dial = {"nprobe": "nprobe", "ef_search": "ef"}[shard.base.kind.width]

    def recall(width: int | None = None) -> float:
        asked = SearchOptions(10, nprobe=width) if dial == "nprobe" else SearchOptions(10, ef=width)
        found = shard.find(queries, [asked] * len(queries))
        return float(np.mean([len({h.item_id for h in f.hits} & t) / 10 for f, t in zip(found, truth, strict=True)]))

    # All lists, and a graph searched as widely as it can be: what is left is what float16 and a byte cannot tell.
    assert recall(1) < recall() <= recall(4000)
    assert recall(4000) > 0.98
    assert shard.base.index.ntotal == ROWS
    if dial == "nprobe":
        assert shard.base.index.nprobe == 1  # FAISS's own default: a request never turns the shared index's dials


def test_filters_that_leave_little_are_scanned_and_others_widen_the_search(
    shard: Shard, world: tuple[Any, Vectors, Vectors], monkeypatch: pytest.MonkeyPatch
) -> None:
    query = world[2][:1]

    def plan_for(wanted: Any) -> str | None:
        return shard.find(query, [SearchOptions(5, (), wanted)])[0].plan

    assert {plan_for(wanted) for wanted in (RARE, SHIRTS, MOST)} == {"exact-scan"}
    monkeypatch.setattr(plan, "SCAN_ROWS", 100)
    found = [plan_for(wanted) for wanted in (RARE, SHIRTS, MOST)]
    assert found == (["exact-scan"] * 3 if shard.base.is_flat else ["exact-scan", "widened-ann", "ann"])


@pytest.mark.parametrize("name", APPROXIMATE)
def test_a_search_that_ran_dry_is_made_up_for_by_a_scan(
    world: tuple[Any, Vectors, Vectors], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, vectors, queries = world
    shard = Shard.build(items, vectors, DIM, name, chosen(name, ROWS, DIM, Dials()).dials)
    # One list of many never holds so many; a graph does as a rule.
    assert len(shard.find(queries[:1], [SearchOptions(2000, nprobe=1)])[0].hits) == 2000
    honest = Base.approximate

    def loses_one(*given: Any) -> list[Ranked]:
        return [Ranked(found.rows[1:], found.scores[1:]) for found in honest(*given)]

    monkeypatch.setattr(Base, "approximate", loses_one)
    monkeypatch.setattr(plan, "SCAN_ROWS", 0)
    monkeypatch.setattr(plan, "SCAN_SHARE", 0.0)
    for wanted in (RARE, SHIRTS, MOST):
        asked = SearchOptions(30, (), wanted)
        (found,) = shard.find(queries[:1], [asked])
        assert found.plan == "exact-scan"
        assert [(hit.item_id, hit.score) for hit in found.hits] == naive(shard, queries[0], 30, asked)


def test_rows_that_are_gone_are_never_found(shard: Shard, world: tuple[Any, Vectors, Vectors]) -> None:
    queries = world[2]
    alive = np.random.default_rng(1).random(ROWS) < 0.5
    for wanted in (None, SHIRTS):
        found = shard.find(queries, [SearchOptions(20, (), wanted)] * len(queries), alive)
        dead = {item_id for item_id, lives in zip(shard.item_ids, alive, strict=True) if not lives}
        assert all(len(each.hits) == 20 for each in found)
        assert not dead & {hit.item_id for each in found for hit in each.hits}


def test_a_least_score_cuts_the_list_and_says_whether_it_is_whole(
    shard: Shard, world: tuple[Any, Vectors, Vectors]
) -> None:
    query = world[2][:1]
    whole = shard.find(query, [SearchOptions(20)])[0].hits
    (cut,) = shard.find(query, [SearchOptions(20, min_score=whole[6].score)])
    assert cut.hits == [hit for hit in whole if hit.score >= whole[6].score]
    assert cut.complete == shard.base.is_flat
    (exact,) = shard.find(query, [SearchOptions(20, min_score=whole[6].score, exact=True)])
    assert exact.complete


def test_queries_that_ask_differently_are_answered_together_as_alone(
    shard: Shard, world: tuple[Any, Vectors, Vectors]
) -> None:
    queries = world[2][:6]
    options = [
        SearchOptions(5),
        SearchOptions(9, (shard.item_ids[0],)),
        SearchOptions(5, (), SHIRTS),
        SearchOptions(5, exact=True),
        SearchOptions(5, (), SHIRTS, min_score=0.3),
        SearchOptions(5, (shard.item_ids[3],)),
    ]
    together = shard.find(queries, options)
    assert together == [shard.find(queries[n : n + 1], options[n : n + 1])[0] for n in range(6)]


def test_each_kind_comes_back_from_its_bytes_and_is_built_to_the_same_ones(
    shard: Shard, world: tuple[Any, Vectors, Vectors]
) -> None:
    items, vectors, queries = world
    name = next(name for name in kinds if kinds[name] is shard.base.kind)
    halves = shard.halves_bytes()
    back = Shard.from_bytes(shard.index_bytes(), shard.items_bytes(), halves, name, shard.base.dials)
    options = [SearchOptions(12, (), SHIRTS)] * len(queries)
    assert back.find(queries, options) == shard.find(queries, options)
    assert back.search(queries, 12) == shard.search(queries, 12)
    order = np.random.default_rng(9).permutation(ROWS)
    again = Shard.build(items.take(order), vectors[order], DIM, name, shard.base.dials)
    assert again.index_bytes() == shard.index_bytes()
    assert again.items_bytes() == shard.items_bytes()
    assert again.halves_bytes() == halves
    assert (halves is None) == (name == "flat")
    assert halves is None or len(halves) == 2 * ROWS * DIM


@pytest.mark.parametrize("name", APPROXIMATE)
@pytest.mark.parametrize("rows", [0, 1, 30, 60])
def test_a_shard_of_few_rows_is_of_any_kind(name: str, rows: int) -> None:
    vectors, queries = clustered(rows, 8, 1, queries=3)
    shard = Shard.build(items_of(rows), vectors, 8, name, chosen(name, 5000, 8, Dials()).dials)
    back = Shard.from_bytes(shard.index_bytes(), shard.items_bytes(), shard.halves_bytes(), name, shard.base.dials)
    for hits in back.search(queries, 10):
        assert len(hits) == min(10, rows)


def test_vectors_of_another_shard_beside_an_index_are_refused(world: tuple[Any, Vectors, Vectors]) -> None:
    items, vectors, _ = world
    dials = chosen("ivf-flat", ROWS, DIM, Dials()).dials
    shard = Shard.build(items, vectors, DIM, "ivf-flat", dials)
    halves = shard.halves_bytes() or b""
    for wrong in (halves[:-2], halves + b"\0\0", b"", None):
        with pytest.raises(ArtifactError, match="A shard cannot be read"):
            Shard.from_bytes(shard.index_bytes(), shard.items_bytes(), wrong, "ivf-flat", dials)


@pytest.mark.parametrize(
    ("kind", "nprobe", "ef", "message"),
    [
        ("flat", 4, None, "of kind flat, which has no nprobe; it compares every item"),
        ("hnsw", 4, None, "of kind hnsw, which has no nprobe; it has ef"),
        ("ivf-sq8", None, 4, "of kind ivf-sq8, which has no ef; it has nprobe"),
    ],
)
def test_a_dial_that_a_kind_has_not_is_refused(kind: str, nprobe: int | None, ef: int | None, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        check_width(kind, nprobe, ef)
    check_width("ivf-flat", 4, None)
    check_width("hnsw", None, 4)
    check_width("flat", None, None)
