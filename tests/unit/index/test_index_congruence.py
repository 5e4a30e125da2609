"""Flat shards together answer exactly what one search in all items answers, filters and exclusions included."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from cirray.index import SHARD_ITEMS, SearchOptions, Shard, merge, parse_filter, shard_of
from tests.clustered import unit

_CATEGORIES = ["dress", "shirt", ""]
_TAGS = ["red", "new", "sale"]
_CONDITIONS = st.one_of(
    st.builds(lambda v: {"field": "category", "in": v}, st.lists(st.sampled_from(_CATEGORIES), min_size=1)),
    st.builds(lambda v: {"field": "attributes", "in": v}, st.lists(st.sampled_from(_TAGS), min_size=1)),
)
_FILTERS = st.fixed_dictionaries(
    {}, optional={name: st.lists(_CONDITIONS, max_size=2) for name in ("must", "must_not", "should")}
)


def _passes(wanted: dict[str, Any], row: dict[str, Any]) -> bool:
    def holds(condition: dict[str, Any]) -> bool:
        value = row[condition["field"]]
        return any(each in condition["in"] for each in (value if isinstance(value, list) else [value]))

    should = wanted.get("should")
    return (
        all(map(holds, wanted.get("must", [])))
        and not any(map(holds, wanted.get("must_not", [])))
        and (not should or any(map(holds, should)))
    )


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 80),
    num_shards=st.integers(1, 5),
    k=st.integers(1, 40),
    wanted=st.none() | _FILTERS,
    spread=st.sampled_from([0.0, 1e-7, 1.0]),
)
def test_sharded_search_is_one_flat_search(
    seed: int, count: int, num_shards: int, k: int, wanted: dict[str, Any] | None, spread: float
) -> None:
    rng = np.random.default_rng(seed)
    distinct = rng.normal(size=(6, 5))
    vectors = unit(distinct[rng.integers(0, 6, count)] + spread * rng.normal(size=(count, 5)))
    queries = unit(distinct[rng.integers(0, 6, 3)] + 0.1 * rng.normal(size=(3, 5)))
    rows: list[dict[str, Any]] = [
        {
            "item_id": f"i{number}",
            "label": "",
            "caption": "",
            "category": _CATEGORIES[rng.integers(0, 3)],
            "attributes": [tag for tag in _TAGS if rng.random() < 0.4],
        }
        for number in rng.permutation(500)[:count].tolist()
    ]
    exclude = [row["item_id"] for row in rows if rng.random() < 0.15]
    asked = SearchOptions(k, exclude, None if wanted is None else parse_filter(json.dumps(wanted)))
    answers = []
    for number in range(num_shards):
        own = [place for place, row in enumerate(rows) if shard_of(row["item_id"], num_shards) == number]
        table = pa.Table.from_pylist([rows[place] for place in own], schema=SHARD_ITEMS)
        answers.append(Shard.build(table, vectors[own], 5).find(queries, [asked] * 3))
    flat = Shard.build(pa.Table.from_pylist(rows, schema=SHARD_ITEMS), vectors, 5).find(queries, [asked] * 3)
    for place, query in enumerate(queries):
        merged = merge([answer[place].hits for answer in answers], k)
        assert merged == flat[place].hits
        scored = [
            (-round(math.fsum(vector.astype(np.float64) * query.astype(np.float64)), 14), row["item_id"])
            for vector, row in zip(vectors, rows, strict=True)
            if row["item_id"] not in exclude and (wanted is None or _passes(wanted, row))
        ]
        assert [hit.item_id for hit in merged] == [item_id for _, item_id in sorted(scored)][:k]
