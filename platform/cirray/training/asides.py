"""What a worker tells besides how training goes, for whoever compares runs or stops them from outside."""

from __future__ import annotations

from typing import Any

from ray.util import get_current_placement_group
from torch import nn

from cirray.training.progress import Progress

PARAMETERS = "parameters"
"""Under which a report has the number of the model's weights."""

GROUP = "placement_group"
"""Under which it has the id of what the run's workers hold: who stops the run from outside has it to give back."""


VALIDATION_SECONDS = "validation_seconds"
"""Under which it has what the last validation took."""


def asides(model: nn.Module, progress: Progress) -> dict[str, Any]:
    """Return what is reported besides the metrics of a run."""
    group = get_current_placement_group()
    return {
        PARAMETERS: sum(weight.numel() for weight in model.parameters()),
        VALIDATION_SECONDS: progress.history[-1].validation_seconds if progress.history else 0.0,
        GROUP: group.id.hex() if group is not None else "",
    }
