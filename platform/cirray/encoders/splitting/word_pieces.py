"""The word pieces of MiniLM."""

from __future__ import annotations

import json

from cirray.encoders import minilm
from cirray.encoders.extras import optional
from cirray.encoders.tokenizer import Tokenizer, tokenizers


@tokenizers.register("minilm")
class MiniLmPieces(Tokenizer):
    """Pieces of words as MiniLM (an uncased BERT) reads them, "[CLS]" first and "[SEP]" last, 256 at most.

    It brings its 30,522 pieces with it: nothing is unknown, and an empty text has the two marks. The pieces come from
    the package of the weights; splitting needs the library `tokenizers` only, so that a bundle, which has the
    pieces in its vocabulary, opens without the weights' package.
    """

    def __init__(self, vocabulary: tuple[str, ...] = ()) -> None:
        super().__init__(vocabulary)
        library = optional("tokenizers", minilm.EXTRA, "Tokenizer 'minilm'")
        self._split = library.BertWordPieceTokenizer({piece: number for number, piece in enumerate(vocabulary)})
        self._split.enable_truncation(minilm.MAX_PIECES)

    @classmethod
    def own_words(cls) -> tuple[str, ...]:
        """Return the pieces in the order of BERT's own ids.

        Raises:
            ConfigError: the package of the weights is not installed.
        """
        pieces = json.loads((minilm.package_folder() / "tokenizer.json").read_text())["model"]["vocab"]
        return tuple(sorted(pieces, key=pieces.__getitem__))

    def __call__(self, text: str) -> list[str]:
        """Return the pieces of `text`, in order."""
        pieces: list[str] = self._split.encode(text).tokens
        return pieces
