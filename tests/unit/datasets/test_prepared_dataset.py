from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cirray.datasets import ITEM_COLUMNS, ITEMS, TRIPLETS, PreparedDataset, prepared
from cirray.datasets.prepared import DatasetDetails
from cirray.errors import ArtifactError, UnknownItemError
from cirray.storage import Artifact

MakeDataset = Callable[..., PreparedDataset]


def test_items_are_all_parts_in_order_without_their_pictures(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(8)
    assert len(dataset.item_parts) == 3
    assert dataset.items["item_id"].to_pylist() == [f"i{i:03d}" for i in range(8)]
    assert dataset.items.column_names == ITEM_COLUMNS
    assert "image" not in ITEM_COLUMNS


def test_a_gallery_has_the_items_of_its_split(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(8)
    assert dataset.gallery("test")["item_id"].to_pylist() == ["i001", "i002", "i003", "i005", "i007"]
    assert dataset.gallery("train")["item_id"].to_pylist() == ["i002", "i004", "i006"]
    assert dataset.gallery("validation").num_rows == 0


def test_triplets_of_a_split(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    assert dataset.splits == ["test", "train"]
    triplets = dataset.triplets("test")
    assert triplets.schema == TRIPLETS
    assert triplets.to_pylist() == [
        {
            "query_id": "test-q0",
            "reference_id": "i001",
            "texts": ["make it red"],
            "target_id": "i003",
            "other_target_ids": [],
            "subset_ids": [],
            "category": "",
        }
    ]


def test_an_unknown_split_is_an_error_that_lists_those_there_are(make_dataset: MakeDataset) -> None:
    with pytest.raises(ArtifactError, match=r"'toy' has no split 'val'; it has: test, train"):
        make_dataset().triplets("val")


def test_a_part_is_read_with_the_columns_asked_for(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(4)
    assert dataset.part(dataset.item_parts[1]).schema == ITEMS
    assert dataset.part(dataset.item_parts[1], ["label"]).to_pylist() == [{"label": "label 3"}]


def test_image_finds_each_picture(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(8)
    images = [image for part in dataset.item_parts for image in dataset.part(part)["image"].to_pylist()]
    order = [7, 0, 3, 4, 0, 6]
    assert [dataset.image(f"i{i:03d}") for i in order] == [images[i] for i in order]


def test_image_of_an_unknown_item_is_an_error(make_dataset: MakeDataset) -> None:
    with pytest.raises(UnknownItemError, match="'toy' has no item 'i999'"):
        make_dataset().image("i999")


def test_few_parts_stay_in_memory(make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "MAX_LOADED_PARTS", 2)
    dataset = make_dataset(12)
    dataset.image("i000")
    reads: list[str] = []
    read = Artifact.read

    def counting(self: Artifact, name: str) -> bytes:
        reads.append(name)
        return read(self, name)

    monkeypatch.setattr(Artifact, "read", counting)
    for index in (1, 3, 2, 4, 6, 9, 0):  # the parts 0 1 0 1 2 3 0; part 0 is in memory
        assert dataset.image(f"i{index:03d}").startswith(b"\x89PNG")
    assert [dataset.item_parts.index(name) for name in reads] == [1, 2, 3, 0]


def test_the_fingerprint_is_that_of_the_content(make_dataset: MakeDataset) -> None:
    first = make_dataset(name="first", seed=1)
    assert make_dataset(name="copy", seed=1).fingerprint == first.fingerprint
    assert make_dataset(name="other", seed=2).fingerprint != first.fingerprint


def test_a_part_that_was_changed_is_not_read(make_dataset: MakeDataset) -> None:
    dataset = make_dataset()
    path = Path((dataset.artifact.place / dataset.artifact.entry(dataset.item_parts[0]).path).path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match="is not what its manifest lists"):
        dataset.items  # noqa: B018 (reading is what fails)


def test_a_dataset_without_a_manifest_does_not_exist(make_dataset: MakeDataset) -> None:
    place = make_dataset().artifact.place
    os.unlink(f"{place.path}/manifest.json")
    with pytest.raises(ArtifactError, match="no finished dataset"):
        Artifact.open(place, "dataset")


def test_a_manifest_that_lists_no_items_is_refused(make_dataset: MakeDataset) -> None:
    artifact = make_dataset().artifact
    with pytest.raises(ArtifactError, match=r"lists no part of the item table.*Delete"):
        PreparedDataset(Artifact(artifact.place, artifact.manifest.model_copy(update={"files": ()})))


@pytest.mark.parametrize(
    ("details", "counts", "says"),
    [
        ({"source": "file:///s"}, {"items": 1, "rejects": 0}, "rejects"),
        ({"rejects": {}}, {"items": 1, "rejects": 0}, "source"),
        ({"source": "file:///s", "rejects": {"a": "b"}}, {"items": 1, "rejects": 0}, "rejects.a"),
        ({"source": "file:///s", "rejects": {}}, {"rejects": 0}, "items"),
    ],
)
def test_details_that_lack_a_part_are_named(
    make_dataset: MakeDataset, details: dict[str, object], counts: dict[str, int], says: str
) -> None:
    artifact = make_dataset().artifact
    manifest = artifact.manifest.model_copy(update={"details": details, "counts": counts})
    with pytest.raises(ArtifactError, match=f"corrupt or of another version.*{says}"):
        DatasetDetails.of(Artifact(artifact.place, manifest))


def test_pictures_may_be_asked_for_from_several_threads(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(30)
    expected = [make_dataset(30).image(f"i{i:03d}") for i in range(30)]
    prepared_limit = prepared.MAX_LOADED_PARTS
    assert len(dataset.item_parts) > prepared_limit  # parts are dropped and read again meanwhile
    order = [*range(30), *reversed(range(30))] * 5
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: dataset.image(f"i{i:03d}"), order))
    assert found == [expected[i] for i in order]


def test_it_pickles_without_what_it_has_read(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(30)
    pictures = sum(len(dataset.image(f"i{i:03d}")) for i in range(30))
    assert len(dataset.items) == 30
    assert len(pickle.dumps(dataset)) < pictures
    assert pickle.loads(pickle.dumps(dataset)).image("i000") == dataset.image("i000")
