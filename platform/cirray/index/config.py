"""Settings of an index."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from cirray.config import Config
from cirray.index.kinds import Dials, kinds

FORMAT = 2
"""Counts up when the same settings start to give other files, so that older indexes are not taken for new ones."""

AUTO = "auto"
"""The kind that is chosen by the number of items."""


class IndexConfig(Config):
    """How a gallery is embedded and cut into shards, and what each shard is.

    Attributes:
        num_shards: into how many FAISS indexes the gallery is cut; each can be served by a machine of its own.
        kind: of each shard: flat, hnsw, ivf-flat, ivf-sq8, or auto, which chooses by the number of items.
        dials: of that kind; by rule where they are not set. What is set is never raised to reach the recall.
        max_memory_mb: megabytes that the FAISS index of one shard may take, for the choice; None sets no bound.
        min_recall: recall@10 against exact search that an index must have to go live.
        recall_queries: composed queries on which that is measured; a flat index is verified instead.
        batch_size: pictures that an embedder sees at once.
        max_embedders: embedders that run at the same time; None takes one for each CPU of the cluster.
        verify_queries: composed queries on which a new flat index is compared with one of a single shard.
        verify_k: how many hits of each are compared.
    """

    num_shards: int = Field(default=2, ge=1, le=1024)
    kind: str = AUTO
    dials: Dials = Dials()
    max_memory_mb: float | None = Field(default=None, gt=0)
    min_recall: float = Field(default=0.95, ge=0, le=1)
    recall_queries: int = Field(default=1000, ge=1)
    batch_size: int = Field(default=64, ge=1)
    max_embedders: int | None = Field(default=None, ge=1)
    verify_queries: int = Field(default=256, ge=1)
    verify_k: int = Field(default=50, ge=1)

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind != AUTO and kind not in kinds:
            raise ValueError(f"There is no kind of index {kind!r}; there are: {AUTO}, {', '.join(kinds)}")
        return kind

    @model_validator(mode="after")
    def _dials_are_of_the_kind(self) -> IndexConfig:
        given = self.dials.given()
        if given and self.kind == AUTO:
            raise ValueError(f"dials ({', '.join(given)}) are of one kind; name it with kind=")
        if self.kind != AUTO and (strange := [name for name in given if name not in kinds[self.kind].dials]):
            has = ", ".join(kinds[self.kind].dials) or "none"
            raise ValueError(f"kind {self.kind!r} has no dial {strange[0]!r}; it has: {has}")
        return self

    def identity(self) -> dict[str, Any]:
        """Return the settings that decide what the index contains and whether it goes live, for its fingerprint.

        The batch size is among them, since the last bits of a vector can depend on it. How many embedders there
        are and how much of a flat index is verified changes nothing.
        """
        decisive = {"num_shards", "kind", "batch_size"}
        if self.kind != "flat":
            decisive |= {"dials", "max_memory_mb", "min_recall", "recall_queries"}
        return {"format": FORMAT, **self.model_dump(include=decisive)}
