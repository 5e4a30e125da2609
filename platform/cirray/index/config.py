"""Settings of an index."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from cirray.config import Config

FORMAT = 1
"""Counts up when the same settings start to give other files, so that older indexes are not taken for new ones."""


class IndexConfig(Config):
    """How a gallery is embedded and cut into shards.

    Attributes:
        num_shards: into how many FAISS indexes the gallery is cut; each can be served by a machine of its own.
        factory: FAISS factory string of each shard. Only the exact one: a build promises that its shards answer
            as one flat index does.
        batch_size: pictures that an embedder sees at once.
        max_embedders: embedders that run at the same time; None takes one for each CPU of the cluster.
        verify_queries: composed queries on which a new index is compared with one flat index before it is published.
        verify_k: how many hits of each are compared.
    """

    num_shards: int = Field(default=2, ge=1, le=1024)
    factory: Literal["Flat"] = "Flat"
    batch_size: int = Field(default=64, ge=1)
    max_embedders: int | None = Field(default=None, ge=1)
    verify_queries: int = Field(default=256, ge=1)
    verify_k: int = Field(default=50, ge=1)

    def identity(self) -> dict[str, Any]:
        """Return the settings that decide what the files contain, for the index's fingerprint.

        The batch size is among them, since the last bits of a vector can depend on it. How many embedders there
        are and how much is verified changes nothing in the files.
        """
        return {"format": FORMAT, **self.model_dump(include={"num_shards", "factory", "batch_size"})}
