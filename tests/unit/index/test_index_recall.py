"""Recall is what a naive count says, dials are raised until it is enough, and the gate holds."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from cirray.errors import LowRecallError
from cirray.index import Dials, Hit, IndexVersion, Shard, merge, shard_of
from cirray.index.choice import chosen
from cirray.index.probes import Probes
from cirray.index.recall import exact_answers, measure_recall, reach_recall
from cirray.storage import Artifact
from tests.clustered import clustered, items_of

ROWS, DIM = 3000, 16
RULE = chosen("ivf-sq8", ROWS, DIM, Dials(nprobe=1)).dials


@pytest.fixture(scope="module")
def probes() -> Probes:
    queries = clustered(ROWS, DIM, 4)[1]
    return Probes(queries, [[f"i{number:06d}"] for number in range(len(queries))], "composed")


@pytest.fixture(scope="module")
def embedded() -> pa.Table:
    vectors = clustered(ROWS, DIM, 4)[0]
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIM)
    return items_of(ROWS).append_column("vector", column)


@pytest.fixture(scope="module")
def exact(embedded: pa.Table, probes: Probes) -> list[list[Hit]]:
    return exact_answers((embedded.slice(start, 700) for start in range(0, ROWS, 700)), DIM, probes)


@pytest.fixture(scope="module")
def shards(embedded: pa.Table) -> list[Shard]:
    vectors = clustered(ROWS, DIM, 4)[0]
    own = [np.flatnonzero([shard_of(i, 2) == number for i in embedded["item_id"].to_pylist()]) for number in (0, 1)]
    return [Shard.build(embedded.take(rows), vectors[rows], DIM, "ivf-sq8", RULE) for rows in own]


def test_the_truth_is_that_of_the_given_vectors(exact: list[list[Hit]], embedded: pa.Table, probes: Probes) -> None:
    vectors = clustered(ROWS, DIM, 4)[0].astype(np.float64)
    for query, exclude, hits in zip(probes.queries, probes.exclude, exact, strict=True):
        scores = vectors @ query.astype(np.float64)
        order = [f"i{row:06d}" for row in np.argsort(-scores)[:11]]
        assert [hit.item_id for hit in hits] == [item_id for item_id in order if item_id not in exclude][:10]


def test_recall_is_a_count(shards: list[Shard], probes: Probes, exact: list[list[Hit]]) -> None:
    found = 0
    for place, exclude in enumerate(probes.exclude):
        each = [shard.search(probes.queries[place : place + 1], 10, [exclude])[0] for shard in shards]
        ids = [hit.item_id for hit in merge(each, 10)]
        found += sum(hit.item_id in ids for hit in exact[place])
    recall = measure_recall(shards, probes, exact)
    assert recall == pytest.approx(found / (10 * len(exact)))
    assert 0.2 < recall < 0.9
    assert measure_recall(shards, Probes(probes.queries[:0], [], "composed"), []) == 1.0


def test_dials_are_raised_until_the_recall_is_reached_and_no_further(
    shards: list[Shard], probes: Probes, exact: list[list[Hit]]
) -> None:
    dials, recall = reach_recall(shards, probes, exact, "ivf-sq8", RULE, Dials(), 0.95)
    assert recall >= 0.95
    assert dials.need("nprobe") > 1
    half = RULE.model_copy(update={"nprobe": dials.need("nprobe") // 2})
    assert reach_recall(shards, probes, exact, "ivf-sq8", half, half, 0.95)[1] < 0.95


def test_dials_that_a_person_set_stay(shards: list[Shard], probes: Probes, exact: list[list[Hit]]) -> None:
    fixed = Dials(nprobe=1, refine=2)
    dials, recall = reach_recall(shards, probes, exact, "ivf-sq8", RULE, fixed, 0.95)
    assert dials == RULE
    assert recall == measure_recall(shards, probes, exact)


def test_an_index_below_its_bar_is_refused_with_the_figures(index: Artifact) -> None:
    recall = {"at_10": 0.8125, "queries": 40, "asked": "composed", "least": 0.95}
    details = {**index.manifest.details, "kind": "ivf-flat", "dials": {"nlist": 64, "nprobe": 2}, "recall": recall}
    low = Artifact(index.place, index.manifest.model_copy(update={"details": details}))
    message = r"things@f+ finds 0\.8125 .*on 40 composed queries.*at least 0\.95.*nlist 64, nprobe 2.*dials.nprobe="
    with pytest.raises(LowRecallError, match=message):
        IndexVersion.open(low).check_recall()
    IndexVersion.open(index).check_recall()
