"""The files for the servers of CIRR and FashionIQ, from their official annotations and plain pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cirray.bundles import save_bundle
from cirray.cli.app import run
from cirray.composers import Retriever
from cirray.datasets import PreparedDataset, Source, SourceTables
from cirray.datasets.fitting import Fit
from cirray.datasets.pictures import Pixels
from cirray.datasets.readers.cirr import Cirr, CirrConfig
from cirray.datasets.readers.fashioniq import FashionIq, FashionIqConfig
from cirray.encoders import Vocabulary
from cirray.errors import DataError
from cirray.evaluation import protocols
from cirray.evaluation.submission import submission_files
from cirray.prepare.checks import check_triplets
from cirray.storage import Artifact, Location, Root
from tests.artifacts import plain_png, put_dataset
from tests.small_models import small_config

Floats = npt.NDArray[np.float32]
Vector = tuple[int, ...]
ITEM = {"item_id": "a", "splits": ["test"], "image": plain_png((1, 2, 3))}


class WordsAndColours:
    """A picture is its colour and a text its length, in whole numbers: scores are exact, and many are equal."""

    image_size = (1, 1)
    scorer = None
    image_fit: Fit = "stretch"

    def embed_pixels(self, pixels: Pixels) -> Floats:
        return pixels[:, 0, 0, :].astype(np.float32) - 8

    def compose_pixels(self, pixels: Pixels, texts: Sequence[str]) -> Floats:
        return self.embed_pixels(pixels) + np.array([[len(text) % 5, 0, 0] for text in texts], np.float32)


def colour_of(number: int) -> tuple[int, int, int]:
    return number % 17, number % 13, number % 11


def prepared(place: Location, reader: str, tables: SourceTables, split: str, drop: int = 0) -> PreparedDataset:
    """Return the dataset that preparation would make of the official tables and plain pictures."""
    rows = sorted(tables.items.drop_columns(["path"]).to_pylist(), key=lambda row: str(row["item_id"]))
    pictures = {colour_of(number): plain_png(colour_of(number), (1, 1)) for number in range(len(rows))}
    items = [{**row, "image": pictures[colour_of(number)]} for number, row in enumerate(rows)]
    triplets = check_triplets(split, tables.triplets[split], {row["item_id"] for row in rows}).table.to_pylist()
    return put_dataset(place, reader, items, {split: triplets[drop:]}, part_rows=4000, reader=reader)


def vectors_of(dataset: PreparedDataset) -> dict[str, Vector]:
    """Return what the model makes of each picture, by the item's id."""
    ids = dataset.items["item_id"].to_pylist()
    return {item_id: tuple(value - 8 for value in colour_of(number)) for number, item_id in enumerate(ids)}


def naive_ranking(vectors: dict[str, Vector], reference: str, text: str, among: list[str]) -> list[str]:
    """Rank by a full sort, the first id first among equal scores."""
    query = [vectors[reference][0] + len(text.strip()) % 5, *vectors[reference][1:]]
    return sorted(among, key=lambda name: (-sum(a * b for a, b in zip(query, vectors[name], strict=True)), name))


@pytest.fixture
def test1(shared_data: Path) -> SourceTables:
    return Cirr(CirrConfig(splits=("test1",))).read(Source.open(Location.parse(str(shared_data / "cirr"))))


@pytest.fixture
def cirr(test1: SourceTables, tmp_path: Path) -> PreparedDataset:
    return prepared(Location.parse(str(tmp_path / "cirr")), "cirr", test1, "test1")


def test_cirrs_server_gets_each_pair_of_the_official_file(cirr: PreparedDataset, shared_data: Path) -> None:
    told: list[tuple[int, int]] = []
    files = submission_files(
        WordsAndColours(), cirr, protocols["cirr"], lambda done, total: told.append((done, total))
    )
    assert sorted(files) == ["test1_pred_ranks_recall.json", "test1_pred_ranks_recall_subset.json"]
    assert max(map(len, files.values())) < 5_000_000  # what the server takes
    recall, subset = (json.loads(files[name]) for name in sorted(files))
    assert (recall.pop("version"), recall.pop("metric")) == ("rc2", "recall")
    assert (subset.pop("version"), subset.pop("metric")) == ("rc2", "recall_subset")
    official = json.loads((shared_data / "cirr/captions/cap.rc2.test1.json").read_bytes())
    assert {str(pair["pairid"]) for pair in official} == recall.keys() == subset.keys()
    assert told[-1][0] == told[-1][1] == len(told)

    vectors = vectors_of(cirr)
    textless = [pair for pair in official if not pair["caption"].strip()]
    assert len(textless) == 1
    for pair in [*official[::40], *textless]:
        others = [name for name in vectors if name != pair["reference"]]
        members = [name for name in pair["img_set"]["members"] if name != pair["reference"]]
        number, ask = str(pair["pairid"]), (vectors, pair["reference"], pair["caption"])
        assert recall[number] == naive_ranking(*ask, others)[:50]
        assert subset[number] == naive_ranking(*ask, members)[:3]


def test_cirrs_server_gets_no_file_with_a_pair_too_few(test1: SourceTables, tmp_path: Path) -> None:
    dataset = prepared(Location.parse(str(tmp_path / "cirr")), "cirr", test1, "test1", drop=1)
    with pytest.raises(DataError, match=r"4,147 queries, where the benchmark has 4,148"):
        submission_files(WordsAndColours(), dataset, protocols["cirr"])


@pytest.mark.parametrize(("protocol", "keeps_reference"), [("fashioniq-a", True), ("fashioniq-a-excluded", False)])
def test_fashioniqs_challenge_gets_the_official_file_with_rankings(
    shared_data: Path, tmp_path: Path, protocol: str, keeps_reference: bool
) -> None:
    reader = FashionIq(FashionIqConfig(categories=("shirt",), splits=("test",)))
    tables = reader.read(Source.open(Location.parse(str(shared_data / "fashioniq"))))
    dataset = prepared(Location.parse(str(tmp_path / "fashioniq")), "fashioniq", tables, "test")
    files = submission_files(WordsAndColours(), dataset, protocols[protocol])
    assert list(files) == ["shirt.test.pred.json"]
    entries: list[dict[str, Any]] = json.loads(files["shirt.test.pred.json"])
    rankings = [entry.pop("ranking") for entry in entries]
    official = json.loads((shared_data / "fashioniq/captions/cap.shirt.test.json").read_bytes())
    assert entries == official

    vectors = {item_id.removeprefix("shirt/"): vector for item_id, vector in vectors_of(dataset).items()}
    for number in range(0, len(official), 60):
        reference = official[number]["candidate"]
        text = " and ".join(each.strip() for each in official[number]["captions"] if each.strip())
        among = [name for name in vectors if keeps_reference or name != reference]
        assert rankings[number] == naive_ranking(vectors, reference, text, among)[:50]


def test_other_datasets_and_a_query_for_each_caption_are_refused(cirr: PreparedDataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'fashioniq-b' does not give one ranking for each pair"):
        submission_files(WordsAndColours(), cirr, protocols["fashioniq-b"])
    shoes = put_dataset(Location.parse(str(tmp_path / "shoes")), "shoes", [ITEM], reader="shoes")
    with pytest.raises(DataError, match=r"read by 'shoes'; servers with .* are known for: cirr, fashioniq"):
        submission_files(WordsAndColours(), shoes, protocols["shoes"])


def test_the_verb_writes_the_files_of_a_trained_model(
    test1: SourceTables, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Root.open(str(tmp_path / "root"), create=True)
    for shelf, made in (
        (root.dataset("cirr"), prepared(root.dataset("cirr").version("d" * 64), "cirr", test1, "test1").artifact),
        (root.model("tiny"), put_model(root.model("tiny").version("a" * 64), "cirr")),
    ):
        shelf.point_at(made.version)
    out = tmp_path / "submission"
    assert run(["submit", "--model", "tiny", "--root", root.place.uri, "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["protocol"] == "cirr"
    for uri, size in told["files"].items():
        content = json.loads((out / uri.rpartition("/")[2]).read_bytes())
        assert (out / uri.rpartition("/")[2]).stat().st_size == size
        assert len(content) == 4148 + 2


def put_model(place: Location, dataset: str) -> Artifact:
    """Commit a bundle of a small model with random weights."""
    vocabulary = Vocabulary.of(["a dog and the cat in of on with more is same show"])
    return save_bundle(
        place,
        name="tiny",
        fingerprint="a" * 64,
        model=Retriever(small_config("tirg-last-fc"), vocabulary),
        vocabulary=vocabulary,
        inputs={},
        settings={},
        details={"dataset": dataset},
    )
