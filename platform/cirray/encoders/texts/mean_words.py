"""The mean of a text's word vectors."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from cirray.encoders.features import TextFeatures, TextShape
from cirray.encoders.sequences import mask_of, mean_over_time
from cirray.encoders.text_encoder import TextEncoder, WordsConfig, text_encoders
from cirray.encoders.vocabulary import Vocabulary
from cirray.encoders.word_vectors import embedding


class MeanWordsConfig(WordsConfig):
    """Settings of `MeanWords`."""

    name: Literal["words"] = "words"


@text_encoders.register("words")
class MeanWords(TextEncoder):
    """The mean of the word vectors; a token's state is its vector.

    With the tokeniser `whole` each text of a closed set is one word, so that this is one learned vector a text, as
    Attribute as Operator wants it; `words.std` 0 begins with zeros. A text that training never saw then has the
    vector of the unknown word, which training does not change.
    """

    Config = MeanWordsConfig

    def __init__(self, config: MeanWordsConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        self.shape = TextShape(words=config.word_dim, states=config.word_dim, sentence=config.word_dim)
        self.words = embedding(config.words, vocabulary, config.word_dim)

    def forward(self, tokens: Tensor, lengths: Tensor) -> TextFeatures:
        """Return the features of `tokens` (B, T) with `lengths` (B,)."""
        mask = mask_of(tokens, lengths)
        words = self.words(tokens) * mask[..., None]
        return TextFeatures(words, words, mask, mean_over_time(words, mask))
