"""Rotational symmetry: the base loss on the way back, against loops, and over workers."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cirray.composers import Retriever
from cirray.composers.compose_ae import ComposeAe
from cirray.config import from_mapping
from cirray.encoders import ImageFeatures, TextFeatures
from cirray.errors import ConfigError
from cirray.objectives import Loss, View
from cirray.objectives.batch_classification import BatchClassificationConfig
from cirray.objectives.rotational_symmetry import BackwardView, RotationalSymmetry, RotationalSymmetryConfig
from tests.loops import with_random_statistics
from tests.small_models import fixed_view, small_batch, small_retriever
from tests.two_workers import Rows, run_two_workers

ROWS, SIZE, SCALE = 6, 6, 3.0


def model() -> Retriever:
    made = small_retriever("compose-ae")
    with_random_statistics(made)
    return made.eval()


def made_loss() -> Loss:
    base = BatchClassificationConfig(scale=SCALE)
    return RotationalSymmetry(RotationalSymmetryConfig(base=base), model())


def rows() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(ROWS, SIZE, generator=generator) for name in ("pictures", "wanted", "sentence")}


def view_of(given: Rows) -> View:
    sentence = given["sentence"]
    text = TextFeatures(sentence[:, None], sentence[:, None], torch.ones(len(sentence), 1).bool(), sentence)
    reference, target = (ImageFeatures((), given[name]) for name in ("pictures", "wanted"))
    return fixed_view(model(), reference=reference, target=target, text=text)


def naive_loss(queries: list[list[float]], targets: list[list[float]]) -> float:
    def cosine(a: list[float], b: list[float]) -> float:
        lengths = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
        return sum(x * y for x, y in zip(a, b, strict=True)) / lengths

    total = 0.0
    for i, query in enumerate(queries):
        weights = [math.exp(SCALE**2 * cosine(query, target)) for target in targets]
        total -= math.log(weights[i] / sum(weights))
    return total / len(queries)


def test_targets_turned_back_must_find_their_references() -> None:
    view = view_of(rows())
    composer = view.model.composer
    assert isinstance(composer, ComposeAe)
    assert view.text is not None
    back = composer.compose_back(view.target, view.text)
    expected = naive_loss(back.tolist(), composer.embed(view.reference).tolist())
    assert made_loss()(view).total.item() == pytest.approx(expected, rel=1e-4)


def test_the_way_back_is_that_of_the_same_features() -> None:
    view = View(model(), small_batch())
    back = BackwardView(view)
    assert back.reference is view.target
    assert back.target is view.reference
    assert back.text is view.text
    assert back.targets is view.references
    assert back.references is view.targets


def test_the_way_back_runs_in_the_precision_of_the_model() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        view = view_of(rows())
    with torch.autocast("cpu", enabled=False):
        back = BackwardView(view)
        assert back.queries.dtype == torch.float32
        assert not torch.equal(back.queries, BackwardView(view_of(rows())).queries), "or it ran in single precision"


def test_any_loss_of_queries_and_targets_can_be_the_base() -> None:
    config = from_mapping(
        RotationalSymmetryConfig, {"base": {"name": "batch-classification", "scale": 2.0}, "weight": 0.01}
    )
    loss = RotationalSymmetry(config, model())
    assert dict(loss.named_parameters())["base.scale"].item() == 2.0
    assert RotationalSymmetryConfig.model_validate_json(config.model_dump_json()) == config


def test_two_workers_with_half_the_batch_give_the_gradients_of_one_with_all(tmp_path: Path) -> None:
    outcomes = run_two_workers(made_loss, rows(), tmp_path, view_of)
    torch.testing.assert_close(*outcomes)
    assert {"pictures", "wanted", "sentence", "base.scale"} < set(outcomes[0])


def test_a_composer_that_cannot_turn_back_is_refused() -> None:
    with pytest.raises(ConfigError, match="'image-only' cannot"):
        RotationalSymmetry(RotationalSymmetryConfig(), small_retriever("image-only"))


@pytest.mark.parametrize(
    "base",
    [{"name": "batch-classification", "weight": 0.5}, {"name": "rotational-symmetry"}, {"name": "vse"}],
)
def test_weight_and_kind_of_the_base_are_checked(base: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="The base of rotational symmetry is"):
        from_mapping(RotationalSymmetryConfig, {"base": base})
