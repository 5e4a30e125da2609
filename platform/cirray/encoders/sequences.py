"""From states a token to one vector a text, without what is beyond its end."""

from __future__ import annotations

import torch
from torch import Tensor


def mask_of(tokens: Tensor, lengths: Tensor) -> Tensor:
    """Return (B, T) bool: where `tokens` (B, T) are within `lengths` (B,)."""
    return torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]


def last_over_time(states: Tensor, lengths: Tensor) -> Tensor:
    """Return the state (B, S) after the last token of each text, of `states` (B, T, S) and `lengths` (B,)."""
    return states[torch.arange(len(states), device=states.device), lengths - 1]


def mean_over_time(states: Tensor, mask: Tensor) -> Tensor:
    """Return the mean (B, S) of the `states` (B, T, S) that `mask` (B, T) has, at least one a text."""
    return (states * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)


def maximum_over_time(states: Tensor, mask: Tensor) -> Tensor:
    """Return the greatest (B, S) of the `states` (B, T, S) that `mask` (B, T) has, at least one a text."""
    return states.masked_fill(~mask[..., None], -torch.inf).amax(dim=1)
