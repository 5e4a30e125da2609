"""What a kind of index says of itself, and the registry of all kinds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from pydantic import Field

from cirray.config import Config
from cirray.registry import Registry


class Dials(Config):
    """Numbers that a kind of index is made and searched with. A kind has some of them; None is "by rule".

    Attributes:
        nlist: lists that the vectors are divided among (IVF).
        nprobe: lists that a search looks into (IVF).
        links: neighbours of each vector in the graph, M (HNSW).
        ef_construction: candidates while the graph is built (HNSW).
        ef_search: candidates while it is searched (HNSW).
        refine: candidates for each wanted hit that are scored again on the stored vectors.
    """

    nlist: int | None = Field(default=None, ge=1, le=2**20)
    nprobe: int | None = Field(default=None, ge=1, le=2**20)
    links: int | None = Field(default=None, ge=4, le=256)
    ef_construction: int | None = Field(default=None, ge=8, le=4096)
    ef_search: int | None = Field(default=None, ge=1, le=2**20)
    refine: int | None = Field(default=None, ge=1, le=256)

    def given(self) -> dict[str, int]:
        """Return the dials that are set, by name."""
        return self.model_dump(exclude_none=True)

    def over(self, rule: Dials) -> Dials:
        """Return these dials, with those of `rule` where none is set."""
        return rule.model_copy(update=self.given())

    def need(self, name: str) -> int:
        """Return a dial that the kind has and that was settled when the index was built."""
        value: int | None = getattr(self, name)
        if value is None:
            raise ValueError(f"The dial {name} was not settled.")
        return value


class IndexKind(ABC):
    """One way to keep and search the vectors of a shard.

    Attributes:
        dials: names of the dials that it has.
        width: the dial that a request may set to search more widely; empty where there is none.
        least_rows: shards of fewer rows are kept flat, since there is nothing to train on.
    """

    dials: tuple[str, ...] = ()
    width: str = ""
    least_rows: int = 0

    @abstractmethod
    def rule(self, rows: int, dim: int) -> Dials:
        """Return the dials for a shard of this size, where a person sets none."""

    @abstractmethod
    def bytes_per_vector(self, dim: int, dials: Dials) -> float:
        """Return the bytes of memory that the FAISS index takes for each vector, roughly."""

    @abstractmethod
    def make(self, rows: int, dim: int, dials: Dials) -> Any:
        """Return an empty FAISS index of inner products."""

    @abstractmethod
    def parameters(self, dials: Dials, selector: Any) -> Any:
        """Return FAISS's parameters of one search; `selector` is an IDSelector or None."""

    def training_rows(self, rows: int, dials: Dials) -> int:
        """Return how many of a shard's vectors it is trained on; 0 where it is not trained."""
        return 0

    def raised(self, dials: Dials, fixed: frozenset[str]) -> Dials | None:
        """Return dials that find more and take longer, or None where none can be raised.

        Args:
            dials: settled ones.
            fixed: names of those that must stay as they are.
        """
        return None

    def widened(self, dials: Dials, factor: float) -> Dials:
        """Return the dials with the width times `factor`, as far as that makes sense."""
        if not self.width:
            return dials
        wide = min(int(dials.need(self.width) * factor + 0.999), self.widest(dials))
        return dials.model_copy(update={self.width: max(wide, dials.need(self.width))})

    def widest(self, dials: Dials) -> int:
        """Return beyond which width nothing is gained, or nobody would wait for it."""
        return 1


kinds: Registry[IndexKind] = Registry("kind of index")
"""All kinds, by the name under which a build asks for them."""
