"""One committed version of an index."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import faiss
from pydantic import Field, field_validator

from cirray.config import Config
from cirray.errors import ArtifactError, LowRecallError, MismatchError
from cirray.index.kinds import Dials, kinds
from cirray.index.shard import Shard
from cirray.storage import Artifact


class Recall(Config):
    """How much of what an exact search finds an index finds.

    Attributes:
        at_10: mean share of the ten best items of an exact search that are among the ten best of the index.
        queries: on how many it was measured; 0 where the index is exact by construction.
        asked: what the queries were: composed of references and texts, or pictures of the gallery where the
            dataset has no triplets. The second flatters, since queries then look like items.
        least: what it must be for the index to go live.
    """

    at_10: float = Field(default=1.0, ge=0, le=1)
    queries: int = Field(default=0, ge=0)
    asked: Literal["composed", "gallery"] = "composed"
    least: float = Field(default=0.0, ge=0, le=1)


class IndexDetails(Config):
    """What the manifest of an index tells besides its inputs.

    Attributes:
        model: "name@version" of the model that embedded the gallery.
        dataset: "name@version" of the dataset.
        split: whose gallery it is.
        num_shards: number of shards.
        dim: size D of the vectors.
        kind: of index that each shard is.
        dials: that it was built with, and is searched with where a request says nothing else.
        why: the reason for that kind, in words.
        recall: how much it finds.
        bytes_per_vector: bytes of a vector in memory, the stored ones that candidates are scored on included.
        build_seconds: that the shards took from vectors to files, recall and verification included.
        verified_queries: composed queries on which the shards answered as one flat index; only flat ones do.
    """

    model: str
    dataset: str
    split: str
    num_shards: int = Field(ge=1)
    dim: int = Field(ge=1)
    kind: str
    dials: Dials = Dials()
    why: str = ""
    recall: Recall = Recall()
    bytes_per_vector: float = Field(default=0.0, ge=0)
    build_seconds: float = Field(default=0.0, ge=0)
    verified_queries: int = 0

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in kinds:
            raise ValueError(f"There is no kind of index {kind!r}; there are: {', '.join(kinds)}")
        return kind


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
        halves = halves_file(number)
        shard = Shard.from_bytes(
            self.artifact.read(index_file(number)),
            self.artifact.read(items_file(number)),
            self.artifact.mapped(halves) if halves in self._names else None,
            self.details.kind,
            self.details.dials,
        )
        if shard.dim != self.dim:
            raise ArtifactError(
                f"Shard {number} of index {self.name}@{self.version} has {shard.dim} dimensions, its manifest "
                f"says {self.dim}.",
                hint="Build the index again.",
            )
        return shard

    def check_recall(self) -> None:
        """Make sure that the index finds as much as it was asked to when it was built.

        Raises:
            LowRecallError: it does not.
        """
        recall = self.details.recall
        if recall.at_10 < recall.least:
            dials = ", ".join(f"{name} {value}" for name, value in self.details.dials.given().items())
            raise LowRecallError(
                f"Index {self.name}@{self.version} finds {recall.at_10:.4f} of the ten best items (recall@10 on "
                f"{recall.queries} {recall.asked} queries), where at least {recall.least:g} is asked for. "
                f"It is of kind {self.details.kind} ({dials}).",
                hint="Build it with more probes (--set dials.nprobe=, dials.ef_search=), as another kind "
                "(--set kind=flat is exact), or with a lower bar (--set min_recall=).",
            )

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

    @property
    def _names(self) -> set[str]:
        return set(self.artifact.names())

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


def halves_file(number: int) -> str:
    """Return the name of the file that holds the vectors of a shard as float16, row by row, little-endian."""
    return f"shard-{number:05d}/vectors.f16"


def items_file(number: int) -> str:
    """Return the name of the file that lists the items of a shard."""
    return f"shard-{number:05d}/items.parquet"
