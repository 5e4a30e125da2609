"""Triplets by rule, against loops over all pairs."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cirray.datasets.catalog import AttributeRule, CaptionWordRule, ItemValues, make_triplets

VALUES = st.sampled_from(["", "red", "blue", "dark red"])
ITEMS = st.lists(st.tuples(VALUES, VALUES, st.sampled_from(["", "x", "y"])), max_size=12)


def values_of(rows: list[tuple[str, str, str]]) -> ItemValues:
    ids = [f"{(7 * place) % 97:03d}" for place in range(len(rows))]
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return ItemValues(ids, [" ".join(row) for row in rows], dict(zip("abc", columns, strict=True)))


def asked(items: ItemValues, rule: AttributeRule | CaptionWordRule) -> list[tuple[str, str, str, str]]:
    table = make_triplets(items, rule)
    assert len(set(table["query_id"].to_pylist())) == table.num_rows
    return [(r["category"], r["reference_id"], r["texts"][0], r["target_id"]) for r in table.to_pylist()]


@settings(deadline=None)
@given(ITEMS)
def test_each_other_value_where_the_rest_is_equal_is_one_query(rows: list[tuple[str, str, str]]) -> None:
    items = values_of(rows)
    expected: dict[tuple[str, str, str], set[str]] = {}
    for i, one in enumerate(rows):
        for j, other in enumerate(rows):
            differing = [place for place in range(3) if one[place] != other[place]]
            if all(one) and all(other) and len(differing) == 1 and differing[0] in (0, 2):
                place = differing[0]
                key = ("abc"[place], items.ids[i], f"replace {one[place]} with {other[place]}")
                expected.setdefault(key, set()).add(items.ids[j])
    found = asked(items, AttributeRule(rule="attribute", change=("a", "c")))
    assert [query[:3] for query in found] == sorted(expected)
    for *query, target in found:
        assert target in expected[query[0], query[1], query[2]]


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from("abc"), max_size=4).map(" ".join), max_size=8))
def test_captions_are_one_word_apart_by_token(captions: list[str]) -> None:
    items = ItemValues([str(place) for place in range(len(captions))], captions, {})
    expected = set()
    for i, one in enumerate(captions):
        for other in captions:
            a, b = one.split(), other.split()
            differing = [place for place in range(len(a)) if a[place] != b[place]] if len(a) == len(b) else []
            if len(differing) == 1:
                old, new = a[differing[0]], b[differing[0]]
                expected.add((str(i), f"replace {old} with {new}", other))
    found = asked(items, CaptionWordRule(rule="caption-word"))
    assert {(reference, text, captions[int(target)]) for _, reference, text, target in found} == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize("seed", [0, 5])
def test_the_draw_is_the_one_that_is_described(seed: int) -> None:
    rows = [(f"v{place % 5}", "red", "x") for place in range(40)]
    items = values_of(rows)
    every = [query[:3] for query in asked(items, AttributeRule(rule="attribute", change=("a",)))]
    assert len(every) == 40 * 4
    taken = np.sort(np.random.default_rng(seed).choice(160, 30, replace=False))
    drawn = asked(items, AttributeRule(rule="attribute", change=("a",), limit=30, seed=seed))
    assert [query[:3] for query in drawn] == [every[place] for place in taken]
    assert drawn == asked(items, AttributeRule(rule="attribute", change=("a",), limit=30, seed=seed))


def test_each_reference_gives_no_more_than_it_may_and_targets_vary() -> None:
    items = values_of([(f"v{place % 4}", "red", "x") for place in range(40)])
    found = asked(items, AttributeRule(rule="attribute", change=("a",), per_reference=2))
    assert len(found) == len({query[:3] for query in found}) == 80
    assert all(sum(query[1] == item for query in found) == 2 for item in items.ids)
    assert len({target for *_, target in found}) > 20
    fewer = asked(items, AttributeRule(rule="attribute", change=("a",), per_reference=2, limit=7))
    assert len(fewer) == 7
    assert {query[:3] for query in fewer} < {query[:3] for query in found}


def test_only_what_is_fixed_must_be_equal() -> None:
    items = ItemValues(["1", "2"], ["", ""], {"a": ["x", "y"], "b": ["p", "q"], "c": ["", ""]})
    assert asked(items, AttributeRule(rule="attribute", change=("a",))) == []
    assert [q[2] for q in asked(items, AttributeRule(rule="attribute", change=("a",), fixed=()))] == [
        "replace x with y",
        "replace y with x",
    ]


def test_a_large_group_is_drawn_from_without_writing_all_of_it_out() -> None:
    """200,000 items of 2,000 values: 400 million queries."""
    ids = [f"{place:06d}" for place in range(200_000)]
    items = ItemValues(ids, [""] * len(ids), {"a": [str(place % 2000) for place in range(len(ids))]})
    assert len(asked(items, AttributeRule(rule="attribute", limit=10))) == 10


def test_a_caption_of_thousands_of_words_takes_little_memory() -> None:
    words = ["word"] * 4000
    captions = [" ".join([*words, last]) for last in ("red", "blue")]
    tracemalloc.start()
    found = asked(ItemValues(["0", "1"], captions, {}), CaptionWordRule(rule="caption-word"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(text, target) for _, _, text, target in found] == [
        ("replace red with blue", "1"),
        ("replace blue with red", "0"),
    ]
    assert peak < 32 << 20
