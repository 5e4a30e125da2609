"""One shard: a FAISS index and the items whose vectors it holds, searched exactly."""

from __future__ import annotations

import bisect
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import faiss
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cirray.errors import ArtifactError, MismatchError, QueryError
from cirray.exact import exact_scores
from cirray.index.embedder import Vectors
from cirray.index.scoring import describe_flaw, score_margin
from cirray.storage import table_bytes, table_from

SHARD_ITEMS = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("caption", pa.string(), nullable=False),
    ]
)
"""The items of a shard, in the order of the rows of its FAISS index: by item id."""

EXTRA = 16
"""Candidates beyond those asked for that a first search fetches, so that few ties need a second one."""


class Hit(NamedTuple):
    """An item that was found.

    Attributes:
        item_id: the item.
        score: inner product with the query, which is the cosine; higher is better.
    """

    item_id: str
    score: float


class ItemText(NamedTuple):
    """What is shown of an item."""

    label: str
    caption: str


@dataclass(frozen=True)
class Shard:
    """A part of the gallery that can be searched.

    Attributes:
        index: FAISS index of inner products.
        items: schema `SHARD_ITEMS`; row i is row i of `index`, ids strictly ascending.
    """

    index: Any
    items: pa.Table

    @classmethod
    def build(cls, items: pa.Table, vectors: Vectors, dim: int, factory: str = "Flat") -> Shard:
        """Return the shard of these items, the same whatever order they come in.

        Args:
            items: with at least the columns of `SHARD_ITEMS`, in any order.
            vectors: (N, D) float32, L2-normalised; row i is that of item i.
            dim: D.
            factory: FAISS factory string.

        Raises:
            ArtifactError: an id comes twice, or the vectors are of another size, not finite or not normalised.
        """
        if vectors.shape != (items.num_rows, dim):
            raise ArtifactError(f"{items.num_rows} items of {dim} dimensions came with vectors {vectors.shape}.")
        if flaw := describe_flaw(vectors):
            raise ArtifactError(f"A gallery vector cannot be indexed: {flaw}.", hint="Check the model.")
        order = np.argsort(np.array(items["item_id"].to_pylist(), dtype=object), kind="stable")
        index = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT)
        index.add(np.ascontiguousarray(vectors[order], dtype=np.float32))
        shard = cls(index, items.select(SHARD_ITEMS.names).take(pa.array(order)).cast(SHARD_ITEMS))
        shard._check_items()
        return shard

    @classmethod
    def from_bytes(cls, index: bytes, items: bytes) -> Shard:
        """Return the shard that `index_bytes` and `items_bytes` were taken from.

        FAISS checks little of what it reads: pass only bytes that were compared with their hash.

        Raises:
            ArtifactError: the bytes are not those of a shard.
        """
        try:
            read = faiss.deserialize_index(np.frombuffer(index, dtype=np.uint8))
            table = table_from(items).cast(SHARD_ITEMS)
        except (RuntimeError, pa.ArrowException, OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise ArtifactError(f"A shard cannot be read: {reason}.", hint="Build the index again.") from None
        shard = cls(read, table)
        shard._check_items()
        return shard

    def index_bytes(self) -> bytes:
        """Return the FAISS index as bytes."""
        return bytes(faiss.serialize_index(self.index).tobytes())

    def items_bytes(self) -> bytes:
        """Return the items as a parquet file."""
        return table_bytes(self.items)

    @property
    def dim(self) -> int:
        """Size D of the vectors."""
        return int(self.index.d)

    def __len__(self) -> int:
        return int(self.index.ntotal)

    @cached_property
    def item_ids(self) -> list[str]:
        """The ids, ascending, in the order of the rows."""
        return list(self.items["item_id"].to_pylist())

    def vectors(self) -> Vectors:
        """Return all vectors, (N, D) float32."""
        return np.asarray(self.index.reconstruct_n(0, len(self)), dtype=np.float32).reshape(len(self), self.dim)

    def texts(self, item_ids: Sequence[str]) -> list[ItemText]:
        """Return what is shown of these items, all of which must be in the shard."""
        rows = pa.array([bisect.bisect_left(self.item_ids, item_id) for item_id in item_ids], pa.int64())
        found = self.items.take(rows)
        return [ItemText(*text) for text in zip(*(found[c].to_pylist() for c in ItemText._fields), strict=True)]

    def search(self, queries: Vectors, k: int, exclude: Sequence[Collection[str]] | None = None) -> list[list[Hit]]:
        """Return the best `k` items for each query, by descending exact score, then by item id.

        FAISS scores in float32, with last bits that depend on the shapes of index and batch, and breaks ties as it
        likes. So it only proposes candidates: more and more of them, until the worst one lies so far below the
        k-th that nothing behind it can belong to the answer. Those near or above the k-th are then scored exactly
        and ordered. The answer hence depends on the items alone, not on how they are cut into shards.

        Args:
            queries: (Q, D) float32, L2-normalised.
            k: hits for each query, at least 1; fewer come where the shard has fewer.
            exclude: for each query, ids that must not be among its hits; ids of other shards do no harm.

        Raises:
            QueryError: a query is not finite or not normalised, or `k` is below 1.
            MismatchError: the queries are of another dimension than the vectors.
        """
        self._check_queries(queries, k)
        excluded = [self._rows_of(ids) for ids in exclude] if exclude is not None else [[]] * len(queries)
        if len(excluded) != len(queries):
            raise QueryError(f"{len(queries)} queries came with {len(excluded)} lists of ids to exclude.")
        hits: list[list[Hit]] = [[] for _ in queries]
        waiting = list(range(len(queries))) if len(self) else []
        fetch = k + max(map(len, excluded), default=0) + max(k, EXTRA)
        while waiting:
            fetch = min(fetch, len(self))
            scores, rows = self.index.search(np.ascontiguousarray(queries[waiting], dtype=np.float32), fetch)
            unsettled = []
            for query, query_scores, query_rows in zip(waiting, scores, rows, strict=True):
                candidates = self._settle(query_scores, query_rows, k, excluded[query])
                if candidates is None:
                    unsettled.append(query)
                else:
                    hits[query] = self._rank(queries[query], candidates, k)
            waiting, fetch = unsettled, 4 * fetch
        return hits

    def _settle(
        self, scores: npt.NDArray[np.float32], rows: npt.NDArray[np.int64], k: int, excluded: list[int]
    ) -> npt.NDArray[np.int64] | None:
        """Return the rows among which the best `k` are for certain, or None where more must be fetched."""
        worst, is_all = float(scores[-1]), len(rows) == len(self)
        if excluded:
            allowed = ~np.isin(rows, excluded)
            scores, rows = scores[allowed], rows[allowed]
        if len(rows) <= k:
            # More than k and the excluded were asked for, so there are no others.
            return rows
        bar = float(scores[k - 1]) - score_margin(self.dim)
        return rows[scores >= bar] if worst < bar or is_all else None

    def _rank(self, query: npt.NDArray[np.float32], rows: npt.NDArray[np.int64], k: int) -> list[Hit]:
        scores = exact_scores(self.index.reconstruct_batch(rows), query)
        # Rows ascend with the ids, so they order equal scores as the ids would.
        best = np.lexsort((rows, -scores))[:k]
        return [Hit(self.item_ids[rows[i]], float(scores[i])) for i in best]

    def _rows_of(self, item_ids: Collection[str]) -> list[int]:
        places = ((bisect.bisect_left(self.item_ids, item_id), item_id) for item_id in set(item_ids))
        return [row for row, item_id in places if row < len(self) and self.item_ids[row] == item_id]

    def _check_queries(self, queries: Vectors, k: int) -> None:
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise MismatchError(
                f"The index holds vectors of {self.dim} dimensions; the queries have the shape {queries.shape}.",
                hint="Compose the queries with the model that the index was built with.",
            )
        if flaw := describe_flaw(queries):
            raise QueryError(f"A query vector cannot be searched for: {flaw}.", hint="Check the model.")
        if k < 1:
            raise QueryError(f"At least 1 hit must be asked for; asked were {k}.")

    def _check_items(self) -> None:
        if self.items.num_rows != len(self):
            raise ArtifactError(
                f"A shard has {self.items.num_rows} items and {len(self)} vectors.", hint="Build the index again."
            )
        for before, after in zip(self.item_ids, self.item_ids[1:], strict=False):
            if before >= after:
                raise ArtifactError(
                    f"The items of a shard are not in the order of unique ids: {after!r} follows {before!r}.",
                    hint="Item ids must be unique in a dataset.",
                )
