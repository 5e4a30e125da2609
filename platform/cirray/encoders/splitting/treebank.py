"""Tokenisers after the Penn Treebank, as VAL and CurlingNet use NLTK's."""

from __future__ import annotations

import re

from cirray.encoders.tokenizer import Tokenizer, tokenizers

_RULES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r'(^|(?<=[\s(\[{<]))"', r" `` "),  # a quotation mark that opens
        (r'"', r" '' "),
        (r"\.\.+|--+", r" \g<0> "),
        (r"[;@#$%&?!()\[\]{}<>*]", r" \g<0> "),
        (r"[,:](?!\d)", r" \g<0> "),  # not within 1,000 and 4:30
        (r"(?<!\.)\.(?=[\])}>\"']*\s*$|\s)", r" \g<0> "),  # that ends a sentence
        (r"[“”‘’„«»]", r" \g<0> "),
        (r"(?:^|(?<=\s))'(?=\w)", r"' "),
        (r"(?<=[^\s'])'(?=\s|$)", r" ' "),
        (r"\bcan(?=not\b)", r"can "),
        (r"(?<=\w)n't\b", r" n't"),
        (r"(?<=[^\s'])'(?:s|m|d|ll|re|ve)(?=\s|$)", r" \g<0> "),
    )
)

_MARKS = str.maketrans({".": "dotmark", "?": "questionmark", "&": "andmark", "*": "starmark"})


def treebank_words(text: str) -> list[str]:
    """Return the words of `text` in lower case, with punctuation marks as words of their own."""
    text = text.lower()
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text.split()


@tokenizers.register("treebank")
class Treebank(Tokenizer):
    """Words after the rules of the Penn Treebank, in lower case.

    Marks are words of their own, what hangs together with a hyphen stays together, and "doesn't" is "does" and
    "n't". These are the rules of NLTK's `word_tokenize` as far as they matter for modification texts; its
    abbreviations ("e.g.", whose last full stop it leaves alone) and slang ("gonna", which it splits) are not among
    them. Own rules, because NLTK looks up where sentences end in a model that it downloads; on the 79,348 captions of
    FashionIQ, Shoes and CIRR they differ from NLTK 3.10's word tokeniser, given one sentence after the other, on 8.
    """

    def __call__(self, text: str) -> list[str]:
        """Return the words of `text`, in order."""
        return treebank_words(text)


@tokenizers.register("val")
class Val(Tokenizer):
    """Words as VAL's released code splits them: some marks are spelled out, and then it is `treebank`.

    The code puts "dotmark", "questionmark", "andmark" and "starmark" in the place of ".", "?", "&" and "*", without a
    space, so that "a red dress." ends in the word "dressdotmark"; `treebank` is what the paper ("basic
    tokenization") more likely means. On Fashion200k the code asks in training for TIRG's rules instead, on captions
    with the marks spelled out, which is the tokeniser `tirg` here.
    """

    def __call__(self, text: str) -> list[str]:
        """Return the words of `text`, in order."""
        return treebank_words(text.strip().translate(_MARKS))


@tokenizers.register("curlingnet")
class CurlingNet(Tokenizer):
    """Words as CurlingNet's released code splits them: `treebank`, "<and>" between captions, 30 words at most.

    Join captions with " <and> " (`training.joiner`). Where the code fails on a text of more than 30 words, the rest
    is left out here.
    """

    def __call__(self, text: str) -> list[str]:
        """Return the words of `text`, in order."""
        first, *others = (treebank_words(caption) for caption in text.split(AND))
        return (first + [word for caption in others for word in (AND, *caption)])[:MAX_WORDS]


AND = "<and>"
"""What stands between two captions in CurlingNet's code."""

MAX_WORDS = 30
"""The longest text of CurlingNet's code."""
