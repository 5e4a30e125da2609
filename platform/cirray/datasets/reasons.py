"""Why a reader leaves a row of a source out; the checks of preparation have further reasons of their own."""

MALFORMED_ROW = "malformed-row"
"""The row has more or fewer cells than the header, or a quote that is not closed."""

BAD_ENCODING = "bad-encoding"
"""A cell has bytes of another encoding, or NUL characters."""

NOT_TEXT = "not-text"
"""A cell holds what is neither text nor a number, such as a list or bytes."""

TEXT_TOO_LONG = "text-too-long"
"""A cell is longer than any id, path or caption."""

NO_SPLIT = "no-split"
"""A triplet names no split, and its reference is of none."""
