"""The page of a run: its curves, its facts, and nothing from elsewhere."""

from __future__ import annotations

import re

import pytest

from cirray.config import override
from cirray.errors import ConfigError, UnknownNameError
from cirray.recipes import recipes
from cirray.tracking import Event, Point, RunSummary, trackers
from cirray.tracking.page import page, panels_of

POINTS = tuple(
    Point(
        epoch=epoch,
        values={
            "loss/total": 2.0 / epoch,
            "loss/contrastive": 2.0 / epoch,
            **({"validation/fashioniq/R@10": 10.0 * epoch, "validation/fashioniq/mean": epoch} if epoch > 1 else {}),
            "learning_rate/image_encoder": 1e-4,
            "learning_rate/rest": 1e-3 / epoch,
            "gradient_norm": 1.5,
            "triplets_per_s": 100.0,
            "waiting": 0.25,
            "peak_memory_mib": 800.0,
        },
    )
    for epoch in (1, 2, 3)
)
RUN = RunSummary(
    name="<css>",
    identity="f" * 64,
    epochs=5,
    facts={"dataset": "css<b>@1"},
    settings={"joiner": "</pre><script>"},
    points=POINTS,
    events=(Event(at="2030-01-02T03:04:05+00:00", text="a <worker> died"),),
)


def test_every_kind_of_value_has_its_curves() -> None:
    shown = {
        panel.title: {curve.name: list(curve.values.values()) for curve in panel.curves}
        for panel in panels_of(POINTS)
    }
    assert shown == {
        "Loss": {"total = contrastive": [2.0, 1.0, pytest.approx(2 / 3)]},
        "Validation, %": {"R@10": [20.0, 30.0], "mean": [2.0, 3.0]},
        "Learning rate": {"image_encoder": [1e-4] * 3, "rest": [1e-3, 5e-4, pytest.approx(1e-3 / 3)]},
        "Gradient norm": {"norm": [1.5] * 3},
        "Triplets a second": {"all workers together": [100.0] * 3},
        "Waiting for data, %": {"waiting": [25.0] * 3},
        "Peak memory, MiB": {"peak": [800.0] * 3},
    }


def test_the_validation_says_its_protocol() -> None:
    assert "protocol fashioniq" in next(panel.note for panel in panels_of(POINTS) if panel.title == "Validation, %")


def test_words_stay_words_and_nothing_is_fetched() -> None:
    shown = page(RUN)
    assert not re.search(r"<(script|css|worker|b)>", shown)
    assert "&lt;css&gt;" in shown
    assert "3 of 5 epochs done" in shown
    assert "2030-01-02 03:04:05 UTC" in shown
    assert re.findall(r"(?:src|href)=\"(?!data:|#)([^\"]+)\"", shown) == []


def test_only_a_run_that_goes_on_is_looked_at_again() -> None:
    assert 'http-equiv="refresh"' in page(RUN)
    assert 'http-equiv="refresh"' not in page(RUN.model_copy(update={"state": "finished"}))


def test_a_run_without_an_epoch_has_a_page() -> None:
    assert "No epoch is done." in page(RUN.model_copy(update={"points": ()}))


def test_trackers_are_chosen_by_name_or_with_settings() -> None:
    config = recipes["css-2d/tirg-last-conv"]()
    assert [choice.name for choice in config.training.tracking] == ["tensorboard"]
    chosen = override(config, ["training.tracking=[mlflow, {name: wandb, project: retrieval}]"]).training.tracking
    assert [choice.model_dump() for choice in chosen] == [
        {"name": "mlflow", "experiment": "cirray"},
        {"name": "wandb", "project": "retrieval", "entity": None},
    ]
    assert override(config, ["training.tracking=[]"]).training.tracking == ()
    with pytest.raises(UnknownNameError, match="tensorboard"):
        override(config, ["training.tracking=[tensorbord]"])
    with pytest.raises(ConfigError, match="twice"):
        override(config, ["training.tracking=[wandb, wandb]"])


@pytest.mark.parametrize("name", list(trackers))
def test_the_name_in_the_registry_is_that_of_the_configuration(name: str) -> None:
    assert trackers[name].Config.model_fields["name"].default == name
