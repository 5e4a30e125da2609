"""Rotational symmetry: the target, turned back, must find the reference."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal, Protocol, runtime_checkable

from pydantic import SerializeAsAny, model_validator
from torch import Tensor

from cirray.composers import Retriever
from cirray.config import chosen_from
from cirray.encoders import ImageFeatures, TextFeatures
from cirray.errors import ConfigError
from cirray.objectives.batch_classification import BatchClassificationConfig
from cirray.objectives.loss import Loss, LossConfig, LossValue, losses
from cirray.objectives.view import View


@runtime_checkable
class ComposesBack(Protocol):
    """A composer that can undo a change."""

    def compose_back(self, target: ImageFeatures, text: TextFeatures) -> Tensor:
        """Return what targets (B) are without their texts' changes, (B, D)."""
        ...


class RotationalSymmetryConfig(LossConfig):
    """Settings of `RotationalSymmetry`.

    Attributes:
        base: the loss that compares, with its settings: any that looks at queries and targets alone. Its own weight
            and epochs stay as they are.
    """

    name: Literal["rotational-symmetry"] = "rotational-symmetry"
    base: Annotated[SerializeAsAny[LossConfig], chosen_from(losses)] = BatchClassificationConfig()

    @model_validator(mode="after")
    def _only_the_outer_loss_is_weighed(self) -> RotationalSymmetryConfig:
        own = (self.base.weight, self.base.first_epoch, self.base.last_epoch)
        if self.base.name == self.name or own != (1.0, 1, None):
            raise ConfigError(
                f"The base of rotational symmetry is {self.base.name!r} with weight {own[0]:g}, first_epoch {own[1]} "
                f"and last_epoch {own[2]}.",
                hint="Set these at the loss itself, not at its base, and take another loss for the base.",
            )
        if losses[self.base.name].needs_descriptions:
            raise ConfigError(
                f"The base of rotational symmetry is {self.base.name!r}, which looks at descriptions of pictures.",
                hint="Take a loss that looks at queries and targets alone, such as batch-classification.",
            )
        return self


@losses.register("rotational-symmetry")
class RotationalSymmetry(Loss):
    """The base loss between targets composed with the conjugate of their texts, and references.

    Anwaar et al., "Compositional Learning of Image-Text Query for Image Retrieval" (WACV 2021), section 3:

        L = L_base(compose(target, t*), x_reference),    t* the complex conjugate of the text's rotation

    The base loss is that of the retrieval itself: batch classification, in the paper also soft triplets. In the
    released code the two share one learned scale; here each has its own, since a loss knows no other.
    """

    Config = RotationalSymmetryConfig

    def __init__(self, config: RotationalSymmetryConfig, model: Retriever) -> None:
        super().__init__(config, model)
        if not isinstance(model.composer, ComposesBack):
            raise ConfigError(
                "The loss 'rotational-symmetry' asks a composer to turn targets back, which "
                f"{model.config.composer.name!r} cannot.",
                hint="Set model.composer.name to 'compose-ae', or leave the loss out.",
            )
        self.base = losses[config.base.name](config.base, model)

    @classmethod
    def smallest_batch(cls, config: RotationalSymmetryConfig) -> int:
        """Return what the base needs."""
        return losses[config.base.name].smallest_batch(config.base)

    def forward(self, view: View) -> LossValue:
        """Return the base loss the other way round."""
        value: LossValue = self.base(BackwardView(view))
        return value


class BackwardView(View):
    """The same batch and features, with targets in the place of references and the other way round."""

    def __init__(self, forward: View) -> None:
        super().__init__(forward.model, forward.batch, forward.epoch)
        self._autocast = forward._autocast
        self._forward = forward

    @cached_property
    def reference(self) -> ImageFeatures:
        """Features of the forward view's targets."""
        return self._forward.target

    @cached_property
    def target(self) -> ImageFeatures:
        """Features of the forward view's references."""
        return self._forward.reference

    @cached_property
    def text(self) -> TextFeatures | None:
        """Features of the modification texts."""
        return self._forward.text

    @cached_property
    def queries(self) -> Tensor:
        """The forward view's targets without the changes of their texts, (B, D), not normalised."""
        composer, text = self.model.composer, self.text
        assert isinstance(composer, ComposesBack)
        assert text is not None
        return self._by_model(lambda: composer.compose_back(self.reference, text)).float()

    @cached_property
    def targets(self) -> Tensor:
        """Gallery vectors of the forward view's references, (B, D), not normalised."""
        return self._forward.references

    @cached_property
    def references(self) -> Tensor:
        """Gallery vectors of the forward view's targets, (B, D), not normalised."""
        return self._forward.targets
