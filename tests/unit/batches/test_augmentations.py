"""Augmentations: seeded, each picture by itself, the pair alike where it is asked for; against torchvision."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as TF  # noqa: N812

from cirray.batches import Augmentation, augment, augmentations
from cirray.config import from_mapping
from cirray.errors import ConfigError

SIZE = (12, 16)


def make(name: str, **settings: Any) -> Augmentation:
    kind = augmentations[name]
    return kind(from_mapping(kind.Config, {"name": name, **settings}))


def pictures(count: int = 32, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (count, *SIZE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def changed(step: Augmentation, seed: int = 0, *, same: bool = True) -> tuple[Tensor, Tensor]:
    second = pictures() if same else pictures(seed=1)
    return augment([step], pictures(), second, torch.Generator().manual_seed(seed))


ALL = pytest.mark.parametrize("name", list(augmentations))


@ALL
def test_it_follows_from_the_seed_and_keeps_the_shape(name: str) -> None:
    first, again, other = (changed(make(name), seed) for seed in (0, 0, 1))
    assert first[0].shape == pictures().shape
    assert first[0].dtype == torch.uint8
    assert first[0].is_contiguous()
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


@ALL
def test_each_draws_for_each_picture_and_both_changes_a_pair_alike(name: str) -> None:
    together = changed(make(name, which="both"))
    assert torch.equal(*together)
    assert not torch.equal(together[0], pictures())
    assert not torch.equal(*changed(make(name, which="each")))


def test_pairs_are_flipped_together() -> None:
    reference, target = changed(make("horizontal-flip", which="both"), same=False)
    flipped = [not torch.equal(now, before) for now, before in zip(reference, pictures(), strict=True)]
    assert 8 < sum(flipped) < 24
    for flip, found, before in zip(flipped, target, pictures(seed=1), strict=True):
        assert torch.equal(found, before.flip(1) if flip else before)


def test_a_flip_is_left_for_right_and_as_likely_as_it_is_said_to_be() -> None:
    always, _ = changed(make("horizontal-flip", probability=1.0))
    never, _ = changed(make("horizontal-flip", probability=0.0))
    assert torch.equal(always, pictures().flip(2))
    assert torch.equal(never, pictures())


@pytest.mark.parametrize("padding", [1, 5])
def test_random_crops_are_those_of_torchvision(padding: int) -> None:
    step = make("random-crop", padding=padding, fill=7)
    batch = pictures().permute(0, 3, 1, 2)
    draws = step.draw(len(batch), SIZE, torch.Generator().manual_seed(0))
    assert draws.min() == 0
    assert draws.max() == 2 * padding
    for found, picture, draw in zip(step.apply(batch, draws), batch, draws.tolist(), strict=True):
        expected = TF.crop(TF.pad(picture, [padding], fill=7), *draw, *SIZE)
        assert torch.equal(found, expected)


def test_resized_crops_lie_within_and_have_the_area_and_shape_that_is_said() -> None:
    step = make("resized-crop", scale=[0.4, 0.6], ratio=[1.0, 1.2])
    size = (100, 120)
    top, left, height, width = step.draw(500, size, torch.Generator().manual_seed(0)).T.float()
    assert top.min() >= 0
    assert left.min() >= 0
    assert (top + height).max() <= 100
    assert (left + width).max() <= 120
    share = height * width / (100 * 120)
    assert 0.39 < share.min() < 0.42
    assert 0.58 < share.max() < 0.61
    assert (width / height).min() > 0.98
    assert (width / height).max() < 1.22


def test_the_whole_picture_is_a_resized_crop() -> None:
    found, _ = changed(make("resized-crop", scale=[1.0, 1.0], ratio=[16 / 12, 16 / 12]))
    assert torch.equal(found, pictures())


def test_colours_are_jittered_as_by_torchvision() -> None:
    step = make("colour-jitter", brightness=0.5, contrast=0.5, saturation=0.5)
    batch = pictures().permute(0, 3, 1, 2)
    draws = step.draw(len(batch), SIZE, torch.Generator().manual_seed(0))
    assert (draws >= 0.5).all()
    assert (draws <= 1.5).all()
    for found, picture, (brightness, contrast, saturation) in zip(
        step.apply(batch, draws), batch, draws.tolist(), strict=True
    ):
        expected = TF.adjust_brightness(picture.float() / 255, brightness)
        expected = TF.adjust_saturation(TF.adjust_contrast(expected, contrast), saturation) * 255
        assert (found.float() - expected).abs().max() <= 0.51


def test_augmentations_follow_each_other() -> None:
    steps = [make("horizontal-flip", probability=1.0), make("horizontal-flip", probability=1.0)]
    found, _ = augment(steps, pictures(), pictures(), torch.Generator().manual_seed(0))
    assert torch.equal(found, pictures())


@pytest.mark.parametrize("setting", [{"ratio": [0, 1]}, {"ratio": [2, 1]}, {"scale": [0, 1]}, {"scale": [0.5, 1.5]}])
def test_crops_that_cannot_be_are_refused(setting: dict[str, list[float]]) -> None:
    with pytest.raises(ConfigError, match="smallest"):
        make("resized-crop", **setting)
