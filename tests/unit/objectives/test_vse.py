"""Pictures and their descriptions: which vectors are compared, and what is left out."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from cirray.errors import ConfigError
from cirray.objectives import Objective, View
from cirray.objectives.vse import Vse, VseConfig
from tests.small_models import small_batch, small_retriever


def view(model: Any, size: int = 7) -> View:
    return View(model.eval(), small_batch(size))


Row = list[float]


def unit(values: Row) -> Row:
    length = math.sqrt(sum(each * each for each in values))
    return [each / length for each in values]


def naive_hinge(anchors: list[Row], positives: list[Row], margin: float) -> float:
    """Return the semi-hard hinge both ways, a mean over the pairs."""
    total = 0.0
    for one, other in ((anchors, positives), (positives, anchors)):
        for i, anchor in enumerate(one):
            own = math.dist(anchor, other[i])
            farther = [away for away in (math.dist(anchor, each) for each in other) if away > own]
            total += max(0.0, margin + own - min(farther)) if farther else 0.0
    return total / len(anchors)


@pytest.mark.parametrize("sides", [["references"], ["targets"], ["references", "targets"]])
def test_projected_parts_are_compared_with_the_sentence_vectors_of_known_descriptions(sides: list[str]) -> None:
    model = small_retriever("tirg-last-conv")
    model.composer.parts = (3, 5)
    loss = Vse(VseConfig(margin=0.3, sides="both" if len(sides) == 2 else sides[0]), model)  # type: ignore[arg-type]
    seen = view(model)
    expected = 0.0
    for side in sides:
        pictures = getattr(seen, side).tolist()
        texts = getattr(seen, f"{side[:-1]}_descriptions").sentence.tolist()
        known = [i for i, one in enumerate(getattr(seen.batch, f"{side[:-1]}_descriptions").known.tolist()) if one]
        for (start, end), layer in zip(((0, 3), (3, 8)), loss.projections, strict=True):
            assert isinstance(layer, torch.nn.Linear)
            weights = layer.weight.tolist()
            projected = [
                unit([sum(w * v for w, v in zip(row, pictures[i][start:end], strict=True)) for row in weights])
                for i in known
            ]
            expected += naive_hinge(projected, [unit(texts[i]) for i in known], 0.3) / len(sides)
    assert expected > 0
    assert loss(seen).total.item() == pytest.approx(expected, rel=1e-4)


def test_a_picture_without_a_description_gets_no_gradient_from_it() -> None:
    model = small_retriever("tirg-last-conv").eval()
    loss = Vse(VseConfig(sides="targets", mining="all"), model)
    seen = view(model)
    targets = seen.targets.detach().requires_grad_()
    seen.__dict__["targets"] = targets
    loss(seen).total.backward()
    assert targets.grad is not None
    assert seen.batch.target_descriptions is not None
    assert torch.equal(targets.grad.abs().sum(dim=1) > 0, seen.batch.target_descriptions.known)


def test_pre_training_is_a_matter_of_epochs() -> None:
    model = small_retriever("tirg-last-conv").eval()
    objective = Objective({"descriptions": VseConfig(last_epoch=1)}, model)
    assert objective(View(model, small_batch(), 1)).total.item() > 0
    assert objective(View(model, small_batch(), 2)).total.item() == 0


def test_a_model_without_texts_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'image-only'.*no text encoder"):
        Vse(VseConfig(), small_retriever("image-only"))
