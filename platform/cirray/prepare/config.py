"""The settings of preparation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny

from cirray.config import Choice, Config, chosen_from, from_mapping
from cirray.datasets.source import readers
from cirray.errors import ConfigError

ResizeRule = Literal["none", "longest-side", "shortest-side", "pad", "stretch"]


class PartConfig(Config):
    """How the pictures of a part become its file.

    Attributes:
        row_group_size: items that a reader of such a file gets at least.
        resize: the rule by which pictures are scaled: "none" keeps every file as it is; "longest-side" and
            "shortest-side" scale larger ones down until that side has `size` pixels, and never up; "pad" fits them
            into a white square of `size`, "stretch" makes them that square, whatever their shape.
        size: in pixels, for `resize`. Pictures that have the right size already stay as they are; others are encoded
            anew, PNG as PNG, and all others as JPEG of quality 95.
    """

    row_group_size: int = Field(128, ge=1)
    resize: ResizeRule = "none"
    size: int = Field(256, ge=16, le=4096)

    def part_identity(self) -> dict[str, Any]:
        """Return the settings that decide what a part of the item table is, given its items and their files."""
        return self.part_config().model_dump(mode="json")

    def part_config(self) -> PartConfig:
        """Return these settings alone, without those that a subclass adds."""
        return PartConfig(row_group_size=self.row_group_size, resize=self.resize, size=self.size)


class PrepareConfig(PartConfig):
    """How a raw source becomes a dataset, with the fields of `PartConfig`.

    Attributes:
        reader: of the source's layout, with its settings.
        part_rows: items in one file of the item table, on average, and the unit of parallel work; from half to
            twice as many. A part is put together in the memory of one task.
        similar_bits: by how many of its 64 bits the perceptual hash of a picture may differ from that of another to
            be marked as similar; None marks no picture as similar.
        drop_train_duplicates_of: splits. An item of the split "train" is rejected if it shows the same pixels as an
            item of one of them.
        max_reject_share: the largest share of the items, or of the triplets, that may be rejected.
    """

    reader: Annotated[SerializeAsAny[Choice], chosen_from(readers)]
    part_rows: int = Field(2048, ge=1)
    similar_bits: int | None = Field(0, ge=0, le=15)
    drop_train_duplicates_of: tuple[str, ...] = ()
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
