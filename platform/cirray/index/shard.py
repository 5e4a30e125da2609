"""One shard: an immutable base of vectors, and the items that they belong to."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from cirray.errors import ArtifactError, MismatchError, QueryError
from cirray.index.base import Base
from cirray.index.embedder import Vectors
from cirray.index.filters import Filter, mask_of
from cirray.index.kinds import Dials
from cirray.index.options import Found, Hit, SearchOptions
from cirray.index.ranking import Mask, Rows
from cirray.index.scoring import describe_flaw
from cirray.index.searching import find
from cirray.index.shard_files import base_from_bytes, index_bytes
from cirray.storage import table_bytes, table_from

SHARD_ITEMS = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("caption", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),
        pa.field("attributes", pa.list_(pa.string()), nullable=False),
    ]
)
"""The items of a shard, in the order of the rows of its base: by item id. Filters are put to these columns."""

_MASKS = 32
"""Filters whose rows a shard keeps, a byte a row each: people pick from few categories, again and again."""


class ItemText(NamedTuple):
    """What is shown of an item."""

    label: str
    caption: str
    category: str = ""
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shard:
    """A part of the gallery that can be searched.

    Attributes:
        base: the vectors.
        items: schema `SHARD_ITEMS`; row i is row i of `base`, ids strictly ascending.
    """

    base: Base
    items: pa.Table

    @classmethod
    def build(
        cls, items: pa.Table, vectors: Vectors, dim: int, kind: str = "flat", dials: Dials | None = None
    ) -> Shard:
        """Return the shard of these items, the same whatever order they come in.

        Args:
            items: with at least the columns of `SHARD_ITEMS`, in any order.
            vectors: (N, D) float32, L2-normalised; row i is that of item i.
            dim: D.
            kind: of the index.
            dials: of the kind, settled.

        Raises:
            ArtifactError: an id comes twice, or the vectors are of another size, not finite or not normalised.
        """
        if vectors.shape != (items.num_rows, dim):
            raise ArtifactError(f"{items.num_rows} items of {dim} dimensions came with vectors {vectors.shape}.")
        if flaw := describe_flaw(vectors):
            raise ArtifactError(f"A gallery vector cannot be indexed: {flaw}.", hint="Check the model.")
        order = np.argsort(np.array(items["item_id"].to_pylist(), dtype=object), kind="stable")
        table = items.select(SHARD_ITEMS.names).take(pa.array(order)).cast(SHARD_ITEMS).combine_chunks()
        _check_ids(table["item_id"].to_pylist())
        return cls(Base.build(vectors[order], kind, dials or Dials()), table)

    @classmethod
    def from_bytes(
        cls,
        index: bytes,
        items: bytes,
        halves: bytes | memoryview | None = None,
        kind: str = "flat",
        dials: Dials | None = None,
    ) -> Shard:
        """Return the shard that `index_bytes`, `items_bytes` and `halves_bytes` were taken from.

        FAISS checks little of what it reads: pass only bytes that were compared with their hash.

        Raises:
            ArtifactError: the bytes are not those of a shard.
        """
        try:
            base = base_from_bytes(index, halves, kind, dials or Dials())
            table = table_from(items).cast(SHARD_ITEMS).combine_chunks()
        except (RuntimeError, pa.ArrowException, OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise ArtifactError(f"A shard cannot be read: {reason}.", hint="Build the index again.") from None
        shard = cls(base, table)
        if table.num_rows != len(shard):
            raise ArtifactError(
                f"A shard has {table.num_rows} items and {len(shard)} vectors.", hint="Build the index again."
            )
        _check_ids(shard.item_ids)
        return shard

    def index_bytes(self) -> bytes:
        """Return the FAISS index as bytes."""
        return index_bytes(self.base)

    def halves_bytes(self) -> bytes | None:
        """Return the vectors as float16, row by row, little-endian; None where the index holds them itself."""
        return None if self.base.halves is None else self.base.halves.astype("<f2", copy=False).tobytes()

    def items_bytes(self) -> bytes:
        """Return the items as a parquet file."""
        return table_bytes(self.items)

    @property
    def dim(self) -> int:
        """Size D of the vectors."""
        return self.base.dim

    def __len__(self) -> int:
        return len(self.base)

    @cached_property
    def item_ids(self) -> list[str]:
        """The ids, ascending, in the order of the rows."""
        return list(self.items["item_id"].to_pylist())

    def vectors(self) -> Vectors:
        """Return all vectors as they are stored, (N, D) float32."""
        return self.base.vectors()

    def texts(self, item_ids: Sequence[str]) -> list[ItemText]:
        """Return what is shown of these items, all of which must be in the shard."""
        rows = pa.array([bisect.bisect_left(self.item_ids, item_id) for item_id in item_ids], pa.int64())
        found = self.items.take(rows)
        texts = zip(*(found[name].to_pylist() for name in ItemText._fields), strict=True)
        return [ItemText(label, caption, category, tuple(tags)) for label, caption, category, tags in texts]

    def search(self, queries: Vectors, k: int, exclude: Sequence[Collection[str]] | None = None) -> list[list[Hit]]:
        """Return the best `k` items for each query, by descending exact score, then by item id.

        Args:
            queries: (Q, D) float32, L2-normalised.
            k: hits for each query, at least 1; fewer come where the shard has fewer.
            exclude: for each query, ids that must not be among its hits; ids of other shards do no harm.

        Raises:
            QueryError: a query is not finite or not normalised, or `k` is below 1.
            MismatchError: the queries are of another dimension than the vectors.
        """
        lists = exclude if exclude is not None else [()] * len(queries)
        return [found.hits for found in self.find(queries, [SearchOptions(k, ids) for ids in lists])]

    def find(self, queries: Vectors, options: Sequence[SearchOptions], alive: Mask | None = None) -> list[Found]:
        """Return what is found for each query, and how.

        Args:
            queries: (Q, D) float32, L2-normalised.
            options: one for each query.
            alive: (N,) rows that may be found at all; None lets all.

        Raises:
            QueryError: as `search`, or a filter cannot be put to the items.
            MismatchError: the queries are of another dimension than the vectors.
        """
        self._check(queries, options)
        return find(self, queries, options, alive)

    def passing(self, wanted: Filter) -> Mask:
        """Return which rows pass a filter, (N,) bool, not to be written to; those last asked for are kept.

        Raises:
            FilterError: the filter cannot be put to the items.
        """
        return self._masks(wanted.model_dump_json(by_alias=True, exclude_none=True))

    @cached_property
    def _masks(self) -> Callable[[str], Mask]:
        @lru_cache(maxsize=_MASKS)
        def mask(written: str) -> Mask:
            passing = mask_of(Filter.model_validate_json(written), self.items)
            passing.setflags(write=False)
            return passing

        return mask

    def rows_of(self, item_ids: Iterable[str]) -> Rows:
        """Return the rows of those of these items that are in the shard."""
        places = ((bisect.bisect_left(self.item_ids, item_id), item_id) for item_id in set(item_ids))
        rows = [row for row, item_id in places if row < len(self) and self.item_ids[row] == item_id]
        return np.array(sorted(rows), dtype=np.int64)

    def _check(self, queries: Vectors, options: Sequence[SearchOptions]) -> None:
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise MismatchError(
                f"The index holds vectors of {self.dim} dimensions; the queries have the shape {queries.shape}.",
                hint="Compose the queries with the model that the index was built with.",
            )
        if flaw := describe_flaw(queries):
            raise QueryError(f"A query vector cannot be searched for: {flaw}.", hint="Check the model.")
        if len(options) != len(queries):
            raise QueryError(f"{len(queries)} queries came with {len(options)} lists of ids to exclude.")
        for asked in options:
            if asked.k < 1:
                raise QueryError(f"At least 1 hit must be asked for; asked were {asked.k}.")


def _check_ids(item_ids: Sequence[str]) -> None:
    for before, after in itertools.pairwise(item_ids):
        if before >= after:
            raise ArtifactError(
                f"The items of a shard are not in the order of unique ids: {after!r} follows {before!r}.",
                hint="Item ids must be unique in a dataset.",
            )
