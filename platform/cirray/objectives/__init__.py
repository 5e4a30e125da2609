"""Losses, and the objectives that recipes put together of them. Importing this package registers them all."""

from cirray.objectives.batch_classification import BatchClassification, BatchClassificationConfig
from cirray.objectives.gather import gather
from cirray.objectives.loss import Loss, LossConfig, LossValue, losses
from cirray.objectives.objective import Objective, needs_descriptions
from cirray.objectives.view import Batch, Texts, View

__all__ = [
    "Batch",
    "BatchClassification",
    "BatchClassificationConfig",
    "Loss",
    "LossConfig",
    "LossValue",
    "Objective",
    "Texts",
    "View",
    "gather",
    "losses",
    "needs_descriptions",
]
