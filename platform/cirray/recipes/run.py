"""The complete configuration of a training run, and the registry of the functions that return one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny, StringConstraints, model_validator

from cirray.batches import ShuffleConfig, TextUse, samplers
from cirray.batches import augmentations as known_augmentations
from cirray.composers import ModelConfig
from cirray.config import Choice, Config, chosen_from
from cirray.errors import ConfigError
from cirray.objectives import LossConfig, losses
from cirray.recipes.keeping import KeepConfig
from cirray.registry import Registry
from cirray.tracking import TensorboardConfig, Tracking

Role = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
"""Name of a loss within an objective."""

Beta = Annotated[float, Field(ge=0, lt=1)]
"""Share that an average of gradients keeps of its past."""

BatchStatistics = Literal["all-workers", "worker", "micro-batch", "frozen"]


class ValidationConfig(Config):
    """What is retrieved between epochs, to see whether training still helps.

    Attributes:
        split: whose queries; never the one that results are stated on.
        protocol: name of the protocol; null for the one made for the dataset.
        every: epochs from one validation to the next; the last epoch is always validated.
        metric: by which epochs are compared, such as "R@10"; "mean" is the protocol's headline. Higher is better.
        patience: validations in a row without a new best after which training ends; null to go on to the end.
        min_delta: by how much a metric must exceed the best so far to be a new best.
    """

    split: str = "val"
    protocol: str | None = None
    every: int = Field(1, ge=1)
    metric: str = "mean"
    patience: int | None = Field(None, ge=1)
    min_delta: float = Field(0.0, ge=0)


class TrainingConfig(Config):
    """How weights are found.

    Attributes:
        epochs: passes over the training triplets.
        batch_size: triplets in a step, over all workers together; also the number of candidates that each query
            must pick its target from.
        sampler: which examples an epoch has, and in what order.
        texts: what becomes of a triplet's several texts.
        joiner: what stands between texts that are joined.
        augmentations: random changes of the pictures, in their order.
        pixels: "cache" decodes every picture once a node, into a file that the workers share; "stream" decodes
            them ahead of the steps, over and over; "auto" streams where the file does not fit.
        optimizer: "adamw", "adam" or "sgd".
        learning_rate: at its highest.
        image_encoder_rate: the image encoder's learning rate, as a factor on the others'; papers give a pretrained
            one a tenth.
        frozen_epochs: in which the image encoder's weights stay as they are; its batch norms go on counting.
        weight_decay: of the optimiser.
        momentum: of "sgd".
        betas: of "adam" and "adamw".
        epsilon: likewise.
        amsgrad: likewise.
        schedule: "constant"; "cosine": down to zero at the end; "step": times `decay` every `decay_every` epochs;
            "plateau": times `decay` where the validation's metric, or without a validation the training loss, has
            not become better for `plateau_patience` epochs (or validations).
        decay: factor of "step" and "plateau".
        decay_every: epochs, whole or not, between two decays of "step".
        plateau_patience: of "plateau".
        warmup: share of all steps in which the learning rate rises to its highest, in equal steps: with n of them
            the first has 1/n of it.
        gradient_clip: largest norm of the gradient; null for none.
        precision: in which the model computes; weights, losses and gradients of weights are float32 in any case.
            "auto" is bfloat16 on a GPU that has it, else float32.
        micro_batch: examples of one worker that go through the model at once; null for its whole share of the batch.
            The candidates of each query stay those of the whole batch, and so do the gradients.
        batch_statistics: what batch norm normalises by in training: the batch of "all-workers", of each "worker", of
            each "micro-batch", or, with "frozen", the running statistics that the model began with. With
            `micro_batch`, only the last two are possible for layers of the model.
        fused: whether the optimiser is the fused one; null for yes on a GPU and no on the CPU, where its last digits
            differ from the plain one's.
        compile: whether the image encoder is compiled; without a compiler it runs as it is, and the log says so.
        ema_decay: of the moving average of the weights, which is then what is validated and kept; null for none.
        divergence_factor: training ends where the loss is this many times the lowest so far; null for never.
        divergence_steps: for how many steps in a row it must be.
        validation: between epochs; null for none.
        bundle: whose epoch's weights the bundle gets: the "last", or the "best" by the validation's metric; null for
            the best where `validation.patience` ends training early, and else the last, as papers report it.
        checkpoint_every_steps: steps between checkpoints within an epoch; null for one at each epoch's end only.
        keep: which checkpoints are kept.
        tracking: what hears of every epoch besides the run's page, by name or with settings.
    """

    epochs: int = Field(10, ge=1)
    batch_size: int = Field(32, ge=2)
    sampler: Annotated[SerializeAsAny[Choice], chosen_from(samplers)] = ShuffleConfig()
    texts: TextUse = "joined"
    joiner: str = " and "
    augmentations: tuple[Annotated[SerializeAsAny[Choice], chosen_from(known_augmentations)], ...] = ()
    pixels: Literal["auto", "cache", "stream"] = "auto"
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0)
    image_encoder_rate: float = Field(1.0, ge=0)
    frozen_epochs: int = Field(0, ge=0)
    weight_decay: float = Field(1e-4, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    epsilon: float = Field(1e-8, gt=0)
    amsgrad: bool = False
    schedule: Literal["constant", "cosine", "step", "plateau"] = "cosine"
    decay: float = Field(0.1, gt=0, le=1)
    decay_every: float = Field(10.0, gt=0)
    plateau_patience: int = Field(3, ge=0)
    warmup: float = Field(0.05, ge=0, lt=1)
    gradient_clip: float | None = Field(1.0, gt=0)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    micro_batch: int | None = Field(None, ge=2)
    batch_statistics: BatchStatistics = "all-workers"
    fused: bool | None = None
    compile: bool = False
    ema_decay: float | None = Field(None, gt=0, lt=1)
    divergence_factor: float | None = Field(10.0, gt=1)
    divergence_steps: int = Field(50, ge=1)
    validation: ValidationConfig | None = None
    bundle: Literal["last", "best"] | None = None
    checkpoint_every_steps: int | None = Field(None, ge=1)
    keep: KeepConfig = KeepConfig()
    tracking: Tracking = (TensorboardConfig(),)

    @property
    def bundle_metric(self) -> str | None:
        """The validation's metric whose best epoch the bundle has; None where it has the last epoch."""
        if self.validation is None or self.bundle == "last":
            return None
        early = self.validation.patience is not None
        return self.validation.metric if self.bundle == "best" or early else None


class HoldOutConfig(Config):
    """What is kept from training, to measure on while a run goes on: the split "held-out" of its dataset.

    Attributes:
        share: of the references of the split's triplets; of its items, where the sampler pairs these itself.
        seed: decides which.
    """

    share: float = Field(0.1, gt=0, lt=1)
    seed: int = Field(0, ge=0, lt=2**63)


class RunConfig(Config):
    """A (dataset, method) run, complete.

    Attributes:
        name: of the recipe; the model is kept under it.
        dataset: name of the prepared dataset.
        split: whose triplets train.
        hold_out: what part of the split does not; null for none.
        seed: decides initial weights, batches and dropout.
        model: encoders and composer.
        objective: the losses by the role that each plays, with their weights, margins and temperatures.
        training: how weights are found.
    """

    name: str
    dataset: str
    split: str = "train"
    hold_out: HoldOutConfig | None = None
    seed: int = Field(0, ge=0, lt=2**63)
    model: ModelConfig
    objective: dict[Role, Annotated[SerializeAsAny[LossConfig], chosen_from(losses)]] = Field(min_length=1)
    training: TrainingConfig

    @model_validator(mode="after")
    def _every_epoch_has_a_loss(self) -> RunConfig:
        for epoch in range(1, self.training.epochs + 1):
            if not any(loss.counts_in(epoch) for loss in self.objective.values()):
                raise ConfigError(
                    f"No loss of the objective counts in epoch {epoch} of {self.training.epochs}.",
                    hint="Change first_epoch or last_epoch of one of them.",
                )
        return self


Recipe = Callable[[], RunConfig]

recipes: Registry[Recipe] = Registry("recipe")
