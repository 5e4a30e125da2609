"""Unseen compositions: from a small MIT-States folder to accuracies, against a plain loop."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cirray.batches import CaptionsConfig, Items, Pool, samplers
from cirray.datasets.fitting import Fit
from cirray.datasets.pictures import Pixels
from cirray.datasets.prepared import PreparedDataset
from cirray.datasets.readers.mit_states import MitStatesCompositions, MitStatesCompositionsConfig
from cirray.datasets.source import Source
from cirray.datasets.streaming import open_source
from cirray.errors import ConfigError, DataError
from cirray.evaluation import evaluate, protocol_of, protocols
from cirray.storage import Location
from tests.artifacts import plain_png, put_dataset

Floats = npt.NDArray[np.float32]

TRAIN = ["red dress", "blue coat", "green hat", "dark coat"]
TEST = ["red coat", "blue dress", "green coat", "dark hat"]
COLOURS = {"red": (9, 0, 0), "green": (0, 9, 0), "blue": (0, 0, 9), "dark": (-3, -4, -3)}
NOUNS = {"dress": (1, 0, 2), "coat": (0, 2, 0), "hat": (2, 1, 0)}


class ColourModel:
    """A picture is its colour, a composition the sum of what its words stand for; no reference is looked at."""

    image_size = (4, 4)
    scorer = None
    image_fit: Fit = "stretch"

    def embed_pixels(self, pixels: Pixels) -> Floats:
        return (pixels[:, 0, 0, :].astype(np.float32) - 8).astype(np.float32)

    def compose_pixels(self, pixels: Pixels, texts: Sequence[str]) -> Floats:
        assert pixels.shape == (len(texts), 4, 4, 3)
        return np.array([vector_of(text) for text in texts], dtype=np.float32)


def vector_of(text: str) -> list[int]:
    attribute, noun = text.split()
    return [a + b for a, b in zip(COLOURS[attribute], NOUNS[noun], strict=True)]


@pytest.fixture
def dataset(tmp_path: Path) -> PreparedDataset:
    """Return what the reader makes of a small folder in the official layout, each picture of a random colour."""
    generator = np.random.default_rng(0)
    for pair in [*TRAIN, *TEST, "wet dress"]:
        for number in range(6):
            path = tmp_path / "images" / pair.replace(" ", "_") / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            red, green, blue = generator.integers(0, 20, 3).tolist()
            path.write_bytes(plain_png((red, green, blue)))
    (tmp_path / "compositional-split").mkdir()
    for split, pairs in [("train", TRAIN), ("test", TEST)]:
        (tmp_path / "compositional-split" / f"{split}_pairs.txt").write_text("\n".join(pairs))
    source = Source.open(Location.parse(str(tmp_path)))
    found = MitStatesCompositions(MitStatesCompositionsConfig()).read(source).items.to_pylist()
    rows = [{**row, "image": (tmp_path / row.pop("path")).read_bytes()} for row in found]
    return put_dataset(Location.parse(str(tmp_path / "prepared")), "mit", rows, part_rows=7)


def naive_accuracy(dataset: PreparedDataset, split: str, candidates: list[str]) -> float:
    right = total = 0
    model = ColourModel()
    for row, image in zip(dataset.items.to_pylist(), colours(dataset, model), strict=True):
        if split in row["splits"]:
            scores = {text: sum(a * b for a, b in zip(image, vector_of(text), strict=True)) for text in candidates}
            best = min(text for text, score in scores.items() if score == max(scores.values()))
            right, total = right + (best == row["label"]), total + 1
    return 100 * right / total


def colours(dataset: PreparedDataset, model: ColourModel) -> list[list[float]]:
    with closing(open_source(dataset, model.image_size, fit=model.image_fit)) as pixels:
        vectors: list[list[float]] = model.embed_pixels(pixels[np.arange(dataset.items.num_rows)]).tolist()
    return vectors


@pytest.mark.parametrize("batch", [512, 3])
def test_the_accuracy_is_the_share_of_pictures_whose_own_text_is_nearest(
    dataset: PreparedDataset, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cirray.evaluation.embedding.BATCH", batch)
    told: list[tuple[int, int]] = []
    closed = evaluate(
        ColourModel(),
        dataset,
        "test",
        protocols["mit-states-compositions"],
        lambda done, total: told.append((done, total)),
    )
    opened = evaluate(ColourModel(), dataset, "test", protocols["mit-states-compositions-open"])
    assert (
        closed.metrics["accuracy@1"] == closed.metrics["mean"] == pytest.approx(naive_accuracy(dataset, "test", TEST))
    )
    assert opened.metrics["accuracy@1"] == pytest.approx(naive_accuracy(dataset, "test", [*TRAIN, *TEST]))
    assert 0 < opened.metrics["accuracy@1"] < closed.metrics["accuracy@1"] < 100, "or the comparison says nothing"
    assert (closed.num_queries, closed.num_gallery, opened.num_gallery) == (24, 4, 8)
    assert told[-1] == (len(told), len(told))


def test_the_reader_has_the_closed_world_for_its_protocol() -> None:
    assert protocol_of("mit-states-compositions").name == "mit-states-compositions"


def test_a_split_without_pictures_is_an_error_that_names_those_that_have_some(dataset: PreparedDataset) -> None:
    with pytest.raises(DataError, match="no pictures") as refused:
        evaluate(ColourModel(), dataset, "val", protocols["mit-states-compositions"])
    assert "test, train" in str(refused.value)


def captions(given: list[str], members: list[int]) -> Any:
    none = np.array([], dtype=np.int64)
    items = Items(given, [""] * len(given), [()] * len(given), np.array(members, dtype=np.int64))
    return samplers["captions"](CaptionsConfig(), Pool(items, none, none, [], []))


def test_each_captioned_item_of_the_split_trains_with_its_own_caption() -> None:
    sampler = captions(["red dress", "blue coat", "", "green hat"], [0, 2, 3])
    examples = sampler.epoch(2, seed=0, epoch=0)
    assert sorted(examples.targets.tolist()) == [0, 3]
    assert examples.references.tolist() == examples.targets.tolist()
    assert [sampler.pool.items.captions[row] for row in examples.targets] == list(examples.texts)
    assert sorted(sampler.texts()) == ["green hat", "red dress"]


def test_without_a_caption_there_is_nothing_to_train_on() -> None:
    with pytest.raises(ConfigError, match="None of the 2 training items has a caption"):
        captions(["", " "], [0, 1]).steps(1)
