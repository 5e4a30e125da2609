"""From pictures and triplets to recalls, against a ranking in plain Python."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cirray.datasets.fitting import Fit
from cirray.datasets.pictures import Pixels
from cirray.datasets.prepared import PreparedDataset
from cirray.errors import ArtifactError
from cirray.evaluation import Evaluation, evaluate, protocols
from cirray.storage import Location
from tests.artifacts import plain_png, put_dataset

Floats = npt.NDArray[np.float32]
STANDARD = protocols["standard"]

MOVES = {"redder": (3, 0, 0), "greener": (0, 3, 0), "bluer": (0, 0, 3), "darker": (-2, -2, -2)}
"""What each word of a text does to the colour of the reference."""


class ColourModel:
    """A picture is its colour, in whole numbers so that every score is exact; each word of a text moves it."""

    image_size = (4, 4)
    scorer = None
    image_fit: Fit = "stretch"

    def embed_pixels(self, pixels: Pixels) -> Floats:
        return (pixels[:, 0, 0, :].astype(np.float32) - 8).astype(np.float32)

    def compose_pixels(self, pixels: Pixels, texts: Sequence[str]) -> Floats:
        moved = self.embed_pixels(pixels)
        for row, text in enumerate(texts):
            for word in text.split():
                moved[row] += MOVES.get(word, (0, 0, 0))
        return moved


def item(number: int, *, splits: list[str], label: str | None = None) -> dict[str, Any]:
    colour = np.random.default_rng(number).integers(0, 16, 3).tolist()
    return {
        "item_id": f"i{number:02d}",
        "label": label or f"label {number}",
        "splits": splits,
        "image": plain_png((colour[0], colour[1], colour[2])),
    }


def triplet(number: int, reference: int, text: str, target: int) -> dict[str, Any]:
    return {
        "query_id": f"q{number:02d}",
        "reference_id": f"i{reference:02d}",
        "texts": [text],
        "target_id": f"i{target:02d}",
    }


ITEMS = [
    item(0, splits=[]),
    item(1, splits=["train", "test"]),
    item(2, splits=["train"]),
    item(3, splits=["test"], label="twins"),
    item(4, splits=["test"], label="twins"),
    *[item(number, splits=["test" if number % 4 else "train"]) for number in range(5, 40)],
]
TRIPLETS = [
    triplet(0, 1, "redder", 3),
    triplet(1, 0, "greener", 4),  # a reference that is in no gallery
    triplet(2, 2, "bluer darker", 1),  # one in the gallery of another split
    triplet(3, 3, "redder", 4),  # the reference has the label of the target
    triplet(4, 5, "darker", 5),  # the target is the reference, which is left out of its ranking
    triplet(5, 6, "bluer", 0),  # a target that is in no gallery
    *[triplet(6 + n, 5 + n, list(MOVES)[n % 4], 5 + (7 * n + 2) % 35) for n in range(35)],
]


@pytest.fixture
def dataset(tmp_path: Path) -> PreparedDataset:
    place = Location.parse(str(tmp_path / "colours"))
    return put_dataset(place, "colours", ITEMS, {"test": TRIPLETS, "train": TRIPLETS[:3]}, part_rows=7)


def colour_of(row: dict[str, Any]) -> list[int]:
    with Image.open(io.BytesIO(row["image"])) as picture:
        red, green, blue = np.asarray(picture)[0, 0].tolist()
    return [red - 8, green - 8, blue - 8]


def naive_recalls(items: list[dict[str, Any]], triplets: list[dict[str, Any]], split: str) -> dict[str, float]:
    """Rank the gallery of every query by a full sort, from the rows that the dataset was made of."""
    by_id = {row["item_id"]: row for row in items}
    found = dict.fromkeys(STANDARD.cutoffs, 0)
    for query in triplets:
        moves = [MOVES[word] for word in query["texts"][0].split()]
        wanted = [sum(parts) for parts in zip(colour_of(by_id[query["reference_id"]]), *moves, strict=True)]
        ranking = sorted(
            (-sum(a * b for a, b in zip(wanted, colour_of(row), strict=True)), row["item_id"])
            for row in items
            if split in row["splits"] and row["item_id"] != query["reference_id"]
        )
        answers = [by_id[item_id]["label"] == by_id[query["target_id"]]["label"] for _, item_id in ranking]
        for k in found:
            found[k] += any(answers[:k])
    return {f"R@{k}": 100 * count / len(triplets) for k, count in found.items()}


def recalls(evaluation: Evaluation) -> dict[str, float]:
    return {name: value for name, value in evaluation.metrics.items() if name.startswith("R@")}


@pytest.mark.parametrize("batch", [512, 3])
def test_recalls_are_those_of_a_full_sort(
    dataset: PreparedDataset, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cirray.evaluation.embedding.BATCH", batch)
    told: list[tuple[int, int]] = []
    result = evaluate(ColourModel(), dataset, "test", STANDARD, lambda done, total: told.append((done, total)))
    expected = naive_recalls(ITEMS, TRIPLETS, "test")
    assert recalls(result) == pytest.approx(expected)
    assert 0 < expected["R@1"] < expected["R@5"] < 100, "or the comparison says nothing"
    assert (result.split, result.num_queries) == ("test", len(TRIPLETS))
    assert result.num_gallery == sum("test" in row["splits"] for row in ITEMS)
    assert [done for done, _ in told] == list(range(1, told[-1][1] + 1))


def test_each_split_has_its_own_gallery(dataset: PreparedDataset) -> None:
    result = evaluate(ColourModel(), dataset, "train", STANDARD)
    assert recalls(result) == pytest.approx(naive_recalls(ITEMS, TRIPLETS[:3], "train"))
    assert result.num_gallery == sum("train" in row["splits"] for row in ITEMS)


@pytest.mark.parametrize("number", [3, 4, 5])
def test_a_reference_is_no_answer_to_its_own_query_nor_is_what_is_in_no_gallery(tmp_path: Path, number: int) -> None:
    # Without its twin, the reference of query 3 is all that has the target's label.
    rows = [row for row in ITEMS if number != 3 or row["item_id"] != "i04"]
    query = {**TRIPLETS[number], "target_id": "i03"} if number == 3 else TRIPLETS[number]
    only = put_dataset(Location.parse(str(tmp_path / "only")), "only", rows, {"test": [query]})
    assert evaluate(ColourModel(), only, "test", STANDARD).metrics["R@50"] == 0


def test_a_twin_of_the_target_is_an_answer(tmp_path: Path) -> None:
    rows = [item(1, splits=["test"]), item(3, splits=[], label="twins"), item(4, splits=["test"], label="twins")]
    only = put_dataset(Location.parse(str(tmp_path / "twins")), "twins", rows, {"test": [triplet(0, 1, "redder", 3)]})
    assert evaluate(ColourModel(), only, "test", STANDARD).metrics["R@1"] == 100


def test_a_split_without_queries_is_an_error(dataset: PreparedDataset) -> None:
    with pytest.raises(ArtifactError, match="val"):
        evaluate(ColourModel(), dataset, "val", STANDARD)
