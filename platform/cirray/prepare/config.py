"""The settings of preparation."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, SerializeAsAny

from cirray.config import Choice, Config, chosen_from
from cirray.datasets.source import readers


class PrepareConfig(Config):
    """How a raw source becomes a dataset.

    Attributes:
        reader: of the source's layout, with its settings.
        part_rows: items in one file of the item table, and the unit of parallel work. A part is put together in
            the memory of one task: with large pictures, lower it.
        row_group_size: items that a reader of such a file gets at least.
        max_image_side: pictures with a longer side (pixels) are scaled down to it and encoded anew: PNG as PNG,
            all others as JPEG of quality 95. None keeps every picture as it is.
        max_reject_share: the largest share of the items, or of the triplets, that may be rejected.
    """

    reader: Annotated[SerializeAsAny[Choice], chosen_from(readers)]
    part_rows: int = Field(2048, ge=1)
    row_group_size: int = Field(128, ge=1)
    max_image_side: int | None = Field(None, ge=16)
    max_reject_share: float = Field(0.01, ge=0, le=1)

    @classmethod
    def of(cls, reader: str) -> PrepareConfig:
        """Return the settings that a reader's name alone gives.

        Raises:
            UnknownNameError: there is no such reader.
        """
        return cls(reader=readers[reader].Config(name=reader))

    def identity(self) -> dict[str, Any]:
        """Return the settings that decide what a dataset consists of, for its fingerprint.

        The share is not among them: it decides whether a dataset is good enough, and is asked anew each time.
        """
        return self.model_dump(mode="json", exclude={"max_reject_share"})
