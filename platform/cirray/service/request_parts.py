"""What several requests have in common."""

from __future__ import annotations

from pydantic import Field

from cirray.service.schemas import MAX_TIMEOUT_MS, Identifier, Reference, Text, Wire


class Change(Wire):
    """A reference, and how what is meant differs from it."""

    reference: Reference
    text: Text = Field(description="The change, in words.", examples=["make the circle red"])
    index: Identifier | None = Field(None, description="Name of the index; may be left out.")
    timeout_ms: int | None = Field(
        None, ge=1, le=MAX_TIMEOUT_MS, description="Time for the whole request; the service's default if absent."
    )
