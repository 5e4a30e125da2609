"""The two stages of a build on Ray Data: parts of a dataset to vectors, vectors to the files of the shards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import pyarrow as pa
import ray
from ray.data import DataContext, Dataset, TaskPoolStrategy

from cirray.cluster import own_errors, ray_cluster
from cirray.datasets.prepared import PreparedDataset
from cirray.index.choice import Choice
from cirray.index.config import IndexConfig
from cirray.index.embed import embed_parts, vectors_of
from cirray.index.embedder import ModelReference, OpenEmbedder
from cirray.index.shard import SHARD_ITEMS, Shard
from cirray.index.version import halves_file, index_file, items_file
from cirray.storage import FileEntry, Location, put_file

_BATCH_ROWS = 16_384


def embed_gallery(
    model: ModelReference,
    open_embedder: OpenEmbedder,
    dataset: PreparedDataset,
    split: str,
    config: IndexConfig,
) -> Dataset:
    """Return the embedded gallery, a row an item (see `PartEmbedder`), kept in Ray's object store.

    It is computed here and now, so that its tasks are over before the shuffle begins: on a small cluster the two
    would compete for the few CPUs.
    """
    parts = ray.data.from_items(
        [{"part": name} for name in dataset.item_parts], override_num_blocks=len(dataset.item_parts)
    )
    cluster: dict[str, float] = ray.cluster_resources()
    most = min(config.max_embedders or int(cluster.get("CPU", 1)), len(dataset.item_parts))
    task = partial(
        embed_parts,
        open_embedder=open_embedder,
        uri=model.uri,
        fingerprint=model.fingerprint,
        dataset=dataset.artifact,
        split=split,
        config=config,
    )
    embedded = parts.map_batches(
        task, batch_size=1, batch_format="pyarrow", compute=TaskPoolStrategy(size=max(1, most)), num_cpus=1
    )
    materialized: Dataset = embedded.materialize()
    return materialized


def embedded_batches(embedded: Dataset) -> Iterator[pa.Table]:
    """Yield the embedded items, some thousands at a time, so that this process never holds all of them."""
    yield from embedded.iter_batches(batch_size=_BATCH_ROWS, batch_format="pyarrow")


def build_shards(embedded: Dataset, place: Location, dim: int, num_shards: int, choice: Choice) -> list[FileEntry]:
    """Write the files of all shards, each built by a task of its own, and return their entries in order."""
    build = partial(write_shard, place=place, dim=dim, choice=choice)
    groups = embedded.groupby("shard", num_partitions=num_shards)
    rows = groups.map_groups(build, batch_format="pyarrow").take_all()
    entries = [FileEntry.model_validate_json(row["entry"]) for row in rows]
    written = {entry.name for entry in entries}
    for number in range(num_shards):
        if items_file(number) not in written:
            # No item fell into this shard, so there was no group to build it from.
            entries += put_shard(
                number, Shard.build(SHARD_ITEMS.empty_table(), np.zeros((0, dim), np.float32), dim), place
            )
    return sorted(entries, key=lambda entry: entry.name)


def write_shard(group: pa.Table, place: Location, dim: int, choice: Choice) -> pa.Table:
    """Build one shard of all its rows and return the entries of its files, as JSON in the column `entry`."""
    shard = Shard.build(group, vectors_of(group), dim, choice.kind, choice.dials)
    entries = put_shard(group["shard"][0].as_py(), shard, place)
    return pa.table({"entry": pa.array([entry.model_dump_json() for entry in entries], pa.string())})


def put_shard(number: int, shard: Shard, place: Location) -> list[FileEntry]:
    """Write the files of one shard and return their entries."""
    entries = [
        put_file(place, index_file(number), shard.index_bytes()),
        put_file(place, items_file(number), shard.items_bytes(), rows=len(shard)),
    ]
    if (halves := shard.halves_bytes()) is not None:
        entries.append(put_file(place, halves_file(number), halves))
    return entries


@contextmanager
def ray_data() -> Iterator[None]:
    """Be connected to Ray, run Ray Data quietly, and raise errors of cirray in a worker as what they are."""
    with ray_cluster(), own_errors():
        context = DataContext.get_current().copy()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        with DataContext.current(context):
            yield
