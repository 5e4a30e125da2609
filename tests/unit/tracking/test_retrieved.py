"""Retrieved pictures: the same queries for every model, and what a plain search of the gallery finds."""

from __future__ import annotations

import numpy as np
import pytest

from cirray.bundles import Bundle
from cirray.datasets.prepared import PreparedDataset
from cirray.errors import ConfigError
from cirray.evaluation import protocols
from cirray.storage import Root
from cirray.tracking.pictures import retrieved
from tests.service_world import SPLIT, put_bundle, put_world

PROTOCOL = protocols["standard"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Root, PreparedDataset]:
    root = Root.open(str(tmp_path_factory.mktemp("root")), create=True)
    return root, put_world(root, num_scenes=12)


@pytest.fixture(scope="module")
def bundle(world: tuple[Root, PreparedDataset]) -> Bundle:
    return Bundle.open(put_bundle(*world))


def test_hits_and_ranks_are_those_of_a_plain_search(world: tuple[Root, PreparedDataset], bundle: Bundle) -> None:
    dataset = world[1]
    section = retrieved(bundle, dataset, SPLIT, PROTOCOL)
    ids = dataset.gallery(SPLIT)["item_id"].to_pylist()
    labels = dict(zip(*(dataset.items[name].to_pylist() for name in ("item_id", "label")), strict=True))
    vectors = bundle.embed([dataset.image(item_id) for item_id in ids])
    assert len(section.cases) == 6
    for case in section.cases:
        query = bundle.compose([dataset.image(case.reference.name)], [case.text])[0]
        order = [ids[place] for place in np.argsort(-(vectors @ query), kind="stable")]
        order.remove(case.reference.name)
        assert case.target is not None
        right = [labels[name] == labels[case.target.name] for name in order]
        (answer,) = case.answers
        assert [hit.name for hit, _ in answer.hits] == order[:8]
        assert [is_right for _, is_right in answer.hits] == right[:8]
        assert answer.rank == right.index(True) + 1


def test_queries_are_the_same_for_every_model(world: tuple[Root, PreparedDataset], bundle: Bundle) -> None:
    other = Bundle.open(put_bundle(*world, seed=1))
    asked = [
        [(case.reference.name, case.text) for case in retrieved(model, world[1], SPLIT, PROTOCOL).cases]
        for model in (bundle, other)
    ]
    assert asked[0] == asked[1]


def test_a_large_gallery_is_cut_down_and_the_page_says_so(
    world: tuple[Root, PreparedDataset], bundle: Bundle
) -> None:
    whole = retrieved(bundle, world[1], SPLIT, PROTOCOL)
    size = world[1].gallery(SPLIT).num_rows
    cut = retrieved(bundle, world[1], SPLIT, PROTOCOL, gallery=size // 2)
    assert f"Ranked over {size // 2} of {size} pictures" in cut.note
    assert "Ranked over" not in whole.note
    for full, part in zip(whole.cases, cut.cases, strict=True):
        assert (full.reference, full.text, full.target) == (part.reference, part.text, part.target)
        ranks = full.answers[0].rank, part.answers[0].rank
        assert ranks[0] is not None
        assert ranks[1] is not None
        assert 1 <= ranks[1] <= ranks[0]
    assert any(
        full.answers[0].rank != part.answers[0].rank for full, part in zip(whole.cases, cut.cases, strict=True)
    )


def test_what_classifies_retrieves_nothing(world: tuple[Root, PreparedDataset], bundle: Bundle) -> None:
    classifying = next(protocols[name] for name in protocols if protocols[name].candidates is not None)
    with pytest.raises(ConfigError, match="classifies"):
        retrieved(bundle, world[1], SPLIT, classifying)
