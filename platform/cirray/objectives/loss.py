"""The one shape of all losses, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.optim import Optimizer

from cirray.composers import Retriever
from cirray.config import Choice
from cirray.errors import ConfigError
from cirray.objectives.view import View
from cirray.registry import Registry


class LossConfig(Choice):
    """Settings that all losses have.

    Attributes:
        weight: of the loss in the objective.
        first_epoch: in which it counts, from 1.
        last_epoch: in which it counts; null for the run's last. With these two, one loss trains before the others.
    """

    weight: float = Field(1.0, ge=0)
    first_epoch: int = Field(1, ge=1)
    last_epoch: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _counts_at_all(self) -> Self:
        if self.last_epoch is not None and self.last_epoch < self.first_epoch:
            raise ConfigError(
                f"A loss with first_epoch {self.first_epoch} and last_epoch {self.last_epoch} never counts.",
                hint="Set last_epoch to first_epoch or later, or leave the loss out.",
            )
        return self

    def counts_in(self, epoch: int) -> bool:
        """Return whether the loss counts in an epoch, from 1."""
        return self.first_epoch <= epoch and (self.last_epoch is None or epoch <= self.last_epoch)


@dataclass(frozen=True)
class LossValue:
    """The value to minimise, and its parts.

    Attributes:
        total: scalar with a gradient.
        parts: scalars for the record, by name: what `total` is made of, and settings that are learned.
    """

    total: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)


class Loss(nn.Module, ABC):
    """From a view of a batch to a value; it may have weights of its own, which train with the model.

    They do not enter the model's bundle: what a query needs belongs to the composer.

    Attributes:
        needs_descriptions: whether it looks at the descriptions of references and targets.
    """

    Config: ClassVar[type[LossConfig]]
    needs_descriptions: ClassVar[bool] = False

    def __init__(self, config: Any, model: Retriever) -> None:
        """Take sizes from `model`, and keep none of its weights.

        Raises:
            ConfigError: the loss and the model's composer do not go together.
        """
        super().__init__()

    def own_optimizer(self) -> Optimizer | None:
        """Return the optimiser of weights that learn against the model, such as a discriminator's, if there is one.

        The loss steps it itself, once a step of training and before its value is taken, so that both sides take
        turns. Such weights ask for no gradient, and their optimiser is part of the loss's state; its rates follow
        the run's plateaus.
        """
        return None

    @classmethod
    def smallest_batch(cls, config: Any) -> int:
        """Return how many examples a batch needs with a config of this class: by default one negative for each."""
        return 2

    @abstractmethod
    def forward(self, view: View) -> LossValue:
        """Return the loss of this worker's share of the batch, as a mean over it."""


losses: Registry[type[Loss]] = Registry("loss")
