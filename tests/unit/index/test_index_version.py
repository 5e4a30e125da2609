from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import pytest

from cirray.errors import ArtifactError, MismatchError
from cirray.index import IndexVersion, Shard, merge, shard_of, verify_sharded
from cirray.storage import Artifact

Gallery = tuple[list[str], npt.NDArray[np.float32]]


def _with(index: Artifact, **changes: Any) -> Artifact:
    return Artifact(index.place, index.manifest.model_copy(update=changes))


def test_an_index_opens_shard_by_shard(index: Artifact, gallery: Gallery) -> None:
    version = IndexVersion.open(index)
    shards = [version.open_shard(number) for number in range(3)]
    assert (version.name, version.version, version.num_shards, version.dim) == ("things", "f" * 16, 3, 8)
    assert (version.details.model, version.details.dataset) == ("tirg@v1", "css@v2")
    assert version.counts == [len(shard) for shard in shards]
    assert sorted(i for shard in shards for i in shard.item_ids) == gallery[0]
    assert all(shard_of(i, 3) == number for number, shard in enumerate(shards) for i in shard.item_ids)


def test_threads_are_set_only_where_asked(index: Artifact) -> None:
    before = faiss.omp_get_max_threads()
    try:
        IndexVersion.open(index).open_shard(0)
        assert faiss.omp_get_max_threads() == before
        IndexVersion.open(index).open_shard(0, threads=before + 1)
        assert faiss.omp_get_max_threads() == before + 1
    finally:
        faiss.omp_set_num_threads(before)


def test_what_does_not_belong_to_the_index_is_named_with_both_fingerprints(index: Artifact) -> None:
    version = IndexVersion.open(index)
    version.check_model("aaaa1111")
    version.check_dataset("bbbb2222")
    with pytest.raises(MismatchError, match=r"model tirg@v1 \(fingerprint aaaa1111\).*given.*cccc3333"):
        version.check_model("cccc3333")
    with pytest.raises(MismatchError, match=r"dataset css@v2 \(fingerprint bbbb2222\).*given.*aaaa1111"):
        version.check_dataset("aaaa1111")


@pytest.mark.parametrize("number", [-1, 3])
def test_a_shard_that_does_not_exist_is_an_error(index: Artifact, number: int) -> None:
    with pytest.raises(ArtifactError, match=rf"no shard {number}; it has 0 to 2"):
        IndexVersion.open(index).open_shard(number)


@pytest.mark.parametrize("name", ["shard-00001/index.faiss", "shard-00001/items.parquet"])
def test_a_corrupt_file_is_found_when_its_shard_is_opened(index: Artifact, name: str) -> None:
    place = index.place / index.entry(name).path
    data = bytearray(place.read())
    data[len(data) // 2] ^= 1
    place.write(bytes(data))
    version = IndexVersion.open(index)
    version.open_shard(0)
    with pytest.raises(ArtifactError, match="not what its manifest lists"):
        version.open_shard(1)


def test_a_manifest_that_does_not_describe_its_shards_is_refused(index: Artifact) -> None:
    details = index.manifest.details
    with pytest.raises(ArtifactError, match=r"should have 4 shards and lists \[0, 1, 2\]"):
        IndexVersion.open(_with(index, details={**details, "num_shards": 4}))
    with pytest.raises(ArtifactError, match="num_shards"):
        IndexVersion.open(_with(index, details={k: v for k, v in details.items() if k != "num_shards"}))
    for name in ("num_shards", "dim"):
        with pytest.raises(ArtifactError, match=f"{name}.*greater than or equal to 1"):
            IndexVersion.open(_with(index, details={**details, name: 0}, files=()))
    with pytest.raises(ArtifactError, match="is a dataset, where an index"):
        IndexVersion.open(_with(index, kind="dataset"))
    with pytest.raises(ArtifactError, match="has 8 dimensions, its manifest says 9"):
        IndexVersion.open(_with(index, details={**details, "dim": 9})).open_shard(0)


def test_sharded_search_is_verified_against_one_flat_index(index: Artifact, gallery: Gallery) -> None:
    item_ids, vectors = gallery
    verification = verify_sharded(IndexVersion.open(index), vectors, 10, [[item_id] for item_id in item_ids])
    assert (verification.num_queries, verification.num_equal, verification.k) == (50, 50, 10)
    assert verification.holds
    assert verification.first_difference == ""


def test_a_shard_that_answers_wrongly_is_found_out(
    index: Artifact, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Shard.search

    def forgets_the_best_hit_of_a_small_shard(self: Shard, *given: Any) -> Any:
        return [hits[1:] if len(self) < 50 else hits for hits in honest(self, *given)]

    monkeypatch.setattr(Shard, "search", forgets_the_best_hit_of_a_small_shard)
    verification = verify_sharded(IndexVersion.open(index), gallery[1], 10)
    assert not verification.holds
    assert verification.num_equal < 50
    assert verification.first_difference.startswith("query 0, rank 1: ")


def test_shards_found_in_any_order_merge_to_the_same_answer(index: Artifact, gallery: Gallery) -> None:
    version = IndexVersion.open(index)
    answers = [version.open_shard(number).search(gallery[1][:1], 9)[0] for number in range(3)]
    assert merge(answers, 9) == merge(answers[::-1], 9)
    assert len(merge(answers, 9)) == 9
