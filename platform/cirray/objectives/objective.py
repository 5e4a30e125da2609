"""The one shape of all training objectives, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor, nn

from cirray.config import Choice
from cirray.registry import Registry


@dataclass(frozen=True)
class Loss:
    """The value to minimise, and its parts.

    Attributes:
        total: scalar with a gradient.
        parts: scalars for the record, by name: what `total` is made of, and settings that the objective learns.
    """

    total: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)


class Objective(nn.Module, ABC):
    """From a batch's queries and targets to a loss; it may have weights of its own, which train with the model."""

    Config: ClassVar[type[Choice]]

    @abstractmethod
    def forward(self, queries: Tensor, targets: Tensor) -> Loss:
        """Return the loss of queries (B, D) and their targets (B, D), row by row, as the model gives them."""


objectives: Registry[type[Objective]] = Registry("objective")
