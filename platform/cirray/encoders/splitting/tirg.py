"""The tokenisers of TIRG and RTIC, and the one for closed sets of texts."""

from __future__ import annotations

import string

from cirray.encoders.tokenizer import Tokenizer, tokenizers

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def plain_words(text: str) -> list[str]:
    """Return the words of `text` in lower-case ASCII without punctuation."""
    ascii_only = text.encode("ascii", errors="ignore").decode()
    return ascii_only.lower().translate(_NO_PUNCTUATION).split()


@tokenizers.register("tirg")
class Tirg(Tokenizer):
    """Words as TIRG's released code splits them.

    Characters beyond ASCII are dropped, letters lowered, punctuation deleted (so "top-left" is one word,
    "topleft"), and the rest split at white space.
    """

    def __call__(self, text: str) -> list[str]:
        """Return the words of `text`, in order."""
        return plain_words(text)


@tokenizers.register("rtic")
class Rtic(Tokenizer):
    """Words as RTIC's released code splits them: TIRG's rules, and "[SEP]" between two captions is unknown.

    The code joins captions with " [SEP] " and has that token in its vocabulary, but its rules make "sep" of it,
    which is no word of any caption. With `on_unknown` "keep" that gives the code's way, and the vector of the
    unknown word is learned as the mark between captions; with "drop" the mark goes.
    """

    never_known = frozenset({"sep"})

    def __call__(self, text: str) -> list[str]:
        """Return the words of `text`, in order."""
        return plain_words(text)


@tokenizers.register("whole")
class Whole(Tokenizer):
    """The whole text, under TIRG's rules, as one word: for methods with a weight for each of their texts.

    Two texts that differ in punctuation and capitals only are one. A text that training never saw is an unknown
    word; an empty text has none.
    """

    def __call__(self, text: str) -> list[str]:
        """Return the one word of `text`, or none."""
        words = plain_words(text)
        return [" ".join(words)] if words else []
