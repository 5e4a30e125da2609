"""From word vectors to states, and from states to one vector a text without what is beyond its end."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence


def mask_of(tokens: Tensor, lengths: Tensor) -> Tensor:
    """Return (B, T) bool: where `tokens` (B, T) are within `lengths` (B,)."""
    return torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]


def states_of(network: nn.Module, words: Any, start: Any = None) -> Any:
    """Return the states of a recurrent network over `words`, a tensor (B, T, W) or packed, in the same form.

    On the CPU they are float32 whatever autocast says: not every CPU has recurrent networks in bfloat16.

    Args:
        network: an LSTM or GRU with the batch first.
        words: word vectors.
        start: the state before the first word, in the form that the network takes, or None for zeros.
    """
    device = (words.data if isinstance(words, PackedSequence) else words).device
    with torch.autocast("cpu", enabled=False) if device.type == "cpu" else nullcontext():
        return network(words, start)[0]


def last_over_time(states: Tensor, lengths: Tensor) -> Tensor:
    """Return the state (B, S) after the last token of each text, of `states` (B, T, S) and `lengths` (B,)."""
    return states[torch.arange(len(states), device=states.device), lengths - 1]


def mean_over_time(states: Tensor, mask: Tensor) -> Tensor:
    """Return the mean (B, S) of the `states` (B, T, S) that `mask` (B, T) has, at least one a text."""
    return (states * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)


def maximum_over_time(states: Tensor, mask: Tensor) -> Tensor:
    """Return the greatest (B, S) of the `states` (B, T, S) that `mask` (B, T) has, at least one a text."""
    return states.masked_fill(~mask[..., None], -torch.inf).amax(dim=1)
