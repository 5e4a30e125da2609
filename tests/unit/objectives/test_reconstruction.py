"""ComposeAE's two reconstruction losses, against loops, and over workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from cirray.encoders import TextFeatures
from cirray.errors import ConfigError
from cirray.objectives import Loss, View
from cirray.objectives.image_reconstruction import ImageReconstruction, ImageReconstructionConfig
from cirray.objectives.text_reconstruction import TextReconstruction, TextReconstructionConfig
from tests.loops import Vector, through, with_random_statistics
from tests.small_models import fixed_view, small_batch, small_retriever
from tests.two_workers import Rows, run_two_workers

ROWS, DIM, TEXT = 6, 8, 6

Over = Literal["mean", "sum"]


def image_loss(**settings: Any) -> Loss:
    torch.manual_seed(0)
    return ready(ImageReconstruction(ImageReconstructionConfig(**settings), small_retriever("compose-ae")))


def text_loss(**settings: Any) -> Loss:
    torch.manual_seed(0)
    return ready(TextReconstruction(TextReconstructionConfig(**settings), small_retriever("compose-ae")))


def ready(loss: Loss) -> Loss:
    # In eval mode, since batch norm sees each worker's share only.
    with_random_statistics(loss)
    return loss.eval()


def rows() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    sizes = {"queries": DIM, "references": DIM, "sentence": TEXT}
    return {name: torch.randn(ROWS, size, generator=generator) for name, size in sizes.items()}


def view_of(given: Rows) -> View:
    sentence = given["sentence"]
    text = TextFeatures(sentence[:, None], sentence[:, None], torch.ones(len(sentence), 1).bool(), sentence)
    return fixed_view(queries=given["queries"], references=given["references"], text=text)


def naive_loss(loss: Any, queries: list[Vector], wanted: list[Vector], over: Over) -> float:
    total = 0.0
    for query, vector in zip(queries, wanted, strict=True):
        found = through(loss.decoder, query)
        squares = sum((a - b) ** 2 for a, b in zip(found, vector, strict=True))
        total += squares / len(vector) if over == "mean" else squares
    return total / len(queries)


@pytest.mark.parametrize("over", ["mean", "sum"])
def test_the_loss_is_the_squared_distance_to_what_was_composed(over: Over) -> None:
    given = rows()
    for loss, wanted in [(image_loss(over=over), given["references"]), (text_loss(over=over), given["sentence"])]:
        expected = naive_loss(loss, given["queries"].tolist(), wanted.tolist(), over)
        assert loss(view_of(given)).total.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("learned", [True, False])
def test_whether_what_is_reconstructed_learns_is_a_setting(learned: bool) -> None:
    for make, name in [(image_loss, "references"), (text_loss, "sentence")]:
        given = {key: values.requires_grad_() for key, values in rows().items()}
        make(learn_target=learned)(view_of(given)).total.backward()
        assert (given[name].grad is not None) is learned
        assert given["queries"].grad is not None


def test_pictures_learn_by_themselves_and_texts_do_not() -> None:
    assert ImageReconstructionConfig().learn_target is True
    assert TextReconstructionConfig().learn_target is False


@pytest.mark.parametrize("make", [image_loss, text_loss])
def test_two_workers_with_half_the_batch_give_the_gradients_of_one_with_all(make: Any, tmp_path: Path) -> None:
    outcomes = run_two_workers(make, rows(), tmp_path, view_of)
    torch.testing.assert_close(*outcomes)
    assert any(name.startswith("decoder.") for name in outcomes[0])


def test_a_step_on_a_real_model_reaches_the_decoders() -> None:
    model = small_retriever("compose-ae")
    view = View(model, small_batch())
    for loss in (image_loss().train(), text_loss().train()):
        loss(view).total.backward(retain_graph=True)
        assert all(weight.grad is not None for weight in loss.parameters())


def test_a_composer_without_text_has_none_to_reconstruct() -> None:
    with pytest.raises(ConfigError, match="composer 'image-only' uses none"):
        TextReconstruction(TextReconstructionConfig(), small_retriever("image-only"))
