"""An index together with the model and the dataset that it was built with."""

from __future__ import annotations

from dataclasses import dataclass

from cirray.bundles import Bundle
from cirray.datasets.prepared import PreparedDataset
from cirray.errors import ArtifactError
from cirray.index import IndexVersion
from cirray.storage import Artifact, Root


@dataclass(frozen=True)
class ServingSet:
    """Three artifacts that are known to belong together.

    Attributes:
        index: one version of an index.
        bundle: the artifact of the model that embedded its gallery.
        dataset: whose items it holds.
    """

    index: IndexVersion
    bundle: Artifact
    dataset: PreparedDataset

    @classmethod
    def open(cls, root: Root, index: str, version: str | None = None) -> ServingSet:
        """Return an index version, by default the one that is live, with its model and its dataset.

        Reads manifests only: neither weights nor vectors.

        Raises:
            ArtifactError: one of the three does not exist, is unfinished or corrupt.
            LowRecallError: the index finds too little to be served.
            MismatchError: the model or the dataset under the name that the index gives is not the one that it was
                built with; the message names both fingerprints.
            StorageError: the root cannot be read.
        """
        opened = IndexVersion.open(root.index(index).open(version))
        opened.check_recall()
        bundle = root.model(_name(opened.details.model)).open(_version(opened.details.model))
        shelf = root.dataset(_name(opened.details.dataset))
        dataset = PreparedDataset(shelf.open(_version(opened.details.dataset)))
        opened.check_model(bundle.digest)
        opened.check_dataset(dataset.fingerprint)
        return cls(opened, bundle, dataset)

    def open_bundle(self) -> Bundle:
        """Return the model, with its weights.

        Raises:
            ArtifactError: its files are not what its manifest says.
        """
        return Bundle.open(self.bundle)


def _name(reference: str) -> str:
    return _parts(reference)[0]


def _version(reference: str) -> str:
    return _parts(reference)[1]


def _parts(reference: str) -> tuple[str, str]:
    name, separator, version = reference.rpartition("@")
    if not separator or not name or not version:
        raise ArtifactError(
            f"The index names {reference!r}, where NAME@VERSION was expected.", hint="Build the index again."
        )
    return name, version
