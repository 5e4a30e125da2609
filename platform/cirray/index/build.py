"""Builds an index with Ray Data: parts of a dataset to vectors, vectors to shards, shards to a committed version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.exceptions import RayError

from cirray.datasets.prepared import PreparedDataset
from cirray.errors import ArtifactError, CirrayError
from cirray.index.config import IndexConfig
from cirray.index.embed import PartEmbedder, open_checked, vectors_of
from cirray.index.embedder import Embedder, ModelReference, OpenEmbedder
from cirray.index.proof import composed_queries
from cirray.index.shard import SHARD_ITEMS, Shard
from cirray.index.verify import verify_sharded
from cirray.index.version import IndexDetails, IndexVersion, index_file, items_file
from cirray.storage import Artifact, FileEntry, Location, Manifest, Root, commit, fingerprint, put_file


@dataclass(frozen=True)
class BuildResult:
    """What a build came to.

    Attributes:
        artifact: the index.
        built: whether it was built now; False where the same inputs and settings had given it before.
    """

    artifact: Artifact
    built: bool


def build_index(
    root: Root,
    model: ModelReference,
    open_embedder: OpenEmbedder,
    dataset: PreparedDataset,
    split: str,
    config: IndexConfig,
    name: str,
    progress: Callable[[str], None] = lambda message: None,
) -> BuildResult:
    """Embed a gallery, cut it into shards, compare them with one flat index, and point the alias "live" at them.

    Starts nothing where an index of the same inputs and settings exists. Otherwise Ray must run, or is started by
    Ray Data on this machine. Stopped at any point, it leaves nothing that looks finished.

    Args:
        root: where the index goes.
        model: the model that embeds.
        open_embedder: opens the model by its URI; called in the workers and here.
        dataset: whose items.
        split: name of the split whose gallery is embedded.
        config: how.
        name: name of the index.
        progress: told in a few words what is being done.

    Raises:
        ArtifactError: no item is in the split, the model gives unusable vectors, or the shards do not answer as one
            flat index does; nothing is committed then.
        MismatchError: `open_embedder` opens another model.
        StorageError: something cannot be read or written.
    """
    shelf = root.index(name)
    inputs = {"model": model.fingerprint, "dataset": dataset.fingerprint}
    settings = {"split": split, **config.identity()}
    identity = fingerprint({"inputs": inputs, "settings": settings})
    place = shelf.version(identity)
    if shelf.has(identity):
        found = shelf.open(place_name(place))
        shelf.point_at(found.version)
        return BuildResult(found, built=False)

    progress(f"embedding {len(dataset.item_parts)} parts of {dataset.name}")
    embedder = open_checked(open_embedder, model.uri, model.fingerprint)
    files = _build_shards(place, _embedding(model, open_embedder, dataset, split, config), embedder.dim, config)
    num_items = sum(entry.rows or 0 for entry in files)
    if not num_items:
        raise ArtifactError(
            f"No item of dataset {dataset.name!r} is in the gallery of split {split!r}.",
            hint=f"Its splits with queries are: {', '.join(dataset.splits) or 'none'}.",
        )
    details = IndexDetails(
        model=f"{model.name}@{model.version}",
        dataset=f"{dataset.name}@{dataset.artifact.version}",
        split=split,
        num_shards=config.num_shards,
        dim=embedder.dim,
        factory=config.factory,
    )
