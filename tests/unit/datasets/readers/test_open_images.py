from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from cirray.datasets.readers.open_images import OpenImages, OpenImagesConfig
from cirray.datasets.source import Source, SourceTables
from cirray.errors import DataError
from cirray.prepare.checks import check_items
from cirray.storage import Location

HEADER = "ImageID,Source,LabelName,Confidence\n"
TREE, DOG = "/m/07j7r", "/m/0bt9lr"
FILE = "validation-annotations-human-imagelabels.csv"
NARRATIVES = "open_images_validation_localized_narratives.jsonl"


def write(root: Path, labels: str | None = None, narratives: str | None = None, labels_file: str = FILE) -> Source:
    """Write five trees, two trees with a dog, one dog that people said is none, and one without any label."""
    ids = [f"{number:016x}" for number in range(9)]
    rows = [f"{image},verification,{TREE},1\n" for image in ids[:7]]
    rows += [f"{image},verification,{DOG},{int(image in ids[5:7])}\n" for image in ids[:8]]
    lines = [{"dataset_id": "x", "image_id": image, "caption": f" Narrative  of {image}."} for image in ids]
    lines += [{"image_id": ids[0], "caption": "Another one."}]
    (root / labels_file).write_text(HEADER + "".join(rows) if labels is None else labels)
    (root / NARRATIVES).write_text("".join(map("{}\n".format, map(json.dumps, lines))) + (narratives or ""))
    (root / "class-descriptions.csv").write_text(f'{TREE},Tree\n{DOG},"Dog, hound"\n')
    (root / "validation").mkdir()
    for image in ids:
        (root / "validation" / f"{image}.jpg").write_bytes(b"x")
    return Source.open(Location.parse(str(root)))


def read(source: Source, **settings: int | str) -> SourceTables:
    return OpenImages(OpenImagesConfig.model_validate(settings)).read(source)


def test_items_have_label_sets_and_narratives(tmp_path: Path) -> None:
    tables = read(write(tmp_path))
    assert tables.triplets == {}
    rows = tables.items.to_pylist()
    assert [row["label"] for row in rows[4:]] == [
        "Tree",
        "Dog, hound|Tree",
        "Dog, hound|Tree",
        f"{7:016x}",
        f"{8:016x}",
    ]
    assert rows[5]["attributes"] == ["Dog, hound", "Tree"]
    assert rows[0]["caption"] == f"Narrative of {0:016x}. Another one."
    assert rows[0]["path"] == f"validation/{0:016x}.jpg"


def test_three_of_each_set_are_the_database_and_pictures_without_labels_are_in_no_split(tmp_path: Path) -> None:
    rows = read(write(tmp_path)).items.to_pylist()
    found = Counter((row["label"], *row["splits"]) for row in rows[:7])
    assert found == {("Tree", "database"): 3, ("Tree", "query"): 2, ("Dog, hound|Tree", "database"): 2}
    assert [row["splits"] for row in rows[7:]] == [[], []]


def test_the_database_holds_pictures_that_are_there(tmp_path: Path) -> None:
    source = write(tmp_path)
    (tmp_path / "validation" / f"{0:016x}.jpg").unlink()
    source = Source.open(source.place)
    rows = read(source).items.to_pylist()
    assert sum(row["splits"] == ["database"] and row["label"] == "Tree" for row in rows) == 3
    assert rows[0]["splits"] == []
    (reject,) = check_items(read(source).items, source.sizes).rejects
    assert (reject.id, reject.reason) == (f"{0:016x}", "missing-file")


def test_the_file_of_labels_is_a_setting_and_the_boxable_one_comes_first(tmp_path: Path) -> None:
    source = write(tmp_path)
    (tmp_path / "validation-annotations-human-imagelabels-boxable.csv").write_text(HEADER + f"{0:016x},v,{DOG},1\n")
    source = Source.open(source.place)
    assert read(source).items["label"].to_pylist()[0] == "Dog, hound"
    assert read(source, labels_file=FILE).items["label"].to_pylist()[0] == "Tree"
    with pytest.raises(DataError, match=r"no file other\.csv"):
        read(source, labels_file="other.csv")


def test_bad_rows_become_rejects(tmp_path: Path) -> None:
    bad = '{"image_id": 5}\n{"caption": "x"}\nnot json\n' + "[" * 100_000 + "\n"
    source = write(tmp_path, HEADER + f"{0:016x},v\n{1:016x},v,{TREE},maybe\n{2:016x},v,{TREE},1\n", bad)
    checked = check_items(read(source).items, source.sizes)
    assert checked.table.num_rows == 9
    assert {reject.reason for reject in checked.rejects} == {"empty-id"}
    places = [reject.detail.rpartition("path ")[2] for reject in checked.rejects]
    assert places == [f"{FILE}:2", f"{FILE}:3", *(f"{NARRATIVES}:{line}" for line in (11, 12, 13, 14))]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("ImageID,LabelName\n", r"lacks the columns Confidence"),
        (HEADER + '1,v,"/m"x,1\n', r"imagelabels\.csv, line 2, is not CSV"),
    ],
)
def test_a_malformed_file_of_labels_is_named(tmp_path: Path, labels: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(write(tmp_path, labels))


def test_missing_files_are_named(tmp_path: Path) -> None:
    source = write(tmp_path)
    (tmp_path / NARRATIVES).unlink()
    with pytest.raises(DataError, match=f"no file {NARRATIVES}"):
        read(Source.open(source.place))


def test_half_a_character_is_a_bad_encoding_and_no_crash(tmp_path: Path) -> None:
    source = write(tmp_path, narratives=json.dumps({"image_id": f"{0:016x}", "caption": "red \ud800"}) + "\n")
    (reject,) = check_items(read(source).items, source.sizes).rejects
    assert (reject.id, reject.reason) == (f"{0:016x}", "bad-encoding")
