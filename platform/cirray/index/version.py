"""One committed version of an index."""

from __future__ import annotations

import re
from dataclasses import dataclass

import faiss
from pydantic import Field

from cirray.config import Config
from cirray.errors import ArtifactError, MismatchError
from cirray.index.shard import Shard
from cirray.storage import Artifact


class IndexDetails(Config):
    """What the manifest of an index tells besides its inputs.

    Attributes:
        model: "name@version" of the model that embedded the gallery.
        dataset: "name@version" of the dataset.
        split: whose gallery it is.
        num_shards: number of shards.
        dim: size D of the vectors.
        factory: FAISS factory string of each shard.
        verified_queries: composed queries on which the shards answered as one flat index.
    """

    model: str
    dataset: str
    split: str
    num_shards: int = Field(ge=1)
    dim: int = Field(ge=1)
    factory: str
    verified_queries: int = 0


@dataclass(frozen=True)
class IndexVersion:
    """An index that can be opened shard by shard, by as many processes as there are shards."""

    artifact: Artifact
    details: IndexDetails

    @classmethod
    def open(cls, artifact: Artifact) -> IndexVersion:
        """Return the index that `Root.index(name).open(version)` found.

        Raises:
            ArtifactError: the artifact is no index, or its manifest does not describe all of its shards.
        """
        if artifact.manifest.kind != "index":
            raise ArtifactError(f"{artifact.place} is a {artifact.manifest.kind}, where an index was asked for.")
        details = artifact.details(IndexDetails)
        listed = {int(found[1]) for name in artifact.names() if (found := re.fullmatch(r"shard-(\d+)/.+", name))}
        if listed != set(range(details.num_shards)):
            raise ArtifactError(
                f"The index at {artifact.place} should have {details.num_shards} shards and lists {sorted(listed)}.",
                hint=f"Delete {artifact.place} and build the index again.",
            )
        return cls(artifact, details)

    @property
    def name(self) -> str:
        """The index's name."""
        return self.artifact.manifest.name

    @property
    def version(self) -> str:
        """Its version among those of the same name."""
        return self.artifact.version

    @property
    def num_shards(self) -> int:
        """Number of shards."""
        return self.details.num_shards

    @property
    def dim(self) -> int:
        """Size D of the vectors."""
        return self.details.dim

    @property
    def counts(self) -> list[int]:
        """Number of items in each shard."""
        entries = (self.artifact.entry(items_file(number)) for number in range(self.num_shards))
        return [entry.rows or 0 for entry in entries]

    def open_shard(self, number: int, *, threads: int | None = None) -> Shard:
        """Read one shard and check it.

        Args:
            number: 0 to `num_shards` - 1.
            threads: how many threads FAISS may use in this whole process; None leaves that as it is.

        Raises:
            ArtifactError: there is no such shard, or its files are not what the manifest lists.
            StorageError: it cannot be read.
        """
        if not 0 <= number < self.num_shards:
            raise ArtifactError(
                f"Index {self.name}@{self.version} has no shard {number}; it has 0 to {self.num_shards - 1}."
            )
        if threads is not None:
            faiss.omp_set_num_threads(threads)
        shard = Shard.from_bytes(self.artifact.read(index_file(number)), self.artifact.read(items_file(number)))
        if shard.dim != self.dim:
            raise ArtifactError(
                f"Shard {number} of index {self.name}@{self.version} has {shard.dim} dimensions, its manifest "
                f"says {self.dim}.",
                hint="Build the index again.",
            )
        return shard

    def check_model(self, fingerprint: str) -> None:
        """Make sure that queries of the model with this fingerprint can be answered.

        Raises:
            MismatchError: the gallery was embedded by another one, so that every score would be nonsense.
        """
        self._check("model", fingerprint, self.details.model)

    def check_dataset(self, fingerprint: str) -> None:
        """Make sure that the index holds items of the dataset with this fingerprint.

        Raises:
            MismatchError: it was built from another one.
        """
        self._check("dataset", fingerprint, self.details.dataset)

    def _check(self, role: str, given: str, built_with: str) -> None:
        expected = self.artifact.manifest.inputs.get(role)
        if given != expected:
            raise MismatchError(
                f"Index {self.name}@{self.version} was built with {role} {built_with} (fingerprint {expected}); "
                f"given was one with fingerprint {given}.",
                hint=f"Use that {role}, or build an index with this one.",
            )


def index_file(number: int) -> str:
    """Return the name of the file that holds the FAISS index of a shard."""
    return f"shard-{number:05d}/index.faiss"


def items_file(number: int) -> str:
    """Return the name of the file that lists the items of a shard."""
    return f"shard-{number:05d}/items.parquet"
