"""Which examples make an epoch: what each sampler promises, whoever works, and from which step on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cirray.batches import Items, Pool, Sampler, samplers
from cirray.batches.one_apart import MAX_PARTS, OneApart
from cirray.batches.shuffle import grouped_order
from cirray.config import from_mapping
from cirray.datasets import items_table, one_word_pairs, replacement_text, triplets_table
from cirray.encoders import Vocabulary
from cirray.errors import ConfigError, DataError
from cirray.training.sampling import worker_share

references = st.lists(st.integers(0, 6), min_size=1, max_size=60).map(lambda values: np.array(values, dtype=np.int64))
CAPTIONS = ["red short dress", "blue short dress", "blue long dress", "green coat", "red coat", "black hat with veil"]
ATTRIBUTES = [("colour=red", "type=dress"), ("type=dress", "colour=blue"), ("type=coat", "colour=blue"), ("new",)]


def make(name: str, **settings: Any) -> Callable[[int], Sampler]:
    """Return a function of the number of items: the sampler over items and triplets made from a fixed seed."""

    def sampler(count: int) -> Sampler:
        generator = np.random.default_rng(5)
        items = Items(
            captions=[CAPTIONS[i % len(CAPTIONS)] for i in range(count)],
            categories=["" for _ in range(count)],
            attributes=[ATTRIBUTES[i % len(ATTRIBUTES)] for i in range(count)],
            members=np.arange(1, count),
        )
        pool = Pool(
            items=items,
            references=generator.integers(0, count // 4, count),
            targets=generator.integers(0, count, count),
            texts=[(f"first {i}", f"second {i}") for i in range(count)],
            categories=[("dress", "shirt", "toptee")[i % 3] for i in range(count)],
            use="one-anew",
        )
        kind = samplers[name]
        return kind(from_mapping(kind.Config, {"name": name, **settings}), pool)

    return sampler


ALL = pytest.mark.parametrize("name", list(samplers))


@ALL
@given(batch=st.sampled_from([4, 8, 12]), seed=st.integers(0, 2**40), epoch=st.integers(0, 50))
@settings(deadline=None, max_examples=20)
def test_any_number_of_workers_cuts_the_same_batches_from_any_step_on(
    name: str, batch: int, seed: int, epoch: int
) -> None:
    count = 60
    whole = make(name)(count).epoch(batch, seed, epoch)
    steps = make(name)(count).steps(batch)
    assert len(whole) >= steps * batch
    for workers in (1, 2, 4):
        # Each worker has a sampler of its own, and may have started in the middle.
        examples = [make(name)(count).epoch(batch, seed, epoch) for _ in range(workers)]
        for step in range(steps // 2, steps):
            shares = [examples[rank].take(worker_share(step, batch, rank, workers)) for rank in range(workers)]
            expected = whole.take(slice(step * batch, (step + 1) * batch))
            assert np.concatenate([share.references for share in shares]).tolist() == expected.references.tolist()
            assert np.concatenate([share.targets for share in shares]).tolist() == expected.targets.tolist()
            assert [text for share in shares for text in share.texts] == list(expected.texts)


@ALL
def test_epochs_and_seeds_have_orders_of_their_own(name: str) -> None:
    sampler = make(name)(60)
    orders = [sampler.epoch(4, seed, epoch).references.tolist() for seed, epoch in [(0, 0), (0, 0), (0, 1), (1, 0)]]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0] != orders[3]


@ALL
def test_the_vocabulary_has_every_word_of_every_epoch(name: str) -> None:
    sampler = make(name)(60)
    vocabulary = Vocabulary.of(sampler.texts())
    for epoch in range(5):
        assert [vocabulary.unknown_words(text) for text in sampler.epoch(4, 0, epoch).texts] == [[]] * len(
            sampler.epoch(4, 0, epoch)
        )


@ALL
def test_a_batch_larger_than_the_data_says_how_large_it_may_be(name: str) -> None:
    with pytest.raises(ConfigError, match=r"training.batch_size to \d+ or less"):
        make(name)(60).steps(1000)


@pytest.mark.parametrize("name", ["shuffle", "same-reference"])
def test_an_epoch_takes_every_triplet_once(name: str) -> None:
    sampler = make(name)(60)
    examples = sampler.epoch(7, 0, 3)
    found = sorted(zip(examples.references.tolist(), examples.targets.tolist(), strict=True))
    pool = sampler.pool
    assert found == sorted(zip(pool.references.tolist(), pool.targets.tolist(), strict=True))
    assert sampler.steps(7) == 60 // 7


@given(references, st.integers(2, 5), st.integers(0, 100), st.integers(0, 5))
@settings(deadline=None)
def test_as_many_of_a_reference_follow_each_other_as_there_are_up_to_the_group(
    rows: np.ndarray[tuple[int], np.dtype[np.int64]], group: int, seed: int, epoch: int
) -> None:
    order = grouped_order(rows, group, seed, epoch)
    assert sorted(order.tolist()) == list(range(len(rows)))
    ordered = rows[order].tolist()
    place = 0
    left = {reference: ordered.count(reference) for reference in set(ordered)}
    while place < len(ordered):
        reference = ordered[place]
        # Groups of one reference are full ones and at most one rest; each is unbroken.
        sizes = {min(group, left[reference]), left[reference] % group or group}
        run = 1
        while run < max(sizes) and place + run < len(ordered) and ordered[place + run] == reference:
            run += 1
        size = run if run in sizes else min(sizes)
        assert ordered[place : place + size] == [reference] * size
        left[reference] -= size
        place += size
    assert all(count == 0 for count in left.values())


def test_the_order_of_the_css_recipes_stays_what_their_results_were_measured_with() -> None:
    rows = np.array([0, 0, 1, 1, 1, 2])
    assert grouped_order(rows, 2, 0, 0).tolist() == PINNED


PINNED = [3, 2, 5, 0, 1, 4]


def test_batches_are_of_one_category_each_and_all_categories_come() -> None:
    sampler = make("category-pure")(70)
    examples = sampler.epoch(4, 0, 0)
    order = sampler.order(4, 0, 0)  # type: ignore[attr-defined]
    categories = np.asarray(sampler.pool.categories)[order].reshape(-1, 4)
    assert all(len(set(batch)) == 1 for batch in categories.tolist())
    assert sampler.steps(4) == len(categories) == sum(count // 4 for count in (24, 23, 23))
    assert len(set(order.tolist())) == len(order)
    assert len(set(categories[:, 0].tolist())) == 3
    assert examples.references.tolist() == sampler.pool.references[order].tolist()


def one_apart_by_hand(first: str, second: str) -> bool:
    a, b = first.split(), second.split()
    return len(a) == len(b) and sum(x != y for x, y in zip(a, b, strict=True)) == 1


sentences = st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4).map(" ".join), max_size=25)


@given(sentences)
@settings(deadline=None)
def test_captions_are_one_apart_where_a_comparison_of_all_finds_one_word_pairs(captions: list[str]) -> None:
    kind = samplers["caption-pairs"]
    blank, none = [""] * len(captions), np.zeros(0, dtype=np.int64)
    items = Items(captions, blank, [()] * len(captions), np.arange(len(captions)))
    sampler = kind(kind.Config(name="caption-pairs"), Pool(items, none, none, [], []))
    found: set[tuple[str, str]] = set()
    for epoch in range(40):
        examples = sampler.epoch(2, 0, epoch)
        ends = zip(examples.references.tolist(), examples.targets.tolist(), examples.texts, strict=True)
        for reference, target, text in ends:
            assert text == replacement_text(captions[reference], captions[target])
            found.add((captions[reference], captions[target]))
    pairs = set(one_word_pairs(captions))
    assert found <= pairs
    assert {source for source, _ in found} == {source for source, _ in pairs}


def test_every_sibling_is_as_likely() -> None:
    sequences = [(("0", word),) for word in "abcde"]
    graph = OneApart.of(sequences)
    (parent,) = graph.parents[2]
    drawn = [graph.sibling(2, parent, (n + 0.5) / 40) for n in range(40)]
    assert {number: drawn.count(number) for number in set(drawn)} == {0: 10, 1: 10, 3: 10, 4: 10}


def test_caption_pairs_are_drawn_anew_from_the_items_of_the_split_for_each_that_has_one() -> None:
    sampler = make("caption-pairs")(60)
    captions = sampler.pool.items.captions
    modifiable = [row for row in range(1, 60) if captions[row] != "black hat with veil"]
    epochs = [sampler.epoch(4, 0, epoch) for epoch in range(3)]
    for examples in epochs:
        assert sorted(examples.references.tolist()) == modifiable
        for reference, target, text in zip(examples.references, examples.targets, examples.texts, strict=True):
            assert target != 0  # is in no split
            assert one_apart_by_hand(captions[reference], captions[target])
            assert text == replacement_text(captions[reference], captions[target])
    partners = [dict(zip(e.references.tolist(), e.targets.tolist(), strict=True)) for e in epochs]
    assert partners[0] != partners[1]
    # "blue short dress" goes to "red short dress" and to "blue long dress".
    assert {captions[target] for each in partners for row, target in each.items() if row % 6 == 1} == {
        "red short dress",
        "blue long dress",
    }


def test_attribute_pairs_differ_in_one_value_of_the_same_attribute() -> None:
    sampler = make("attribute-pairs")(60)
    attributes = sampler.pool.items.attributes
    examples = sampler.epoch(4, 0, 0)
    assert {row % 4 for row in examples.references.tolist()} == {0, 1, 2}
    for reference, target, text in zip(examples.references, examples.targets, examples.texts, strict=True):
        [gone], [new] = (
            set(attributes[reference]) - set(attributes[target]),
            set(attributes[target]) - set(attributes[reference]),
        )
        assert gone.split("=")[0] == new.split("=")[0]
        assert text == f"replace {gone.split('=')[1]} with {new.split('=')[1]}"


def attribute_pairs(*attributes: tuple[str, ...], **settings: str) -> set[tuple[int, int, str]]:
    """Return all (reference, target, text) of many epochs over items of these attributes."""
    kind = samplers["attribute-pairs"]
    count, none = len(attributes), np.zeros(0, dtype=np.int64)
    items = Items([""] * count, [""] * count, attributes, np.arange(count))
    sampler = kind(
        from_mapping(kind.Config, {"name": "attribute-pairs", **settings}), Pool(items, none, none, [], [])
    )
    epochs = [sampler.epoch(2, 0, epoch) for epoch in range(30)]
    return {
        each
        for examples in epochs
        for each in zip(examples.references.tolist(), examples.targets.tolist(), examples.texts, strict=True)
    }


def test_columns_stand_for_themselves_only_and_empty_ones_for_nothing() -> None:
    found = attribute_pairs(
        ("dark blue", "long", "dress"),
        ("red", "long", "dress"),
        ("red", "", "dress"),  # which length it has is not known
        ("red", "short", "dress"),
        ("long", "red", "dress"),  # the same values in other columns
    )
    assert found == {
        (0, 1, "replace dark blue with red"),
        (1, 0, "replace red with dark blue"),
        (1, 3, "replace long with short"),
        (3, 1, "replace short with long"),
    }


def test_tags_stand_for_one_another_in_any_order() -> None:
    tags = [("car", "tree"), ("tree", "lamp"), ("lamp", "wall", "sky")]
    assert attribute_pairs(*tags, unnamed="tag") == {(0, 1, "replace car with lamp"), (1, 0, "replace lamp with car")}
    assert attribute_pairs(*tags) == set()


def test_triplets_without_a_public_target_are_refused() -> None:
    items = items_table([{"item_id": each, "path": each, "splits": ["test"]} for each in "ab"])
    triplets = triplets_table(
        [
            {"query_id": "0", "reference_id": "a", "target_id": "b", "texts": ["make it red"]},
            {"query_id": "1", "reference_id": "b", "target_id": "", "texts": ["make it blue"]},
        ]
    )
    with pytest.raises(DataError, match="1 of the 2 triplets of split 'test' have no public target"):
        Pool.of(items, triplets, "test")


def test_items_of_which_no_two_are_one_apart_are_refused() -> None:
    kind = samplers["caption-pairs"]
    items = Items(["a b", "c d"], ["", ""], [(), ()], np.arange(2))
    none = np.zeros(0, dtype=np.int64)
    with pytest.raises(ConfigError, match=r"No two of the 2 training items.*training\.sampler"):
        kind(kind.Config(name="caption-pairs"), Pool(items, none, none, [], [])).steps(2)


def test_captions_without_end_are_one_apart_from_none() -> None:
    words = [(str(place), "a") for place in range(MAX_PARTS)]
    for extra, found in (([], 2), ([("256", "a")], 0)):
        graph = OneApart.of([(*words[:-1], (words[-1][0], last), *extra) for last in "ab"])
        assert sum(map(bool, graph.parents)) == found
