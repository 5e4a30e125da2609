"""SAC's spatial feature attention: where the text says to look."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor, nn

SHRINK = 8
"""By how much queries and keys of the position attention have fewer channels; as in SAGAN and DANet."""


class SpatialFeatureAttention(nn.Module):
    """See where: the reference's map at one level, pooled by what the text is about.

    Jandial et al., "SAC: Semantic Attention Composition for Text-Conditioned Image Retrieval" (WACV 2022). With the
    map V (P positions, C channels):

        position attention   A = softmax(Q Kᵀ), not divided by √C;   V̄ = β · A values(V) + V
        saliency             s_p = ⟨V̄_p, T⟩,  T = linear(sentence);   M = softmax over positions of s / τ
        attended             S = Σ_p M_p V̄_p
        pooled               O = GeM(V̄) + γ · S

    Own choices: queries and keys have C / 8 channels and no layer has a bias, after the position attention of SAGAN
    and DANet; β starts at 0.1 and not at their 0, with which nothing before it would learn in the first step; γ
    starts at 1. The paper calls both learnable here and fixes them there; here they are learned.

    Args:
        channels: C.
        text_dim: size T of the sentence vector.
        temperature: τ.
        attention_weight: initial β.
        saliency_weight: initial γ.
    """

    def __init__(
        self, channels: int, text_dim: int, temperature: float, attention_weight: float, saliency_weight: float
    ) -> None:
        super().__init__()
        small = max(1, channels // SHRINK)
        self.temperature = temperature
        self.queries = nn.Linear(channels, small, bias=False)
        self.keys = nn.Linear(channels, small, bias=False)
        self.values = nn.Linear(channels, channels, bias=False)
        self.text = nn.Linear(text_dim, channels)
        self.beta = nn.Parameter(torch.tensor(attention_weight))
        self.gamma = nn.Parameter(torch.tensor(saliency_weight))

    def forward(self, image: Tensor, sentence: Tensor) -> tuple[Tensor, Tensor]:
        """Return V̄ (B, P, C), of which the caller takes the GeM, and γ · S (B, C).

        Args:
            image: V, (B, P, C).
            sentence: (B, T).
        """
        attended = self._attend(image)
        focus = self._saliency(attended, sentence)
        return attended, self.gamma * (focus[:, None] @ attended)[:, 0]

    def saliency(self, image: Tensor, sentence: Tensor) -> Tensor:
        """Return M, (B, P); rows sum to 1."""
        return self._saliency(self._attend(image), sentence)

    def _attend(self, image: Tensor) -> Tensor:
        queries, keys, values = self.queries(image), self.keys(image), self.values(image)
        # With one head of its own axis, which the fused kernels ask for.
        context = F.scaled_dot_product_attention(queries[:, None], keys[:, None], values[:, None], scale=1.0)
        return self.beta * context[:, 0] + image

    def _saliency(self, attended: Tensor, sentence: Tensor) -> Tensor:
        scores = (attended @ self.text(sentence)[:, :, None])[:, :, 0]
        return torch.softmax(scores.float() / self.temperature, dim=1)


def generalised_mean(image: Tensor, power: Tensor) -> Tensor:
    """Return the generalised mean (GeM) of a map (B, P, C) over its positions, (B, C): (mean of v^p)^(1/p).

    Values below 1e-6 count as that, since a power of a negative number is none. Float32, whatever the map is: powers
    need the digits.
    """
    raised = image.float().clamp_min(1e-6) ** power
    return raised.mean(dim=1) ** (1 / power)
