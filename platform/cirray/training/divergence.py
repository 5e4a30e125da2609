"""Whether a run still makes progress, or has gone where no step brings it back from."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from cirray.errors import TrainingError

FLOOR = 0.01
"""Share of the first loss below which the lowest is not counted: ratios of losses near zero say nothing."""

_HINT = "Lower training.learning_rate, or set training.gradient_clip."


@dataclass
class DivergenceWatch:
    """Ends a run whose loss stays far above the lowest that it has been at.

    It begins anew where other losses begin to count, since their sum is another quantity.

    Attributes:
        factor: how many times the lowest loss is too much; None for never.
        patience: steps in a row.
        losses: names of the losses that count; None before the first step.
        first: loss of the first step.
        lowest: loss so far.
        above: steps in a row in which it was too much.
    """

    factor: float | None
    patience: int
    losses: tuple[str, ...] | None = None
    first: float = math.inf
    lowest: float = math.inf
    above: int = 0

    def see(self, loss: float, losses: tuple[str, ...], epoch: int, step: int) -> None:
        """Take in the loss of a step.

        Args:
            loss: finite.
            losses: names of the losses that count.
            epoch: from 0, for the message.
            step: of the epoch, from 0, for the message.

        Raises:
            TrainingError: it was too much for too long.
        """
        if losses != self.losses:
            self.losses, self.first, self.lowest, self.above = losses, loss, loss, 0
        self.lowest = min(self.lowest, loss)
        if self.factor is None:
            return
        limit = self.factor * max(self.lowest, FLOOR * abs(self.first))
        self.above = self.above + 1 if loss > limit else 0
        if self.above >= self.patience:
            raise TrainingError(
                f"The loss diverges: at step {step + 1} of epoch {epoch + 1} it is {loss:.4g}, and for {self.above} "
                f"steps it has been more than {self.factor:g} times its lowest, {self.lowest:.4g}.",
                hint=f"{_HINT[:-1]}; training.divergence_factor says how much is too much.",
            )

    def state_dict(self) -> dict[str, Any]:
        """Return what it has seen."""
        return asdict(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what it had seen; the limits stay as they are."""
        self.losses = tuple(state["losses"]) if state["losses"] is not None else None
        self.first, self.lowest, self.above = state["first"], state["lowest"], state["above"]


def finite(what: str, scalar: Tensor, epoch: int, step: int) -> float:
    """Return a scalar as a number.

    Args:
        what: it is, for the message.
        scalar: ().
        epoch: from 0.
        step: of the epoch, from 0.

    Raises:
        TrainingError: it is not finite.
    """
    value = float(scalar.detach())
    if not math.isfinite(value):
        raise TrainingError(f"The {what} is {value} at step {step + 1} of epoch {epoch + 1}.", hint=_HINT)
    return value
