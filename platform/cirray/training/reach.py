"""Which weights a run's losses can move."""

from __future__ import annotations

import torch
from torch import Tensor

from cirray.objectives import Batch, Texts
from cirray.recipes import RunConfig
from cirray.training.stepping import autocast
from cirray.training.trainee import TrainingStep
from cirray.training.world import World


def unreached(step: TrainingStep, config: RunConfig, world: World) -> list[str]:
    """Return the names of the weights that learn, but that no gradient reaches in the first epoch.

    Such are the last blocks of an image encoder of which a composer takes earlier levels alone. Distributed training
    must be told of them, or its second step fails. Nothing is changed: one share of a batch goes forward only, in
    evaluation mode. All workers must ask together, since losses look at what the others have.
    """
    step.eval()
    with autocast(config.training, world.device):
        loss, _ = step(_blank(config, config.training.batch_size // world.size, world.device), 1)
    step.train()
    reached = _leaves(loss)
    return [name for name, weight in step.named_parameters() if weight.requires_grad and id(weight) not in reached]


def _leaves(value: Tensor) -> set[int]:
    """Return the identities of all tensors that a backward pass from `value` gives a gradient."""
    found, seen, left = set[int](), set[torch.autograd.graph.Node](), [value.grad_fn]
    while left:
        node = left.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if (leaf := getattr(node, "variable", None)) is not None:
            found.add(id(leaf))
        left += [before for before, _ in node.next_functions]
    return found


def _blank(config: RunConfig, size: int, device: torch.device) -> Batch:
    """Return a batch of black pictures with unknown words, as large as those of training."""
    pictures = torch.zeros(size, *config.model.preprocessing.size, 3, dtype=torch.uint8, device=device)
    tokens = torch.zeros(size, 2, dtype=torch.long, device=device)
    lengths = torch.full((size,), 2, device=device)
    texts = Texts(tokens, lengths, torch.ones(size, dtype=torch.bool, device=device))
    return Batch(pictures, tokens, lengths, pictures, texts, texts)
