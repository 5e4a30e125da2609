"""Builds an index: embed the gallery, write the shards, compare them with one flat index, commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cirray.datasets.prepared import PreparedDataset
from cirray.errors import ArtifactError
from cirray.index.config import IndexConfig
from cirray.index.embed import open_checked
from cirray.index.embedder import Embedder, ModelReference, OpenEmbedder
from cirray.index.probes import make_probes
from cirray.index.stages import build_shards, embed_gallery, ray_data
from cirray.index.verify import verify_sharded
from cirray.index.version import IndexDetails, IndexVersion
from cirray.storage import Artifact, FileEntry, Manifest, Root, commit, fingerprint


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
    *,
    progress: Callable[[str], None] = lambda message: None,
) -> BuildResult:
    """Return the index of a gallery, after building it if need be, with the alias "live" pointing at it.

    Nothing is started where an index of the same inputs and settings exists. Otherwise Ray must run, or Ray Data
    starts it on this machine. A build that is stopped at any point leaves nothing that looks finished.

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
    draft = _draft(model, dataset, split, config, name)
    place = shelf.version(draft.fingerprint)
    if built := not shelf.has(draft.fingerprint):
        embedder = open_checked(open_embedder, model.uri, model.fingerprint)
        with ray_data():
            progress(f"embedding the {split} gallery of {dataset.name}")
            embedded = embed_gallery(model, open_embedder, dataset, split, config)
            progress(f"building {config.num_shards} shards")
            files = build_shards(embedded, place, embedder.dim, config)
        artifact = Artifact(place, _complete(draft, files, embedder.dim))
        if not artifact.manifest.counts["items"]:
            raise ArtifactError(
                f"No item of dataset {dataset.name!r} is in the gallery of split {split!r}.",
                hint=f"Its splits with queries are: {', '.join(dataset.splits) or 'none'}.",
            )
        progress("comparing the shards with one flat index")
        verified = _verify(artifact, embedder, dataset, split, config)
        details = {**artifact.manifest.details, "verified_queries": verified}
        commit(place, artifact.manifest.model_copy(update={"details": details}))
    artifact = Artifact.open(place, shelf.kind)
    shelf.point_at(artifact.version)
    return BuildResult(artifact, built)


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
            "factory": config.factory,
        },
    )


def _complete(draft: Manifest, files: list[FileEntry], dim: int) -> Manifest:
    counts = {"items": sum(entry.rows or 0 for entry in files), "shards": draft.details["num_shards"]}
    details = IndexDetails(**draft.details, dim=dim).model_dump()
    return draft.model_copy(update={"files": tuple(files), "counts": counts, "details": details})


def _verify(artifact: Artifact, embedder: Embedder, dataset: PreparedDataset, split: str, config: IndexConfig) -> int:
    """Return on how many queries the shards answered as one flat index.

    Raises:
        ArtifactError: on one they did not.
    """
    probes = make_probes(embedder, dataset, split, config.verify_queries, config.batch_size)
    verification = verify_sharded(IndexVersion.open(artifact), probes.queries, config.verify_k, probes.exclude)
    if not verification.holds:
        raise ArtifactError(
            f"The shards of index {artifact.manifest.name!r} do not answer as one flat index: "
            f"{verification.num_queries - verification.num_equal} of {verification.num_queries} queries differ, "
            f"such as {verification.first_difference}.",
            hint="This is a fault of cirray, not of the data; the index was not published.",
        )
    return verification.num_queries
