"""Small pictures of the items that a page shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cirray.datasets.prepared import PreparedDataset
from cirray.datasets.thumbnails import thumbnail_uri
from cirray.errors import BadImageError, UnknownItemError


@dataclass(frozen=True)
class Shown:
    """An item on a page.

    Attributes:
        name: its id; a text, where pictures are classified by texts.
        caption: what is to be seen.
        uri: the picture as a data URI; empty where there is none.
    """

    name: str
    caption: str
    uri: str = ""


class Album:
    """The items of a dataset that a page shows, read once."""

    def __init__(self, dataset: PreparedDataset, item_ids: Iterable[str]) -> None:
        """Read the pictures of the items; what is no item of the dataset is shown by its name."""
        names = ("item_id", "caption", "label")
        columns = (dataset.items[name].to_pylist() for name in names)
        captions = {item_id: caption or label or item_id for item_id, caption, label in zip(*columns, strict=True)}
        # In the order of the ids, in which the parts of the item table are: each is then read once.
        self._shown = {
            item_id: Shown(item_id, captions.get(item_id, item_id), _thumbnail(dataset, item_id))
            for item_id in sorted(set(item_ids))
        }

    def show(self, item_id: str) -> Shown:
        """Return an item that was asked for."""
        return self._shown[item_id]


def _thumbnail(dataset: PreparedDataset, item_id: str) -> str:
    try:
        return thumbnail_uri(dataset.image(item_id))
    except (BadImageError, UnknownItemError):
        return ""
