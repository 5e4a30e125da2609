"""Objectives: losses with their weights, margins and temperatures. Importing this package registers them all."""

from cirray.objectives.batch_classification import BatchClassification, BatchClassificationConfig
from cirray.objectives.gather import gather
from cirray.objectives.objective import Loss, Objective, objectives

__all__ = ["BatchClassification", "BatchClassificationConfig", "Loss", "Objective", "gather", "objectives"]
