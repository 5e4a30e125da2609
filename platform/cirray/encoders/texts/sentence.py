"""A frozen sentence encoder."""

from __future__ import annotations

from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from cirray.config import Choice
from cirray.encoders.features import TextFeatures, TextShape
from cirray.encoders.initial_weights import initial_weights_wanted
from cirray.encoders.minilm import DIM, PACKAGES, MiniLm
from cirray.encoders.sequences import mask_of
from cirray.encoders.text_encoder import TextEncoder, text_encoders
from cirray.encoders.vocabulary import Vocabulary
from cirray.errors import ConfigError


class SentenceConfig(Choice):
    """Settings of `Sentence`.

    Attributes:
        dim: size of the sentence vector after a linear layer that is trained; null takes the network's own 384, as
            ComposeAE does, whose composer has layers for them.
    """

    name: Literal["sentence"] = "sentence"
    dim: int | None = Field(None, ge=1)

    def packages(self) -> tuple[str, ...]:
        """Return the packages of weights and word pieces."""
        return PACKAGES


@text_encoders.register("sentence")
class Sentence(TextEncoder):
    """MiniLM, frozen, with a linear layer on its sentence vector where one is wanted.

    In the place of ComposeAE's BERT vectors (768, from a service that no longer exists): MiniLM's 384 install from a
    package, whose weights come with the extra `sentence`. It reads MiniLM's own word pieces, so that texts need no
    known words: set model.tokenizer to "minilm". The frozen weights, 91 MB, are part of every checkpoint and bundle,
    which is why a bundle opens without that package. Texts beyond 256 pieces are cut.
    """

    Config = SentenceConfig

    def __init__(self, config: SentenceConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        self.network = MiniLm(len(vocabulary)).requires_grad_(False)
        if initial_weights_wanted():
            if vocabulary.tokenizer != "minilm":
                raise ConfigError(
                    f"Text encoder 'sentence' reads the word pieces of MiniLM, not those of tokenizer "
                    f"{vocabulary.tokenizer!r}.",
                    hint="Set model.tokenizer to minilm.",
                )
            self.network.load_pretrained()
        self.project = nn.Identity() if config.dim is None else nn.Linear(DIM, config.dim)
        self.shape = TextShape(words=DIM, states=DIM, sentence=config.dim or DIM)

    def forward(self, tokens: Tensor, lengths: Tensor) -> TextFeatures:
        """Return the features of `tokens` (B, T) with `lengths` (B,)."""
        mask = mask_of(tokens, lengths)
        with torch.no_grad():
            words = self.network.words(tokens) * mask[..., None]
            states = self.network(tokens, mask) * mask[..., None]
            sentence = self.network.sentence(states, mask)
        return TextFeatures(words, states, mask, cast(Tensor, self.project(sentence)))
