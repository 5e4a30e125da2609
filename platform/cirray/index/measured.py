"""What is found out about a new index before it is committed: that it is exact, or how much it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyarrow as pa

from cirray.datasets.prepared import PreparedDataset
from cirray.errors import ArtifactError
from cirray.index.config import IndexConfig
from cirray.index.embedder import Embedder
from cirray.index.kinds import Dials
from cirray.index.probes import make_probes
from cirray.index.recall import exact_answers, reach_recall
from cirray.index.verify import verify_sharded
from cirray.index.version import IndexVersion, Recall


@dataclass(frozen=True)
class Measurement:
    """What was found out.

    Attributes:
        dials: with which the index is to be searched.
        recall: how much it then finds.
        verified_queries: queries on which it answered as one flat index, where it is flat.
    """

    dials: Dials
    recall: Recall
    verified_queries: int = 0


def measure(
    version: IndexVersion,
    embedder: Embedder,
    dataset: PreparedDataset,
    config: IndexConfig,
    batches: Callable[[], Iterable[pa.Table]],
    *,
    progress: Callable[[str], None],
) -> Measurement:
    """Return what a new index is worth. Flat shards are verified id for id, others are compared with exact search.

    Args:
        version: the index, whose files are written.
        embedder: composes the queries.
        dataset: that they are taken from.
        config: how many of them, and what is to be reached.
        batches: returns the embedded items, a part at a time.
        progress: told in a few words what is being done.

    Raises:
        ArtifactError: flat shards do not answer as one flat index.
    """
    details, split = version.details, version.details.split
    if details.kind == "flat":
        progress("comparing the shards with one flat index")
        return Measurement(details.dials, Recall(), _verify(version, embedder, dataset, config))
    probes = make_probes(embedder, dataset, split, config.recall_queries, config.batch_size)
    progress(f"measuring recall@10 on {len(probes.queries)} {probes.asked} queries")
    exact = exact_answers(batches(), version.dim, probes)
    shards = [version.open_shard(number) for number in range(version.num_shards)]
    dials, found = reach_recall(shards, probes, exact, details.kind, details.dials, config.dials, config.min_recall)
    progress(f"recall@10 is {found:.4f} with {', '.join(f'{n} {v}' for n, v in dials.given().items())}")
    recall = Recall(at_10=found, queries=len(exact), asked=probes.asked, least=config.min_recall)
    return Measurement(dials, recall)


def _verify(version: IndexVersion, embedder: Embedder, dataset: PreparedDataset, config: IndexConfig) -> int:
    """Return on how many queries the shards answered as one flat index.

    Raises:
        ArtifactError: on one they did not.
    """
    probes = make_probes(embedder, dataset, version.details.split, config.verify_queries, config.batch_size)
    verification = verify_sharded(version, probes.queries, config.verify_k, probes.exclude)
    if not verification.holds:
        raise ArtifactError(
            f"The shards of index {version.name!r} do not answer as one flat index: "
            f"{verification.num_queries - verification.num_equal} of {verification.num_queries} queries differ, "
            f"such as {verification.first_difference}.",
            hint="This is a fault of cirray, not of the data; the index was not published.",
        )
    return verification.num_queries
