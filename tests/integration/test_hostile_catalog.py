"""A catalogue in which nearly everything is broken, prepared whole."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from cirray.cli.app import run
from cirray.datasets import PreparedDataset, Source, decode
from cirray.errors import DataError
from cirray.prepare import PrepareConfig, prepare
from cirray.prepare.rejects import rejects_of
from cirray.storage import Location, Root
from tests.hostile_pictures import BROKEN, ODD, REASONS, encoded

pytestmark = [
    pytest.mark.ray,
    pytest.mark.usefixtures("ray_session"),
    pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\.data\..*"),
    pytest.mark.timeout(120),
]

SETTINGS = {
    "reader": {"caption": "{colour} {kind}", "attributes": ["colour", "kind"], "triplets_table": "pairs.csv"},
    "max_reject_share": 0.9,
}


def lay_out(folder: Path) -> dict[str, str]:
    """Write the catalogue, and return the reason of each item that is to be rejected."""
    (folder / "images").mkdir(parents=True)
    rows: list[bytes] = []
    expected: dict[str, str] = {}

    def add(item_id: str, data: bytes | None, reason: str, path: str = "") -> None:
        path = path or f"images/{len(rows)}.jpg"
        if data is not None:
            (folder / path).write_bytes(data)
        rows.append(f"{item_id},{path},red,dress".encode())
        if reason:
            expected[item_id] = reason

    for kind, data in ODD.items():
        add(f"odd-{kind}", data, "")
    for kind, data in BROKEN.items():
        add(f"broken-{kind}", data, REASONS[kind])
    add("no-bytes", b"", "empty-file")
    add("nowhere", None, "missing-file")
    (folder / "images" / "folder.jpg").mkdir()
    add("folder", None, "missing-file", "images/folder.jpg")
    for name, target in (("self", "self.jpg"), ("dangling", "gone.jpg"), ("around", "../images/around.jpg")):
        os.symlink(target, folder / "images" / f"{name}.jpg")
        add(name, None, "missing-file", f"images/{name}.jpg")
    # Followed, two links to where they are would be 2^40 folders.
    for name in ("up", "up-again", "top"):
        os.symlink(folder if name == "top" else folder / "images", folder / "images" / name)
    os.mkfifo(folder / "images" / "pipe.jpg")
    add("pipe", None, "missing-file", "images/pipe.jpg")
    add("out", None, "missing-file", "../outside.jpg")
    (folder.parent / "outside.jpg").write_bytes(encoded("JPEG"))
    add("absolute", None, "missing-file", str(folder.parent / "outside.jpg"))
    add("linked", None, "", "images/linked.jpg")
    os.symlink(folder.parent / "outside.jpg", folder / "images" / "linked.jpg")
    add("赤い ドレス", encoded("PNG"), "", "images/赤い ドレス.png")
    (folder / "images").joinpath(os.fsdecode(b"caf\xe9.jpg")).write_bytes(encoded("JPEG"))
    add("spaces", encoded("PNG"), "", "images/a b  c.png")
    add("hash", encoded("PNG"), "", "images/a#b?c%20d&e.png")
    rows += [b"nowhere,images/1.jpg,red,dress", b",images/1.jpg,red,dress", b"latin,images/1.jpg,bleut\xe9,dress"]
    rows += [b"short,images/1.jpg", b'quote,"images/1.jpg,red,dress', b"long,images/1.jpg," + b"x" * 500_000 + b",y"]
    (folder / "catalog.csv").write_bytes(b"id,image,colour,kind\n" + b"\n".join(rows))
    pairs = ["odd-gif,odd-webp,bluer", "odd-gif,broken-html,bluer", "odd-gif,nobody,bluer", "odd-gif,latin,bluer"]
    (folder / "pairs.csv").write_text("\n".join(["reference,target,text", *pairs]))
    return expected


def test_each_reject_has_its_reason_and_all_else_is_taken(tmp_path: Path) -> None:
    expected = lay_out(tmp_path / "source")
    place = Location.parse(str(tmp_path / "source"))
    assert not any("up" in file.path.split("/") for file in Source.open(place).files)
    result = prepare(
        Root.open(str(tmp_path / "root"), create=True), "hostile", place, PrepareConfig.of("catalog", SETTINGS)
    )
    dataset = PreparedDataset(result.artifact)
    rejects = rejects_of(dataset.part("rejects.parquet"))
    named = {r.id: r.reason for r in rejects if r.kind == "item" and r.id and r.reason != "duplicate-id"}
    assert named == expected | {"latin": "bad-encoding"}
    assert result.rejects == {
        **Counter(REASONS.values()),
        "missing-file": sum(reason == "missing-file" for reason in expected.values()),
        "malformed-row": 2,
        "rejected-item": 2,
        **dict.fromkeys(
            ["bad-encoding", "duplicate-id", "empty-file", "empty-id", "text-too-long", "unknown-target"], 1
        ),
    }
    kept = dataset.items["item_id"].to_pylist()
    assert sorted(kept) == sorted([*(f"odd-{kind}" for kind in ODD), "赤い ドレス", "hash", "linked", "spaces"])
    for part in dataset.item_parts:
        for row in dataset.part(part).to_pylist():
            assert decode(row["image"]).size == (row["width"], row["height"])
    (split,) = (name.removeprefix("triplets_") for name in result.counts if name.startswith("triplets_"))
    assert dataset.triplets(split)["target_id"].to_pylist() == ["odd-webp"]


def test_by_default_so_much_rubbish_fails_the_job(tmp_path: Path) -> None:
    lay_out(tmp_path / "source")
    strict = PrepareConfig.of("catalog", {**SETTINGS, "max_reject_share": 0.01})
    with pytest.raises(DataError, match=r"items .*were rejected, where a share of 0.01 is allowed"):
        prepare(Root.open(str(tmp_path / "root"), create=True), "x", Location.parse(str(tmp_path / "source")), strict)


def test_a_catalogue_is_prepared_from_a_file_of_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The example of the documentation, on a catalogue of its layout."""
    folder = tmp_path / "source"
    (folder / "images").mkdir(parents=True)
    rows = ["id,image,gender,masterCategory,articleType,baseColour"]
    for number in range(40):
        # Of a size of its own: a picture that a test item shows too would be left out of training.
        (folder / "images" / f"{number}.jpg").write_bytes(encoded("JPEG", size=(8 + number, 8)))
        kind, colour = ("Shirts", "Jeans")[number % 2], ("Navy Blue", "Red", "Green")[number % 3]
        rows.append(f"{number},images/{number}.jpg,Men,Apparel,{kind},{colour}")
    (folder / "catalog.csv").write_text("\n".join(rows))
    example = Path(__file__).parents[2] / "docs" / "examples" / "fashion_products.yaml"
    command = ["prepare", "catalog", "--source", str(folder), "--root", str(tmp_path), "--config", str(example)]
    assert run([*command, "--set", "reader.triplets.test.limit=1", "--json"]) == 0
    dataset = PreparedDataset(Root.open(str(tmp_path)).dataset("catalog").open())
    assert dataset.triplets("test").num_rows == 2
    assert set(dataset.triplets("train")["category"].to_pylist()) == {"baseColour", "articleType"}
    assert "navy blue men shirts" in dataset.items["label"].to_pylist()
    capsys.readouterr()
