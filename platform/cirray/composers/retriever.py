"""The whole model: encoders and a composer."""

from __future__ import annotations

from typing import Annotated

from pydantic import SerializeAsAny
from torch import Tensor, nn

from cirray.composers.composer import ComposerConfig, composers
from cirray.config import Choice, Config, chosen_from
from cirray.encoders import (
    ImageFeatures,
    Preprocessing,
    TextFeatures,
    image_encoders,
    text_encoders,
)
from cirray.encoders.vocabulary import OnUnknown


class ModelConfig(Config):
    """Everything that a model is built from, and how pictures and texts become its input.

    Attributes:
        preprocessing: of the pictures.
        tokenizer: name of the text tokeniser.
        on_unknown: whether words that training never saw are dropped from a text or kept as one unknown word.
        image_encoder: which, with its settings.
        text_encoder: which, with its settings; not built for a composer that uses no text.
        composer: which, with its settings.
    """

    preprocessing: Preprocessing
    tokenizer: str = "tirg"
    on_unknown: OnUnknown = "drop"
    image_encoder: Annotated[SerializeAsAny[Choice], chosen_from(image_encoders)]
    text_encoder: Annotated[SerializeAsAny[Choice], chosen_from(text_encoders)]
    composer: Annotated[SerializeAsAny[ComposerConfig], chosen_from(composers)]


class Retriever(nn.Module):
    """Encoders and a composer, as one module with one set of weights."""

    def __init__(self, config: ModelConfig, vocabulary_size: int) -> None:
        super().__init__()
        self.config = config
        composer = composers[config.composer.name]
        text_encoder = text_encoders[config.text_encoder.name](config.text_encoder, vocabulary_size)
        self.image_encoder = image_encoders[config.image_encoder.name](config.image_encoder)
        self.composer = composer(config.composer, self.image_encoder.channels, text_encoder.dim)
        # An encoder that no gradient reaches would stop distributed training, and its weights would take up room in
        # every bundle.
        self.text_encoder = text_encoder if composer.uses_text else None

    @property
    def dim(self) -> int:
        """Size D of queries and gallery vectors."""
        return self.composer.dim

    def encode_images(self, pixels: Tensor) -> ImageFeatures:
        """Return the features of `pixels`, (B, H, W, 3) uint8."""
        features: ImageFeatures = self.image_encoder(self.config.preprocessing.normalise(pixels))
        return features

    def compose(self, reference: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Return the queries (B, D), not normalised.

        Args:
            reference: (B, H, W, 3) uint8.
            tokens: (B, T) int64.
            lengths: (B,) int64.
        """
        image = self.encode_images(reference) if self.composer.uses_reference else None
        text: TextFeatures | None = self.text_encoder(tokens, lengths) if self.text_encoder else None
        return self.composer.compose(image, text)

    def embed(self, images: Tensor) -> Tensor:
        """Return the gallery vectors (B, D) of `images` (B, H, W, 3) uint8, not normalised."""
        return self.composer.embed(self.encode_images(images))

    def forward(self, reference: Tensor, tokens: Tensor, lengths: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return queries and target vectors, both (B, D), of a training batch."""
        return self.compose(reference, tokens, lengths), self.embed(target)
