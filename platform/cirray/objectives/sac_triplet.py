"""SAC's triplet loss: each query against a few other targets, some drawn evenly and some from nearby."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field, model_validator
from torch import Tensor

from cirray.composers import Retriever
from cirray.objectives.distances import distances
from cirray.objectives.gather import gather
from cirray.objectives.loss import Loss, LossConfig, LossValue, losses
from cirray.objectives.view import View


class SacTripletConfig(LossConfig):
    """Settings of `SacTriplet`.

    Attributes:
        random_negatives: targets that are drawn for each query with equal chances.
        weighted_negatives: targets that are drawn for each query with chances that fall with their distance.
        temperature: the distance over which those chances fall by a factor of e.
    """

    name: Literal["sac-triplet"] = "sac-triplet"
    random_negatives: int = Field(1, ge=0)
    weighted_negatives: int = Field(1, ge=0)
    temperature: float = Field(1.0, gt=0)

    @model_validator(mode="after")
    def _there_is_a_negative(self) -> SacTripletConfig:
        if self.random_negatives + self.weighted_negatives == 0:
            raise ValueError("random_negatives and weighted_negatives cannot both be 0")
        return self


@losses.register("sac-triplet")
class SacTriplet(Loss):
    """A query shall be nearer to its target than to others, by distances that are not squared.

    Jandial et al., "SAC: Semantic Attention Composition for Text-Conditioned Image Retrieval" (WACV 2022). With
    query c, its target t⁺ and a drawn one t⁻, averaged over queries and draws:

        L = log(1 + exp(‖c − t⁺‖ − ‖c − t⁻‖))

    The paper mixes negatives drawn at random with distance-weighted ones, of which the closer are the likelier. Own
    choice: as many of one kind as of the other, one each; the chance of a target at distance d is proportional to
    exp(−d / temperature), whose fall is that of the loss's own slope. Drawn are targets of all workers, with
    replacement, never the query's own; the vectors are compared as they are, not normalised. Draws follow torch's
    random state.
    """

    Config = SacTripletConfig

    def __init__(self, config: SacTripletConfig, model: Retriever) -> None:
        super().__init__(config, model)
        self.config = config

    def forward(self, view: View) -> LossValue:
        """Return the mean over queries and draws."""
        candidates, first = gather(view.targets)
        away = distances(view.queries, candidates, "l2")
        own = torch.arange(first, first + len(away), device=away.device)[:, None]
        far = away.gather(1, self._draw(away.detach(), own))
        return LossValue(F.softplus(away.gather(1, own) - far).mean())

    def _draw(self, away: Tensor, own: Tensor) -> Tensor:
        """Return which candidates are the negatives of each query, (B, draws).

        Args:
            away: (B, N), distances of queries and candidates.
            own: (B, 1), which candidate is each query's target.
        """
        scores = -away / self.config.temperature
        wanted = (self.config.random_negatives, torch.zeros_like(scores)), (self.config.weighted_negatives, scores)
        scores = torch.cat([each[:, None].expand(-1, count, -1) for count, each in wanted], dim=1)
        # The largest score with Gumbel noise on top is a draw by the scores' softmax. Other than `multinomial`, it
        # lets through what is no number, so that the loss shows it.
        # Drawn for all rows, whoever has them, so that one worker draws what several draw together.
        noise = -scores.new_empty(scores.shape[2], *scores.shape[1:]).exponential_().log()[own[:, 0]]
        barred = own[:, None].expand(-1, noise.shape[1], 1)
        return (scores + noise.scatter(2, barred, float("-inf"))).argmax(dim=2)
