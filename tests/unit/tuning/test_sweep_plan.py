"""What a sweep is told, and whether it can be done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cirray.datasets import PreparedDataset
from cirray.errors import ConfigError
from cirray.recipes import HoldOutConfig, ValidationConfig, recipes
from cirray.storage import Location
from cirray.tuning.plan import DATA_CPUS, DRIVER_CPUS, SweepConfig, judging_split, room_for, validated
from tests.artifacts import plain_png, put_dataset


@settings(deadline=None)
@given(st.integers(1, 64), st.integers(1, 8), st.integers(1, 40), st.one_of(st.none(), st.integers(1, 12)))
def test_what_is_given_out_always_fits_beside_data(cpus: int, workers: int, trials: int, asked: int | None) -> None:
    sweep = SweepConfig(workers=workers, trials=trials, concurrency=asked)
    try:
        room = room_for(sweep, {"CPU": float(cpus)})
    except ConfigError:
        # The reason must be true: a tenth of a CPU for each worker would not fit.
        assert min(asked or 1, trials) * (workers * 0.1 + DRIVER_CPUS) > cpus - DATA_CPUS - 1e-6
        return
    assert room.concurrency == min(asked, trials) if asked else room.concurrency >= 1
    assert 0.1 <= room.cpus <= 1
    assert room.concurrency * (workers * room.cpus + DRIVER_CPUS) <= cpus - DATA_CPUS + 1e-9


@pytest.mark.parametrize(
    ("settings", "cluster", "message"),
    [
        ({"workers": 2}, {"CPU": 1.0}, "fewer workers, or add nodes"),
        ({"workers": 2, "gpu": True, "concurrency": 3}, {"CPU": 32.0, "GPU": 4.0}, "6 GPUs.*--concurrent to 2"),
        ({"workers": 1, "gpu": True}, {"CPU": 32.0}, "1 GPUs"),
        ({"workers": 4, "concurrency": 9}, {"CPU": 4.0}, "--concurrent to 7"),
    ],
)
def test_what_cannot_be_scheduled_is_refused(
    settings: dict[str, Any], cluster: dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        room_for(SweepConfig(**settings), cluster)


def test_as_many_trials_as_gpus_or_cpus_by_default() -> None:
    assert room_for(SweepConfig(workers=2, gpu=True), {"CPU": 32.0, "GPU": 8.0}).concurrency == 4
    assert room_for(SweepConfig(workers=2), {"CPU": 9.0}).concurrency == 4
    assert room_for(SweepConfig(workers=2), {"CPU": 2.0}).concurrency == 1
    assert room_for(SweepConfig(trials=2), {"CPU": 64.0}).concurrency == 2


def test_an_unknown_cost_is_refused() -> None:
    with pytest.raises(ConfigError, match="parameters, seconds_per_query"):
        SweepConfig(cost="money")


def dataset(place: Path, *splits: str) -> PreparedDataset:
    items = [{"item_id": name, "splits": list(splits), "image": plain_png((9, 9, 9))} for name in ("a", "b")]
    row = {"query_id": "q", "reference_id": "a", "target_id": "b", "texts": ["redder"]}
    return put_dataset(Location.parse(str(place)), "css-2d", items, {name: [row] for name in splits})


def test_a_share_is_held_out_unless_there_is_a_validation_split_beside_the_test(tmp_path: Path) -> None:
    config, sweep = recipes["css-2d/concat"](), SweepConfig(hold_out=0.3, seed=4)
    held = validated(config, dataset(tmp_path / "1", "train", "test"), sweep, None, None)
    assert held.training.validation == ValidationConfig(split="held-out")
    assert held.hold_out == HoldOutConfig(share=0.3, seed=4)
    # Where val is all there is, papers report it: there it is the test.
    assert validated(config, dataset(tmp_path / "2", "train", "val"), sweep, None, None) == held
    whole = validated(config, dataset(tmp_path / "3", "train", "val", "test"), sweep, None, "catalog")
    assert whole.training.validation == ValidationConfig(split="val", protocol="catalog")
    assert whole.hold_out is None


def test_what_was_chosen_is_judged_where_it_was_not_chosen_and_the_targets_are_public(tmp_path: Path) -> None:
    for splits, expected in (
        (("train", "test"), "test"),
        (("train", "val", "test"), "test"),
        (("train", "val"), "val"),
        (("train",), "test"),
    ):
        data = dataset(tmp_path / "-".join(splits), *splits)
        assert judging_split(validated(recipes["css-2d/concat"](), data, SweepConfig(), None, None), data) == expected
    items = [{"item_id": "a", "splits": ["train", "val", "test"], "image": plain_png((9, 9, 9))}]
    targets = {"train": "a", "val": "a", "test": ""}
    rows = {
        split: [{"query_id": "q", "reference_id": "a", "target_id": target, "texts": ["x"]}]
        for split, target in targets.items()
    }
    hidden = put_dataset(Location.parse(str(tmp_path / "hidden")), "fashioniq", items, rows)
    config = validated(recipes["css-2d/concat"](), hidden, SweepConfig(hold_out=0.2), "held-out", None)
    assert judging_split(config, hidden) == "val"


@pytest.mark.parametrize("split", ["test", "train"])
def test_neither_test_nor_training_is_measured_on(split: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not judged by it"):
        validated(recipes["css-2d/concat"](), dataset(tmp_path, "train", "test"), SweepConfig(), split, None)
