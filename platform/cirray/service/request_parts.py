"""What several requests have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from cirray.datasets.schema import has_words
from cirray.search import MAX_TEXT_CHARS
from cirray.service.schemas import MAX_TIMEOUT_MS, Identifier, Reference, Wire


def _says_something(text: str) -> str:
    if not has_words(text):
        raise ValueError("The text has no word: no letter and no digit.")
    return text


Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT_CHARS),
    AfterValidator(_says_something),
]


class Change(Wire):
    """A reference, and how what is meant differs from it."""

    reference: Reference
    text: Text = Field(description="The change, in words.", examples=["make the circle red"])
    index: Identifier | None = Field(None, description="Name of the index; may be left out.")
    timeout_ms: int | None = Field(
        None, ge=1, le=MAX_TIMEOUT_MS, description="Time for the whole request; the service's default if absent."
    )
