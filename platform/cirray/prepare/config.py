"""The settings of preparation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, SerializeAsAny

from cirray.config import Choice, Config, chosen_from, from_mapping
from cirray.datasets.source import readers
from cirray.errors import ConfigError


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
    def of(cls, reader: str, settings: Mapping[str, Any] | None = None) -> PrepareConfig:
        """Return the settings that a reader's name alone gives, with others in place of some of them.

        Args:
            reader: its name.
            settings: fields of this class, those of the reader nested under "reader".

        Raises:
            ConfigError: a setting is unknown, of the wrong kind, or is of another reader.
            UnknownNameError: there is no such reader.
        """
        given = dict(settings or {})
        own = given.pop("reader", None) or {}
        if not isinstance(own, Mapping):
            raise ConfigError(f"The settings under `reader` are no mapping; given was {own!r}.")
        if own.get("name", reader) != reader:
            raise ConfigError(f"The settings are for reader {own['name']!r}; asked for was {reader!r}.")
        readers[reader]  # an unknown name is told as such, not as a wrong setting
        return from_mapping(cls, {**given, "reader": {**own, "name": reader}})

    def identity(self) -> dict[str, Any]:
        """Return the settings that decide what a dataset consists of, for its fingerprint.

        The share is not among them: it decides whether a dataset is good enough, and is asked anew each time.
        """
        return self.model_dump(mode="json", exclude={"max_reject_share"})
