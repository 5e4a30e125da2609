from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cirray.datasets import Source, SourceTables
from cirray.datasets.readers.shoes import Shoes, ShoesConfig
from cirray.datasets.source import readers
from cirray.errors import DataError
from cirray.storage import Location

CLOGS, HEELS, BOOTS, RAIN = (
    f"img_womens_{kind}.jpg" for kind in ("clogs_851", "high_heels_12", "boots_7", "rain_boots_3")
)
PAIRS = "relative_captions_shoes.json"


def pair(target: Any, reference: Any, text: Any) -> dict[str, Any]:
    return {"ImageName": target, "ReferenceImageName": reference, "RelativeCaption": text}


FILES = {
    PAIRS: [pair(CLOGS, HEELS, "is flat"), pair(RAIN, BOOTS, "is of rubber"), pair(CLOGS, CLOGS, "is the same")],
    "captions_shoes.json": [{"ImageName": HEELS, "Caption": "red high heels"}],
    "train_im_names.txt": f"{CLOGS}\n{HEELS}\n",
    "eval_im_names.txt": f"{BOOTS}\r\n{RAIN}\r\n",
    f"womens_clogs/0/{CLOGS}": b"picture",
    f"womens_high_heels/1/{HEELS}": b"picture",
    "womens_high_heels/1/descr_12.txt": "heels",
    f"flat/{BOOTS}": b"picture",
    RAIN.replace(".jpg", ".png"): b"picture",
}


def read(source: Source) -> SourceTables:
    return Shoes(ShoesConfig()).read(source)


def test_it_is_registered() -> None:
    assert readers["shoes"] is Shoes


def test_pictures_are_found_in_the_official_folders_and_flat(write_source: Any, rejects: Any) -> None:
    source = write_source(FILES)
    tables = read(source)
    rows = {row["item_id"]: row for row in tables.items.to_pylist()}
    assert {name: (row["path"], row["splits"], row["attributes"]) for name, row in rows.items()} == {
        CLOGS: (f"womens_clogs/0/{CLOGS}", ["train"], ["clogs"]),
        HEELS: (f"womens_high_heels/1/{HEELS}", ["train"], ["high heels"]),
        BOOTS: (f"flat/{BOOTS}", ["test"], ["boots"]),
        RAIN: (RAIN.replace(".jpg", ".png"), ["test"], ["rain boots"]),
    }
    assert [rows[name]["caption"] for name in (HEELS, CLOGS)] == ["red high heels", ""]
    assert {row["category"] for row in rows.values()} == {""}
    assert rejects(tables, source) == []


def test_pairs_go_where_both_pictures_are(write_source: Any) -> None:
    triplets = read(write_source(FILES)).triplets
    columns = ["query_id", "reference_id", "texts", "target_id"]
    assert {
        split: [tuple(row.values()) for row in rows.select(columns).to_pylist()] for split, rows in triplets.items()
    } == {
        "train": [("shoes-00000", HEELS, ["is flat"], CLOGS), ("shoes-00002", CLOGS, ["is the same"], CLOGS)],
        "test": [("shoes-00001", BOOTS, ["is of rubber"], RAIN)],
    }


def test_broken_pairs_are_rejected_and_none_vanishes(write_source: Any, rejects: Any) -> None:
    pairs = [
        pair(CLOGS, HEELS, "is flat"),
        pair(CLOGS, BOOTS, "mixes splits"),
        pair(CLOGS, "img_womens_none_1.jpg", "is unknown"),
        pair("img_womens_none_1.jpg", BOOTS, "is unknown"),
        pair(CLOGS, HEELS, ["is flat"]),
        pair(CLOGS, HEELS, " "),
        17,
    ]
    source = write_source({**FILES, PAIRS: pairs})
    found = {reject.id: reject for reject in rejects(read(source), source)}
    assert {name: reject.reason for name, reject in found.items()} == {
        "shoes-00001": "unknown-reference",
        "shoes-00002": "unknown-reference",
        "shoes-00003": "unknown-target",
        "shoes-00004": "unknown-reference",
        "shoes-00005": "empty-text",
        "shoes-00006": "unknown-reference",
    }
    assert f"{PAIRS}[1]: its pictures are of different splits" in found["shoes-00001"].detail
    assert f"{PAIRS}[4]: RelativeCaption is no text but ['is flat']" in found["shoes-00004"].detail


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (PAIRS, {}),
        (PAIRS, [{"ImageName": CLOGS}]),
        ("captions_shoes.json", [{"ImageName": CLOGS, "Caption": 3}]),
        ("captions_shoes.json", ["red"]),
        ("train_im_names.txt", "\n \n"),
        ("eval_im_names.txt", b"\xff\xfe\x00"),
    ],
)
def test_a_file_of_another_layout_is_an_error_that_names_it(write_source: Any, path: str, content: Any) -> None:
    with pytest.raises(DataError, match=path.replace(".", r"\.")):
        read(write_source({**FILES, path: content}))


def test_direct_captions_need_not_be_there(write_source: Any) -> None:
    files = {name: content for name, content in FILES.items() if name != "captions_shoes.json"}
    assert set(read(write_source(files)).items["caption"].to_pylist()) == {""}


def test_the_official_counts(shared_data: Path, gallery_sizes: Any, rejects: Any) -> None:
    source = Source.open(Location.parse(str(shared_data / "shoes")))
    tables = read(source)
    assert {split: rows.num_rows for split, rows in tables.triplets.items()} == {"train": 8_990, "test": 1_761}
    assert gallery_sizes(tables) == {("", "train"): 10_000, ("", "test"): 4_658}
    assert sum(caption != "" for caption in tables.items["caption"].to_pylist()) == 3_600
    assert len({tags[0] for tags in tables.items["attributes"].to_pylist()}) == 10, "kinds of shoes"
    assert {reject.reason for reject in rejects(tables, source)} == {"missing-file"}
    same = {
        split: sum(a == b for a, b in zip(*(rows[c].to_pylist() for c in ("reference_id", "target_id")), strict=True))
        for split, rows in tables.triplets.items()
    }
    assert same == {"train": 26, "test": 1}
