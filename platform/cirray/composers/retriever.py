"""The whole model: encoders and a composer."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field, SerializeAsAny
from torch import Tensor, nn

from cirray.composers.composer import ComposerConfig, composers
from cirray.config import Choice, Config, chosen_from
from cirray.encoders import (
    ImageFeatures,
    ImageShape,
    Preprocessing,
    TextEncoder,
    TextFeatures,
    TextShape,
    Vocabulary,
    image_encoders,
    text_encoders,
)
from cirray.encoders.vocabulary import OnUnknown
from cirray.errors import ConfigError


class ModelConfig(Config):
    """Everything that a model is built from, and how pictures and texts become its input.

    Attributes:
        preprocessing: of the pictures.
        tokenizer: name of the text tokeniser.
        on_unknown: whether words that training never saw are dropped from a text or kept as one unknown word.
        min_count: how often a word must occur in the training texts to be known.
        image_encoder: which, with its settings.
        text_encoder: which, with its settings; not built for a composer that uses no text.
        composer: which, with its settings.
    """

    preprocessing: Preprocessing
    tokenizer: str = "tirg"
    on_unknown: OnUnknown = "drop"
    min_count: int = Field(1, ge=1)
    image_encoder: Annotated[SerializeAsAny[Choice], chosen_from(image_encoders)]
    text_encoder: Annotated[SerializeAsAny[Choice], chosen_from(text_encoders)]
    composer: Annotated[SerializeAsAny[ComposerConfig], chosen_from(composers)]


class Retriever(nn.Module):
    """Encoders and a composer, as one module with one set of weights.

    Attributes:
        image_shape: sizes of the image encoder's features.
        text_shape: sizes of the text encoder's features.
    """

    def __init__(self, config: ModelConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config = config
        composer = composers[config.composer.name]
        text_encoder = text_encoders[config.text_encoder.name](config.text_encoder, vocabulary)
        self.image_encoder = image_encoders[config.image_encoder.name](config.image_encoder)
        self.image_shape: ImageShape = self.image_encoder.shape(*config.preprocessing.size)
        self.text_shape: TextShape = text_encoder.shape
        self.composer = composer(config.composer, self.image_shape, self.text_shape)
        if self.composer.reads_words_only:
            _check_nothing_idle(config, text_encoder)
        # An encoder that no gradient reaches would stop distributed training, and its weights would take up room in
        # every bundle.
        self.text_encoder = text_encoder if self.composer.uses_text else None
        self.second_encoder: TextEncoder | None = None
        if composer.second_encoder != "none":
            self.second_encoder = text_encoders[config.text_encoder.name](config.text_encoder, vocabulary)

    @property
    def dim(self) -> int:
        """Size D of queries and gallery vectors."""
        return self.composer.dim

    def encode_images(self, pixels: Tensor) -> ImageFeatures:
        """Return the features of `pixels`, (B, H, W, 3) uint8."""
        features: ImageFeatures = self.image_encoder(self.config.preprocessing.normalise(pixels))
        return features

    def encode_texts(self, tokens: Tensor, lengths: Tensor) -> TextFeatures | None:
        """Return the features of modification texts, or None where the composer uses none.

        Args:
            tokens: (B, L) int64.
            lengths: (B,) int64.
        """
        if self.text_encoder is None:
            return None
        features: TextFeatures = self.text_encoder(tokens, lengths)
        if self.second_encoder is not None and self.composer.second_encoder == "query":
            features = replace(features, second=self.second_encoder(tokens, lengths))
        return features

    def encode_descriptions(self, tokens: Tensor, lengths: Tensor) -> TextFeatures:
        """Return the features of texts that describe whole pictures.

        Raises:
            ConfigError: the model has no text encoder.
        """
        own = self.composer.second_encoder == "descriptions"
        encoder = self.second_encoder if own else self.text_encoder
        if encoder is None:
            raise ConfigError(
                f"Composer {self.config.composer.name!r} uses no text, so that its model cannot encode descriptions.",
                hint="Leave out the loss that needs them.",
            )
        features: TextFeatures = encoder(tokens, lengths)
        return features

    def compose(self, reference: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Return the queries (B, D), not normalised.

        Args:
            reference: (B, H, W, 3) uint8.
            tokens: (B, L) int64.
            lengths: (B,) int64.
        """
        image = self.encode_images(reference) if self.composer.uses_reference else None
        return self.composer.compose(image, self.encode_texts(tokens, lengths))

    def embed(self, images: Tensor) -> Tensor:
        """Return the gallery vectors (B, D) of `images` (B, H, W, 3) uint8, not normalised."""
        return self.composer.embed(self.encode_images(images))


def _check_nothing_idle(config: ModelConfig, text_encoder: TextEncoder) -> None:
    """Make sure that all weights of a text encoder that learn are those of its word vectors.

    Raises:
        ConfigError: there are others, which no gradient would ever reach.
    """
    words = {id(part.weight) for part in text_encoder.modules() if isinstance(part, nn.Embedding)}
    learning = {key: id(weight) for key, weight in text_encoder.named_parameters() if weight.requires_grad}
    idle = [key for key, weight in learning.items() if weight not in words]
    if idle:
        raise ConfigError(
            f"Composer {config.composer.name!r} reads word vectors and nothing else; text encoder "
            f"{config.text_encoder.name!r} has weights behind them that would never learn: {', '.join(idle[:3])}"
            f"{', …' if len(idle) > 3 else ''}.",
            hint="Set model.text_encoder.name to words.",
        )
