"""The objective of a run: the weighted sum of its losses."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cirray.composers import Retriever
from cirray.objectives.loss import LossConfig, LossValue, losses
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
        for role, loss in self.losses.items():
            if not self.config[role].counts_in(view.epoch):
                continue
            value: LossValue = loss(view)
            total = total + self.config[role].weight * value.total
            parts[role] = value.total.detach()
            parts |= {f"{role}.{name}": part for name, part in value.parts.items()}
        return LossValue(total, parts)


def needs_descriptions(config: Mapping[str, LossConfig]) -> bool:
    """Return whether one of the losses looks at the descriptions of references and targets."""
    return any(losses[chosen.name].needs_descriptions for chosen in config.values())
