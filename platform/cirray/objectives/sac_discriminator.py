"""SAC's adversarial loss, with a discriminator that learns beside the model."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.func import functional_call

from cirray.composers import Retriever
from cirray.objectives.loss import Loss, LossConfig, LossValue, losses
from cirray.objectives.view import View


class SacDiscriminatorConfig(LossConfig):
    """Settings of `SacDiscriminator`.

    Attributes:
        hidden: sizes of the discriminator's first two layers.
        learning_rate: of the discriminator.
        momentum: of the discriminator's SGD.
    """

    name: Literal["sac-discriminator"] = "sac-discriminator"
    hidden: tuple[PositiveInt, PositiveInt] = (512, 256)
    learning_rate: float = Field(2e-4, gt=0)
    momentum: float = Field(0.0, ge=0, lt=1)


@losses.register("sac-discriminator")
class SacDiscriminator(Loss):
    """Queries that a discriminator cannot tell from gallery vectors.

    Jandial et al., "SAC: Semantic Attention Composition for Text-Conditioned Image Retrieval" (WACV 2022). With
    queries c, targets t and D three fully connected layers to one number, the discriminator minimises

        L_disc = −E log D(t) − E log(1 − D(c)),   D = σ(its last layer)

    and the model minimises −E log D(c).

    Update rule. The paper has an optimiser for D, SGD at 2e-4, and no word on how both take turns. Own choice, at
    each training step: first D takes one step down the gradient of L_disc, with c and t as constants; then the
    model's loss is taken against the new D, whose weights are constants there. So no gradient of the model's loss
    ever reaches D, none of L_disc the model, and D sees the vectors of every step once. Where no gradient is kept,
    and in evaluation, D stays as it is.

    D's weights ask for no gradient, so that neither distributed training nor the model's optimiser sees them. With
    several workers D's gradients are averaged over them before its step: all have the same D at all times, as if one
    had the whole batch. D and the state of its optimiser are part of the loss's state, so that a run which goes on
    from a checkpoint takes the steps of one that was never interrupted.

    Further own choices: the model's form above, since log(1 − D(c)), the other common one, has little slope while D
    is still right; it moves the queries only, because the targets are what they shall resemble. The sizes of D's
    layers, with leaky ReLU 0.2 between them, are in an appendix that could not be had. The paper divides D's
    learning rate by 10 on plateaus; here it does so where the run's schedule is "plateau", as all rates do, and is
    constant otherwise.
    """

    Config = SacDiscriminatorConfig

    def __init__(self, config: SacDiscriminatorConfig, model: Retriever) -> None:
        super().__init__(config, model)
        first, second = config.hidden
        self.discriminator = nn.Sequential(
            nn.Linear(model.composer.dim, first),
            nn.LeakyReLU(0.2),
            nn.Linear(first, second),
            nn.LeakyReLU(0.2),
            nn.Linear(second, 1),
        ).requires_grad_(False)
        self.optimizer = torch.optim.SGD(
            self.discriminator.parameters(), config.learning_rate, momentum=config.momentum
        )

    def forward(self, view: View) -> LossValue:
        """Return the mean over the queries; in training, D takes its step before."""
        parts = {}
        if self.training and torch.is_grad_enabled():
            parts["discriminator"] = self._step(view.queries.detach(), view.targets.detach())
        return LossValue(F.softplus(-self.discriminator(view.queries)).mean(), parts)

    def own_optimizer(self) -> torch.optim.Optimizer:
        """Return the discriminator's."""
        return self.optimizer

    def get_extra_state(self) -> dict[str, Any]:
        """Return the state of the discriminator's optimiser."""
        return self.optimizer.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Put the state of the discriminator's optimiser back."""
        self.optimizer.load_state_dict(state)

    def _step(self, queries: Tensor, targets: Tensor) -> Tensor:
        """Let the discriminator take its step and return its loss before it."""
        weights = {
            name: weight.detach().clone().requires_grad_() for name, weight in self.discriminator.named_parameters()
        }
        real = functional_call(self.discriminator, weights, (targets,))
        made = functional_call(self.discriminator, weights, (queries,))
        loss = F.softplus(-real).mean() + F.softplus(made).mean()
        gradients = torch.autograd.grad(loss, list(weights.values()))
        for weight, gradient in zip(self.discriminator.parameters(), _averaged(gradients), strict=True):
            weight.grad = gradient
        self.optimizer.step()
        # Whoever clips or applies the gradients of all parameters must find none here.
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()


def _averaged(gradients: tuple[Tensor, ...]) -> list[Tensor]:
    """Return the gradients, averaged over the workers if there are others; zeros where one is no number."""
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
    # The model's loss is then no number either, and ends the run; the weights must be sound for who looks at them.
    flat = torch.where(torch.isfinite(flat).all(), flat, 0.0)
    shares = flat.split([gradient.numel() for gradient in gradients])
    return [share.view_as(gradient) for share, gradient in zip(shares, gradients, strict=True)]
