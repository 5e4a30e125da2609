"""The one shape of all augmentations, and how they are laid on a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from cirray.config import Choice
from cirray.registry import Registry

Pictures = Tensor
"""(B, 3, H, W) uint8."""


class AugmentationConfig(Choice):
    """Settings that all augmentations have.

    Attributes:
        which: "each" draws anew for reference and target (VAL's code); "both" changes the two alike, for texts that
            speak of left and right, or of where something is.
    """

    which: Literal["each", "both"] = "each"


class Augmentation(ABC):
    """A random change of pictures, drawn for each picture of a batch by itself.

    Attributes:
        Config: settings of the augmentation.
    """

    Config: ClassVar[type[AugmentationConfig]]

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def draw(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Return what to do with each of `count` pictures of `size` (height, width), one row each."""

    @abstractmethod
    def apply(self, pictures: Pictures, draws: Tensor) -> Pictures:
        """Return the pictures, changed as their rows of `draws` say, in their old size."""


def augment(
    steps: Iterable[Augmentation],
    reference: Tensor,
    target: Tensor,
    generator: torch.Generator,
    *,
    first: int = 0,
    whole: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Return references and targets, each (B, H, W, 3) uint8, changed by all `steps` in turn.

    Args:
        steps: in their order.
        reference: (B, H, W, 3) uint8.
        target: (B, H, W, 3) uint8, on the same device.
        generator: on the CPU, so that every device changes a batch alike.
        first: place of the first of these pictures in the whole batch.
        whole: size of the whole batch, for which all is drawn, so that the same picture is changed alike whoever has
            which rows; these alone where it is left out.
    """
    whole, rows = whole or len(reference), slice(first, first + len(reference))
    pairs = [picture.permute(0, 3, 1, 2) for picture in (reference, target)]
    for step in steps:
        size = (pairs[0].shape[2], pairs[0].shape[3])
        one = step.draw(whole, size, generator)
        other = one if step.config.which == "both" else step.draw(whole, size, generator)
        pairs = [step.apply(pictures, draws[rows]) for pictures, draws in zip(pairs, (one, other), strict=True)]
    reference, target = (pictures.permute(0, 2, 3, 1).contiguous() for pictures in pairs)
    return reference, target


augmentations: Registry[type[Augmentation]] = Registry("augmentation")
