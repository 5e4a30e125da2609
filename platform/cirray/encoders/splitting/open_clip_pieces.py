"""The byte pairs of CLIP."""

from __future__ import annotations

from cirray.encoders.extras import optional
from cirray.encoders.tokenizer import Tokenizer, tokenizers

EXTRA = "open-clip"
WANTED_BY = "Tokenizer 'open-clip'"
MAX_PIECES = 77


@tokenizers.register("open-clip")
class OpenClipPieces(Tokenizer):
    """Pieces of words as CLIP's byte-pair encoding makes them, a mark first and one last, 77 at most.

    It brings its 49,408 pieces with it: nothing is unknown, and an empty text has the two marks. Of a longer text the
    last piece that is kept gives way to the closing mark, as in open_clip.
    """

    def __init__(self, vocabulary: tuple[str, ...] = ()) -> None:
        super().__init__(vocabulary)
        self._split = optional("open_clip.tokenizer", EXTRA, WANTED_BY).SimpleTokenizer()

    @classmethod
    def own_words(cls) -> tuple[str, ...]:
        """Return the pieces in the order of CLIP's own ids.

        Raises:
            ConfigError: open_clip is not installed.
        """
        pieces = optional("open_clip.tokenizer", EXTRA, WANTED_BY).SimpleTokenizer().encoder
        return tuple(sorted(pieces, key=pieces.__getitem__))

    def __call__(self, text: str) -> list[str]:
        """Return the pieces of `text`, in order."""
        split = self._split
        numbers = [split.sot_token_id, *split.encode(text)[: MAX_PIECES - 2], split.eot_token_id]
        return [split.decoder[number] for number in numbers]
