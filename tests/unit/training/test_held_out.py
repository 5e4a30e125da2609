"""What is kept from training, and measured on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cirray.composers import Retriever
from cirray.config import override
from cirray.datasets import PreparedDataset
from cirray.encoders import Vocabulary
from cirray.errors import DataError
from cirray.recipes import HoldOutConfig, RunConfig, recipes
from cirray.storage import Location
from cirray.training.data import make_sampler, training_texts
from cirray.training.held_out import HELD_OUT, held_out, held_out_part, training_part, with_held_out
from cirray.training.validation import Validation
from cirray.training.world import World
from cirray.tuning.plan import Measuring
from tests.artifacts import png, put_dataset

COLOURS = {"red": (250, 10, 10), "green": (10, 250, 10), "blue": (10, 10, 250), "white": (240, 240, 240)}
COPIES = 12
HALF = '{"share": 0.5, "seed": 1}'


def dataset(place: Path) -> PreparedDataset:
    """Return a dataset of copies of four colours, in which each item is to become another colour's."""
    generator = np.random.default_rng(0)
    items = [
        {
            "item_id": f"{colour}-{copy:02d}",
            "label": colour,
            "category": "toy",
            "attributes": [colour],
            "caption": f"{colour} thing",
            "splits": ["train"],
            "image": png((generator.integers(0, 5, (64, 64, 3)) + np.array(rgb)).astype(np.uint8)),
        }
        for colour, rgb in sorted(COLOURS.items())
        for copy in range(COPIES)
    ]
    names = [item["item_id"] for item in items]
    triplets = [
        {
            "query_id": f"{number:04d}",
            "reference_id": names[number % len(names)],
            "category": "toy",
            "target_id": names[(7 * number + 5) % len(names)],
            "texts": [f"make it {str(names[(7 * number + 5) % len(names)]).split('-')[0]}"],
        }
        for number in range(2 * len(names))
    ]
    return put_dataset(Location.parse(str(place)), "css-2d", items, {"train": triplets})


def config(*assignments: str) -> RunConfig:
    return override(recipes["css-2d/text-only"](), ["training.batch_size=8", f"hold_out={HALF}", *assignments])


@settings(deadline=None)
@given(st.integers(0, 2**40), st.floats(0.05, 0.95))
def test_the_share_is_kept_and_follows_from_the_seed(seed: int, share: float) -> None:
    ids = [f"item-{number}" for number in range(1000)]
    hold_out = HoldOutConfig(share=share, seed=seed)
    out = held_out(ids, hold_out)
    assert out == held_out(ids, hold_out)
    assert np.mean(out) == pytest.approx(share, abs=0.08)
    more = held_out(ids, HoldOutConfig(share=min(0.99, share + 0.04), seed=seed))
    assert all(later for earlier, later in zip(out, more, strict=True) if earlier)


def test_no_reference_is_in_training_and_in_validation(tmp_path: Path) -> None:
    data, run = dataset(tmp_path), config()
    _, rest = training_part(run, data.items, data.triplets("train"))
    marked, queries = held_out_part(run, data, [HELD_OUT])
    assert rest.num_rows + queries.num_rows == data.triplets("train").num_rows
    assert not {*rest["reference_id"].to_pylist()} & {*queries["reference_id"].to_pylist()}
    shown = {*queries["reference_id"].to_pylist(), *queries["target_id"].to_pylist()}
    gallery = zip(marked["item_id"].to_pylist(), marked["splits"].to_pylist(), strict=True)
    assert {item for item, splits in gallery if HELD_OUT in splits} == shown
    trained = make_sampler(run, data)
    ids = data.items["item_id"].to_pylist()
    assert {ids[row] for row in trained.pool.references.tolist()} == {*rest["reference_id"].to_pylist()}


def test_where_pairs_are_made_items_are_held_out_and_paired_among_themselves(tmp_path: Path) -> None:
    data, run = dataset(tmp_path), config('training.sampler={"name": "attribute-pairs"}')
    _, queries = held_out_part(run, data, [HELD_OUT])
    measured = {*queries["reference_id"].to_pylist(), *queries["target_id"].to_pylist()}
    ids = data.items["item_id"].to_pylist()
    sampler = make_sampler(run, data)
    epoch = sampler.epoch(8, 0, 0)
    trained = {ids[row] for row in [*epoch.references.tolist(), *epoch.targets.tolist()]}
    assert len(measured) > 10
    assert len(trained) > 10
    assert not measured & trained
    assert held_out_part(run, data, [HELD_OUT])[1].equals(queries)


def test_too_few_queries_measure_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="are the least"):
        held_out_part(config('hold_out={"share": 0.0001}'), dataset(tmp_path), [HELD_OUT])


def test_nothing_is_held_out_unless_asked_for(tmp_path: Path) -> None:
    data, run = dataset(tmp_path), config("hold_out=null")
    assert training_part(run, data.items, data.triplets("train")) == (data.items, data.triplets("train"))


@pytest.mark.parametrize("protocol", ["standard", "catalog", "fashioniq-b"])
def test_a_run_is_measured_on_what_it_holds_out(tmp_path: Path, protocol: str) -> None:
    validation = json.dumps({"split": HELD_OUT, "protocol": protocol})
    run = config(f"training.validation={validation}")
    data = with_held_out(run, dataset(tmp_path))
    sampler = make_sampler(run, data)
    vocabulary = Vocabulary.of(training_texts(run, sampler), run.model.tokenizer)
    torch.manual_seed(0)
    model = Retriever(run.model, vocabulary).eval()
    assert run.training.validation is not None
    found = Validation(run.training.validation, data, vocabulary, World())(model)
    measuring = Measuring.of(run, dataset(tmp_path))
    assert list(found) == measuring.metrics
    assert measuring.queries == held_out_part(run, data, [HELD_OUT])[1].num_rows
    assert 0 <= found["R@10"] <= found["R@50"] <= 100.0


def test_a_dataset_of_which_nothing_is_held_out_stays_what_it_is(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    assert with_held_out(config("hold_out=null"), data) is data
    assert with_held_out(config(), data).splits == ["train", HELD_OUT]
