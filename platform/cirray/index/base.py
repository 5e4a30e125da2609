"""The vectors of a shard, searched by row under a mask of rows. It never changes once it is built."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from cirray.index.embedder import Vectors
from cirray.index.flat_search import EXTRA, search_flat
from cirray.index.kinds import Dials, IndexKind, kinds
from cirray.index.kinds.parameters import selector_of
from cirray.index.ranking import Mask, Ranked, Rows, rank, scan

Halves = npt.NDArray[np.float16]

_SEED = 20_240_217
"""Of the sample that an index is trained on; any number would do, as long as it stays the same."""


@dataclass(frozen=True)
class Base:
    """Immutable vectors, row by row.

    Attributes:
        index: FAISS index of inner products.
        kind: which kind it is.
        dials: that it is searched with where a request says nothing else.
        halves: (N, D) the vectors as float16, which candidates are scored on; None where the index is flat and
            holds them itself.
    """

    index: Any
    kind: IndexKind
    dials: Dials
    halves: Halves | None = None

    @classmethod
    def build(cls, vectors: Vectors, kind: str, dials: Dials) -> Base:
        """Return the base of these vectors, (N, D), with the same bytes each time.

        It is built with one thread: with several, the order in which a graph's links are made is left to chance.
        Shards are built side by side instead. Too few vectors to train on are kept flat, whatever the kind.
        """
        rows, dim = vectors.shape
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        method = kinds[kind] if rows >= kinds[kind].least_rows else kinds["flat"]
        with _one_thread():
            index = method.make(rows, dim, dials)
            if sampled := method.training_rows(rows, dials):
                sample = np.sort(np.random.default_rng(_SEED).choice(rows, sampled, replace=False))
                index.train(vectors[sample])
            index.add(vectors)
        return cls(index, method, dials, None if method is kinds["flat"] else vectors.astype(np.float16))

    def __len__(self) -> int:
        return int(self.index.ntotal)

    @property
    def dim(self) -> int:
        """Size D of the vectors."""
        return int(self.index.d)

    @property
    def is_flat(self) -> bool:
        """Whether every search compares all vectors anyway."""
        return self.halves is None

    def vectors(self, rows: Rows | None = None) -> Vectors:
        """Return the stored vectors of some rows, or of all, (n, D) float32."""
        if self.halves is not None:
            return np.asarray(self.halves if rows is None else self.halves[rows], dtype=np.float32)
        found = self.index.reconstruct_n(0, len(self)) if rows is None else self.index.reconstruct_batch(rows)
        return np.asarray(found, dtype=np.float32).reshape(-1, self.dim)

    def exact(self, queries: Vectors, k: int, barred: Sequence[Rows], allowed: Mask | None) -> list[Ranked]:
        """Return the best `k` rows for each query among all that are allowed.

        Args:
            queries: (Q, D) float32, L2-normalised.
            k: rows for each query; fewer come where fewer may be found.
            barred: for each query, rows that must not be found.
            allowed: (N,) rows that may be found by any of them; None allows all.
        """
        if self.is_flat:
            return search_flat(self.index, queries, k, barred, allowed)
        rows = np.arange(len(self)) if allowed is None else np.flatnonzero(allowed)
        return [
            scan(self.vectors, query, np.setdiff1d(rows, barred_rows) if len(barred_rows) else rows, k)
            for query, barred_rows in zip(queries, barred, strict=True)
        ]

    def approximate(
        self, queries: Vectors, k: int, barred: Sequence[Rows], allowed: Mask | None, dials: Dials
    ) -> list[Ranked]:
        """Return what the index finds, at most `k` rows for each query, in the order of their exact scores.

        It may find fewer than there are. Arguments are those of `exact`, and the dials of this search: they go
        with it, and never into the index, which other threads search at the same time.
        """
        fetch = min(len(self), max(k * (dials.refine or 1), k + EXTRA) + max(map(len, barred), default=0))
        selector = None if allowed is None else selector_of(allowed)
        parameters = self.kind.parameters(dials, selector)
        found = self.index.search(np.ascontiguousarray(queries, dtype=np.float32), fetch, params=parameters)[1]
        ranked = []
        for query, rows, barred_rows in zip(queries, found, barred, strict=True):
            # FAISS fills up with -1 what it did not find.
            candidates = np.setdiff1d(rows[rows >= 0], barred_rows)
            ranked.append(rank(self.vectors, query, candidates, k))
        return ranked


@contextmanager
def _one_thread() -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
