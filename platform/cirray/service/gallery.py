"""The gallery that can be searched: its items, their pictures, and queries that its dataset asks."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cirray.datasets.prepared import PreparedDataset
from cirray.datasets.schema import joined, triplets_table
from cirray.errors import UnknownItemError
from cirray.index import SHARD_ITEMS, Filter, mask_of


class GalleryItem(NamedTuple):
    """What is known of an item besides its picture."""

    item_id: str
    label: str
    caption: str
    width: int
    height: int


class GalleryPage(NamedTuple):
    """Some items, and how many there are in all."""

    items: list[GalleryItem]
    total: int


@dataclass(frozen=True)
class Gallery:
    """The items of one split of a dataset. May be used from several threads.

    Attributes:
        dataset: whose.
        split: which.
    """

    dataset: PreparedDataset
    split: str

    def __len__(self) -> int:
        return len(self._ids)

    def item(self, item_id: str) -> GalleryItem:
        """Return one item.

        Raises:
            UnknownItemError: it is not in the gallery.
        """
        row = bisect.bisect_left(self._ids, item_id)
        if row == len(self._ids) or self._ids[row] != item_id:
            raise UnknownItemError(f"The gallery has no item {item_id!r}.")
        return self._rows(row, row + 1)[0]

    def page(self, after: str | None, limit: int, wanted: Filter | None = None) -> GalleryPage:
        """Return the next `limit` items by id that pass a filter, those behind `after`, which itself need not exist.

        Raises:
            FilterError: the filter cannot be put to the items.
        """
        start = 0 if after is None else bisect.bisect_right(self._ids, after)
        if wanted is None:
            return GalleryPage(self._rows(start, start + limit), len(self))
        passing = np.flatnonzero(mask_of(wanted, self._filtered))
        rows = passing[np.searchsorted(passing, start) :][:limit]
        found = self._items.take(pa.array(rows)).to_pylist()
        return GalleryPage([GalleryItem(**row) for row in found], len(passing))

    def image(self, item_id: str) -> bytes:
        """Return the picture file of one item.

        Raises:
            UnknownItemError: it is not in the gallery.
        """
        self.item(item_id)
        return self.dataset.image(item_id)

    def examples(self, limit: int, reference_id: str | None = None) -> list[tuple[GalleryItem, str]]:
        """Return up to `limit` pairs of a reference and a modification text, spread over the split's queries.

        Args:
            limit: at least 1.
            reference_id: queries of this reference, where it has any.
        """
        queries = self._queries
        if reference_id is not None:
            own = queries.filter(pc.equal(queries["reference_id"], reference_id))
            queries = own if own.num_rows else queries
        rows = np.unique(np.linspace(0, queries.num_rows - 1, min(limit, queries.num_rows)).astype(np.int64))
        chosen = queries.take(pa.array(rows))
        pairs = zip(chosen["reference_id"].to_pylist(), chosen["texts"].to_pylist(), strict=True)
        return [(self.item(reference), joined(texts)) for reference, texts in pairs]

    @cached_property
    def _items(self) -> pa.Table:
        return self.dataset.gallery(self.split).select(list(_COLUMNS)).combine_chunks()

    @cached_property
    def _filtered(self) -> pa.Table:
        """The items with the columns that a search filters by."""
        return self.dataset.gallery(self.split).select(SHARD_ITEMS.names).combine_chunks()

    @cached_property
    def _ids(self) -> list[str]:
        return list(self._items["item_id"].to_pylist())

    @cached_property
    def _queries(self) -> pa.Table:
        """The split's queries whose reference is in the gallery; none where the split has no queries."""
        if self.split not in self.dataset.splits:
            return triplets_table([])
        queries = self.dataset.triplets(self.split)
        return queries.filter(pc.is_in(queries["reference_id"], self._items["item_id"].combine_chunks()))

    def _rows(self, start: int, stop: int) -> list[GalleryItem]:
        rows = self._items.slice(start, max(0, stop - start)).to_pylist()
        return [GalleryItem(**row) for row in rows]


_COLUMNS = GalleryItem._fields
