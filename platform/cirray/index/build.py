"""Builds an index: embed the gallery, choose a kind, write the shards, measure what they find, commit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from cirray.datasets.prepared import PreparedDataset
from cirray.errors import ArtifactError
from cirray.index.choice import Choice, choose, chosen
from cirray.index.config import AUTO, IndexConfig
from cirray.index.embed import open_checked
from cirray.index.embedder import Embedder, ModelReference, OpenEmbedder
from cirray.index.measured import Measurement, measure
from cirray.index.stages import build_shards, embed_gallery, embedded_batches, ray_data
from cirray.index.version import IndexDetails, IndexVersion
from cirray.storage import Artifact, FileEntry, Manifest, Root, commit, fingerprint


@dataclass(frozen=True)
class BuildResult:
    """What a build came to.

    Attributes:
        artifact: the index.
        built: whether it was built now; False where the same inputs and settings had given it before.
        live: whether the alias "live" points at it now; False where its recall is too low for that.
    """

    artifact: Artifact
    built: bool
    live: bool


@dataclass(frozen=True)
class _Job:
    """What a build works with from its beginning to its end."""

    model: ModelReference
    open_embedder: OpenEmbedder
    dataset: PreparedDataset
    split: str
    config: IndexConfig
    progress: Callable[[str], None]


def build_index(
    root: Root,
    model: ModelReference,
    open_embedder: OpenEmbedder,
    dataset: PreparedDataset,
    split: str,
    config: IndexConfig,
    name: str,
    *,
    progress: Callable[[str], None] = lambda message: None,
) -> BuildResult:
    """Return the index of a gallery, after building it if need be; the alias "live" points at it if it finds enough.

    Nothing is started where an index of the same inputs and settings exists. Otherwise Ray must run, or Ray Data
    starts it on this machine. A build that is stopped at any point leaves nothing that looks finished. An index whose
    recall is below `config.min_recall` is kept, so that it can be looked at, but does not go live.

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
        ArtifactError: no item is in the split, the model gives unusable vectors, or flat shards do not answer as one
            flat index does; nothing is committed then.
        ConfigError: no kind of index fits into the memory that there is.
        MismatchError: `open_embedder` opens another model.
        StorageError: something cannot be read or written.
    """
    shelf = root.index(name)
    draft = _draft(model, dataset, split, config, name)
    place = shelf.version(draft.fingerprint)
    if built := not shelf.has(draft.fingerprint):
        commit(
            place, _build(draft, Artifact(place, draft), _Job(model, open_embedder, dataset, split, config, progress))
        )
    artifact = Artifact.open(place, shelf.kind)
    recall = IndexVersion.open(artifact).details.recall
    if live := recall.at_10 >= recall.least:
        shelf.point_at(artifact.version)
    return BuildResult(artifact, built, live)


def _build(draft: Manifest, unfinished: Artifact, job: _Job) -> Manifest:
    """Return the manifest of the index, after writing all of its files."""
    config, place = job.config, unfinished.place
    embedder = open_checked(job.open_embedder, job.model.uri, job.model.fingerprint)
    with ray_data():
        job.progress(f"embedding the {job.split} gallery of {job.dataset.name}")
        embedded = embed_gallery(job.model, job.open_embedder, job.dataset, job.split, config)
        started = time.monotonic()
        choice = _choice(embedded.count(), embedder, job)
        job.progress(f"building {config.num_shards} shards of kind {choice.kind}: {choice.why}")
        files = build_shards(embedded, place, embedder.dim, config.num_shards, choice)
        manifest = _complete(draft, files, embedder.dim, choice)
        opened = IndexVersion.open(replace(unfinished, manifest=manifest))
        measured = measure(
            opened, embedder, job.dataset, config, lambda: embedded_batches(embedded), progress=job.progress
        )
    return _measured(manifest, opened.details, measured, time.monotonic() - started)


def _choice(items: int, embedder: Embedder, job: _Job) -> Choice:
    if not items:
        raise ArtifactError(
            f"No item of dataset {job.dataset.name!r} is in the gallery of split {job.split!r}.",
            hint=f"Its splits with queries are: {', '.join(job.dataset.splits) or 'none'}.",
        )
    config, rows = job.config, -(-items // job.config.num_shards)
    if config.kind == AUTO:
        return choose(rows, embedder.dim, config.max_memory_mb)
    return chosen(config.kind, rows, embedder.dim, config.dials)


def _draft(model: ModelReference, dataset: PreparedDataset, split: str, config: IndexConfig, name: str) -> Manifest:
    """Return all of the manifest that is known before anything is built."""
    inputs = {"model": model.fingerprint, "dataset": dataset.fingerprint}
    settings = {"split": split, **config.identity()}
    return Manifest(
        kind="index",
        name=name,
        fingerprint=fingerprint({"inputs": inputs, "settings": settings}),
        inputs=inputs,
        settings=settings,
        details={
            "model": f"{model.name}@{model.version}",
            "dataset": f"{dataset.name}@{dataset.artifact.version}",
            "split": split,
            "num_shards": config.num_shards,
        },
    )


def _complete(draft: Manifest, files: list[FileEntry], dim: int, choice: Choice) -> Manifest:
    counts = {"items": sum(entry.rows or 0 for entry in files), "shards": draft.details["num_shards"]}
    details = IndexDetails(**draft.details, dim=dim, kind=choice.kind, dials=choice.dials, why=choice.why)
    return draft.model_copy(update={"files": tuple(files), "counts": counts, "details": details.model_dump()})


def _measured(manifest: Manifest, details: IndexDetails, measured: Measurement, seconds: float) -> Manifest:
    held = sum(entry.bytes for entry in manifest.files if not entry.name.endswith(".parquet"))
    found = details.model_copy(
        update={
            "dials": measured.dials,
            "recall": measured.recall,
            "verified_queries": measured.verified_queries,
            "bytes_per_vector": round(held / manifest.counts["items"], 1),
            "build_seconds": round(seconds, 2),
        }
    )
    return manifest.model_copy(update={"details": found.model_dump()})
