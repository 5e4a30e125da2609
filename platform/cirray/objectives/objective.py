"""The objective of a run: the weighted sum of its losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cirray.composers import Retriever
from cirray.objectives.loss import Loss, LossConfig, LossValue, losses
from cirray.objectives.view import View


class Objective(nn.Module):
    """Losses by the role that each of them plays ("retrieval", "reconstruction")."""

    def __init__(self, config: Mapping[str, LossConfig], model: Retriever) -> None:
        super().__init__()
        self.config = dict(config)
        self.losses = nn.ModuleDict({role: losses[chosen.name](chosen, model) for role, chosen in config.items()})

    def forward(self, view: View) -> LossValue:
        """Return the sum over the losses that count in the view's epoch, and each loss under its role."""
        total = torch.zeros((), device=view.batch.target.device)
        parts: dict[str, Tensor] = {}
        for role in self.counting_in(view.epoch):
            value: LossValue = self.losses[role](view)
            total = total + self.config[role].weight * value.total
            parts[role] = value.total.detach()
            parts |= {f"{role}.{name}": part for name, part in value.parts.items()}
        return LossValue(total, parts)

    def counting_in(self, epoch: int) -> tuple[str, ...]:
        """Return the roles of the losses that count in an epoch, from 1."""
        return tuple(role for role, config in self.config.items() if config.counts_in(epoch))

    def own_optimizers(self) -> dict[str, Optimizer]:
        """Return the optimisers that losses have of their own, by the losses' roles."""
        found = {role: cast(Loss, loss).own_optimizer() for role, loss in self.losses.items()}
        return {role: optimizer for role, optimizer in found.items() if optimizer is not None}


def needs_descriptions(config: Mapping[str, LossConfig]) -> bool:
    """Return whether one of the losses looks at the descriptions of references and targets."""
    return any(losses[chosen.name].needs_descriptions for chosen in config.values())
