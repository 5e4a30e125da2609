"""The complete configuration of a training run, and the registry of the functions that return one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny

from cirray.composers import ModelConfig
from cirray.config import Choice, Config, chosen_from
from cirray.objectives import objectives
from cirray.registry import Registry


class TrainingConfig(Config):
    """How weights are found.

    Attributes:
        epochs: passes over the training triplets.
        batch_size: triplets in a step, over all workers together; also the number of candidates that each query
            must pick its target from.
        queries_per_reference: how many queries in a row share their reference, where it has that many. TIRG's
            code takes 2 on CSS: a batch full of equal references gives nothing to a model that ignores the text.
        optimizer: "adamw", or "sgd" with momentum 0.9.
        learning_rate: at its highest.
        weight_decay: of the optimiser.
        schedule: "constant", or "cosine": down to zero at the end.
        warmup: share of all steps in which the learning rate rises to its highest, in equal steps: with n of them
            the first has 1/n of it.
        gradient_clip: largest norm of the gradient; null for none.
    """

    epochs: int = Field(10, ge=1)
    batch_size: int = Field(32, ge=2)
    queries_per_reference: int = Field(1, ge=1)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup: float = Field(0.05, ge=0, lt=1)
    gradient_clip: float | None = Field(1.0, gt=0)


class RunConfig(Config):
    """A (dataset, method) run, complete.

    Attributes:
        name: of the recipe; the model is kept under it.
        dataset: name of the prepared dataset.
        split: whose triplets train.
        seed: decides initial weights, batches and dropout.
        model: encoders and composer.
        objective: which, with its weights, margins and temperatures.
        training: how weights are found.
    """

    name: str
    dataset: str
    split: str = "train"
    seed: int = Field(0, ge=0, lt=2**63)
    model: ModelConfig
    objective: Annotated[SerializeAsAny[Choice], chosen_from(objectives)]
    training: TrainingConfig


Recipe = Callable[[], RunConfig]

recipes: Registry[Recipe] = Registry("recipe")
