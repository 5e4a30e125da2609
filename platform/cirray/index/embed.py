"""From the parts of a dataset to the vectors of its gallery. Runs in the workers; needs no Ray itself."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cirray.datasets.prepared import PreparedDataset
from cirray.errors import ArtifactError, MismatchError
from cirray.index.assignment import shard_of
from cirray.index.config import IndexConfig
from cirray.index.embedder import Embedder, OpenEmbedder, Vectors
from cirray.index.shard import SHARD_ITEMS
from cirray.storage import Artifact


def open_checked(open_embedder: OpenEmbedder, uri: str, fingerprint: str) -> Embedder:
    """Open the model at `uri` and make sure that it is the one that is meant.

    Raises:
        MismatchError: it has another fingerprint.
    """
    embedder = open_embedder(uri)
    if embedder.fingerprint != fingerprint:
        raise MismatchError(
            f"The model at {uri} has fingerprint {embedder.fingerprint}; the index is to be built "
            f"with {fingerprint}.",
            hint="Name the model's version again and build anew.",
        )
    return embedder


def embed_parts(batch: pa.Table, *, open_embedder: OpenEmbedder, uri: str, **settings: Any) -> Iterator[pa.Table]:
    """Yield the embedded items of the parts in `batch`, as `PartEmbedder` does; a task of Ray Data.

    A task and not an actor, so that no process holds a CPU while it waits; the model stays open in the process, for
    the next task there.

    Args:
        batch: names of parts in the column `part`.
        open_embedder: opens the model.
        uri: where the model is.
        settings: the other arguments of `PartEmbedder`.
    """
    yield from PartEmbedder(partial(_opened, open_embedder), uri, **settings)(batch)


@lru_cache(maxsize=1)
def _opened(open_embedder: OpenEmbedder, uri: str) -> Embedder:
    return open_embedder(uri)


class PartEmbedder:
    """Embeds the items of one dataset part after another.

    Args:
        open_embedder: opens the model.
        uri: where the model is.
        fingerprint: which model it must be.
        dataset: artifact of the dataset.
        split: whose gallery is embedded.
        config: settings of the index.
    """

    def __init__(
        self,
        open_embedder: OpenEmbedder,
        uri: str,
        fingerprint: str,
        dataset: Artifact,
        split: str,
        config: IndexConfig,
    ) -> None:
        self._embedder = open_checked(open_embedder, uri, fingerprint)
        self._dataset = PreparedDataset(dataset)
        self._split = split
        self._config = config

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        """Yield, for each name in the column `part`, the items of that part that are in the split.

        The columns are those of `SHARD_ITEMS`, `shard` (int32) and `vector` (fixed-size list of D float32).
        """
        for part in batch["part"].to_pylist():
            yield self._embed(part)

    def _embed(self, part: str) -> pa.Table:
        items = self._dataset.part(part, [*SHARD_ITEMS.names, "splits", "image"])
        items = items.filter(pa.array([self._split in splits for splits in items["splits"].to_pylist()], pa.bool_()))
        vectors = embed_pictures(self._embedder, items["image"].to_pylist(), self._config.batch_size)
        shards = [shard_of(item_id, self._config.num_shards) for item_id in items["item_id"].to_pylist()]
        return (
            items.select(SHARD_ITEMS.names)
            .append_column("shard", pa.array(shards, pa.int32()))
            .append_column("vector", pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]))
        )


def embed_pictures(embedder: Embedder, pictures: list[bytes], batch_size: int) -> Vectors:
    """Return the vectors, (N, D), of encoded pictures.

    A picture that comes more than once is embedded once: that is quicker, and its vectors are then equal to the
    last bit, which they need not be from different places of a batch.

    Raises:
        ArtifactError: the model gives something else than one vector for each picture.
    """
    places = {picture: place for place, picture in enumerate(dict.fromkeys(pictures))}
    distinct = iter(places)
    batches = [np.zeros((0, embedder.dim), np.float32)]
    while batch := list(islice(distinct, batch_size)):
        vectors = np.asarray(embedder.embed(batch), dtype=np.float32)
        if vectors.shape != (len(batch), embedder.dim):
            raise ArtifactError(
                f"Model {embedder.name}@{embedder.version} gave vectors of shape {vectors.shape} for "
                f"{len(batch)} pictures, where ({len(batch)}, {embedder.dim}) was due."
            )
        batches.append(vectors)
    return np.concatenate(batches)[[places[picture] for picture in pictures]]


def vectors_of(table: pa.Table) -> Vectors:
    """Return the column `vector` of what `PartEmbedder` yields as (N, D) float32."""
    column = table["vector"].combine_chunks()
    flat = pc.list_flatten(column).to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.float32).reshape(len(column), -1)
