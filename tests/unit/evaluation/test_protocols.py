"""Evaluation under each protocol, against a plain-Python ranking of the same queries."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cirray.datasets import ITEMS, Pixels, PreparedDataset, triplets_table
from cirray.datasets.fitting import Fit
from cirray.errors import DataError
from cirray.evaluation import Protocol, average_precisions_at, evaluate, protocol_of, protocols
from cirray.exact import Floats
from cirray.storage import Location, Manifest, commit, put_file, table_bytes

CATEGORIES = ("dress", "shirt")
NUM_ITEMS = 40


class ToyModel:
    """Embeds a picture as some of its pixels, and adds to it what the letters of the text add up to."""

    image_size = (2, 2)
    scorer = None
    image_fit: Fit = "stretch"

    def embed_pixels(self, pixels: Pixels) -> Floats:
        return _unit(pixels.reshape(len(pixels), -1)[:, :5].astype(np.float64) - 127)

    def compose_pixels(self, pixels: Pixels, texts: Sequence[str]) -> Floats:
        shifts = np.array([[sum(map(ord, text)) % (7 + k) * 9 for k in range(5)] for text in texts], np.float64)
        return _unit(pixels.reshape(len(pixels), -1)[:, :5].astype(np.float64) - 127 + shifts)


class ToyReRanker:
    """Prefers what is near, along directions that the text chooses."""

    image_size = (2, 2)
    image_fit: Fit = "stretch"

    def embed_pixels(self, pixels: Pixels) -> Floats:
        return ToyModel().embed_pixels(pixels)

    def compose_pixels(self, pixels: Pixels, texts: Sequence[str]) -> Floats:
        return ToyModel().compose_pixels(pixels, texts)

    def scorer(self, queries: Floats, texts: Sequence[str], gallery: Floats) -> Floats:
        scores = np.empty((len(queries), len(gallery)), np.float32)
        for row, (query, text) in enumerate(zip(queries, texts, strict=True)):
            directions = np.array([1 + len(text) % (2 + k) for k in range(5)], np.float32)
            scores[row] = -np.abs((gallery - query) * directions).sum(axis=1)
        return scores


def _unit(vectors: np.ndarray[Any, Any]) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def item(index: int, pixels: Pixels) -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    # Some are in no gallery, all others in the full one, and every third of these in the smaller one.
    splits = [] if index % 10 == 9 else ["val", "val-union"] if index % 3 else ["val"]
    return {
        "item_id": f"i{index:02d}",
        "label": f"label {index // 2 if index < 12 else index}",
        "caption": "",
        "category": CATEGORIES[index % 2],
        "attributes": [],
        "splits": splits,
        "width": 2,
        "height": 2,
        "image": buffer.getvalue(),
    }


def triplet(number: int, rng: np.random.Generator) -> dict[str, Any]:
    of_category = np.arange(number % 2, NUM_ITEMS, 2)
    reference, target, *others = (f"i{i:02d}" for i in rng.choice(of_category, 8, replace=False))
    return {
        "query_id": f"q{number:02d}",
        "reference_id": reference,
        "texts": ["is red", " ", "has sleeves"][: 1 + number % 3],
        "target_id": target,
        "other_target_ids": others[: number % 3],
        "subset_ids": sorted([target, *others[:4]]),
        "category": CATEGORIES[number % 2],
    }


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    return commit_dataset(tmp_path_factory.mktemp("dataset"))


def commit_dataset(folder: Path, **changed: Any) -> PreparedDataset:
    rng = np.random.default_rng(7)
    place = Location.parse(str(folder / "toy"))
    pixels = rng.integers(0, 256, (NUM_ITEMS, 2, 2, 3), dtype=np.uint8)
    items = pa.Table.from_pylist([item(i, pixels[i]) for i in range(NUM_ITEMS)], schema=ITEMS)
    triplets = triplets_table({**triplet(number, rng), **changed} for number in range(30))
    files = (
        put_file(place, "items/part-00000.parquet", table_bytes(items), rows=items.num_rows),
        put_file(place, "triplets-val/part-00000.parquet", table_bytes(triplets), rows=triplets.num_rows),
    )
    fingerprint = "".join(sorted(changed)).encode().hex().ljust(64, "0")[:64]
    return PreparedDataset(commit(place, Manifest(kind="dataset", name="toy", fingerprint=fingerprint, files=files)))


def naive(dataset: PreparedDataset, protocol: Protocol, model: ToyModel | ToyReRanker) -> dict[str, dict[str, float]]:
    """Put every query and sort the whole gallery for it; return the metrics by category."""
    items = {row["item_id"]: row for row in dataset.items.to_pylist()}
    pixels = {name: np.asarray(Image.open(io.BytesIO(dataset.image(name))).convert("RGB")) for name in items}
    counts: dict[str, list[dict[str, float]]] = {}
    for row in dataset.triplets("val").to_pylist():
        texts = [text for text in row["texts"] if text.strip()]
        for text in texts if protocol.joiner is None else [protocol.joiner.join(texts)]:
            query = model.compose_pixels(pixels[row["reference_id"]][None], [text])
            scored = []
            for name, known in sorted(items.items()):
                if protocol.gallery.replace("{split}", "val") not in known["splits"]:
                    continue
                if protocol.by_category == "galleries" and known["category"] != row["category"]:
                    continue
                if protocol.exclude_reference and name == row["reference_id"]:
                    continue
                vector = model.embed_pixels(pixels[name][None])
                score = model.scorer(query, [text], vector) if model.scorer else query @ vector.T
                scored.append((-float(score[0, 0]), name))
            ranking = [name for _, name in sorted(scored)]
            found = one_query(ranking, row, items, protocol)
            category = "" if protocol.by_category == "no" else row["category"]
            counts.setdefault(category, []).append(found)
    return {c: {m: 100 * sum(f[m] for f in found) / len(found) for m in found[0]} for c, found in counts.items()}


def one_query(
    ranking: list[str], row: dict[str, Any], items: dict[str, dict[str, Any]], protocol: Protocol
) -> dict[str, float]:
    def same(name: str, target: str) -> bool:
        return items[name]["label"] == items[target]["label"] if protocol.equality == "label" else name == target

    hits = [same(name, row["target_id"]) for name in ranking]
    found = {f"R@{k}": float(any(hits[:k])) for k in protocol.cutoffs}
    subset = [same(name, row["target_id"]) for name in ranking if name in row["subset_ids"]]
    found |= {f"R_subset@{k}": float(any(subset[:k])) for k in protocol.subset_cutoffs}
    targets = [row["target_id"], *row["other_target_ids"]]
    relevant = [any(same(name, target) for target in targets) for name in ranking]
    for k in protocol.map_cutoffs:
        precisions = [sum(relevant[: i + 1]) / (i + 1) for i in range(min(k, len(relevant))) if relevant[i]]
        found[f"mAP@{k}"] = sum(precisions) / min(sum(relevant), k) if any(relevant) else 0.0
    return found


@pytest.mark.parametrize("model", [ToyModel(), ToyReRanker()], ids=["vectors", "re-ranker"])
@pytest.mark.parametrize("name", [name for name in protocols if protocols[name].candidates is None])
def test_a_protocol_is_what_it_says(
    name: str, model: ToyModel | ToyReRanker, dataset: PreparedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = protocols[name]
    for module in ("ranking", "embedding"):
        monkeypatch.setattr(f"cirray.evaluation.{module}.BLOCK_OF_PAIRS", 4)
    expected = naive(dataset, protocol, model)
    told: list[tuple[int, int]] = []
    result = evaluate(model, dataset, "val", protocol, lambda done, total: told.append((done, total)))
    assert told == [(done, told[-1][1]) for done in range(1, told[-1][1] + 1)]
    assert result.protocol == name
    for category, metrics in expected.items():
        got = result.categories[category] if protocol.by_category != "no" else result.metrics
        assert {m: got[m] for m in metrics} == pytest.approx(metrics)
        assert got["mean"] == pytest.approx(sum(metrics[m] for m in protocol.headline) / len(protocol.headline))
    mean = sum(metrics[f"R@{protocol.cutoffs[0]}"] for metrics in expected.values()) / len(expected)
    assert result.metrics[f"R@{protocol.cutoffs[0]}"] == pytest.approx(mean)
    assert set(result.categories) == (set(CATEGORIES) if protocol.by_category != "no" else set())


def test_the_protocols_differ_where_they_should(dataset: PreparedDataset) -> None:
    results = {name: evaluate(ToyModel(), dataset, "val", protocols[name]) for name in protocols}
    assert results["fashioniq-a"].num_gallery == 36
    assert results["fashioniq-b"].num_gallery == 24
    assert results["fashioniq-a"].num_queries == results["fashioniq-pooled"].num_queries == 30
    assert results["fashioniq-b"].num_queries == 40
    narrow = {"cutoffs": (1, 2, 3, 4, 5), "headline": ("R@1",)}
    with_it, without = (
        evaluate(ToyModel(), dataset, "val", protocols[name].model_copy(update=narrow))
        for name in ("fashioniq-a", "fashioniq-a-excluded")
    )
    assert all(without.metrics[name] >= with_it.metrics[name] for name in with_it.metrics)
    assert without.metrics != with_it.metrics


def test_each_reader_has_at_most_one_protocol_of_its_own() -> None:
    made_for = [reader for name in protocols for reader in protocols[name].readers]
    assert len(made_for) == len(set(made_for))
    assert protocol_of("fashioniq").name == "fashioniq-a"
    assert protocol_of("css-2d").name == "standard"


def test_a_gallery_that_is_not_there_is_an_error(dataset: PreparedDataset) -> None:
    missing = protocols["standard"].model_copy(update={"gallery": "{split}-other"})
    with pytest.raises(DataError, match=r"no gallery 'val-other'.* Take another protocol"):
        evaluate(ToyModel(), dataset, "val", missing)


def test_hidden_targets_cannot_be_evaluated(tmp_path: Path) -> None:
    hidden = commit_dataset(tmp_path, target_id="")
    with pytest.raises(DataError, match="no queries with public targets"):
        evaluate(ToyModel(), hidden, "val", protocols["standard"])


def test_galleries_by_category_need_categories(tmp_path: Path) -> None:
    plain = commit_dataset(tmp_path, category="")
    with pytest.raises(DataError, match="a gallery for each category"):
        evaluate(ToyModel(), plain, "val", protocols["fashioniq-a"])


def test_progress_ends_with_all_batches(dataset: PreparedDataset) -> None:
    calls: list[tuple[int, int]] = []
    evaluate(ToyModel(), dataset, "val", protocols["fashioniq-a"], lambda done, total: calls.append((done, total)))
    assert calls == [(done, 4) for done in range(1, 5)]


@given(st.lists(st.sets(st.integers(1, 30), max_size=8), min_size=1, max_size=6), st.integers(1, 40))
def test_average_precision_is_the_mean_of_precisions_at_hits(ranks: list[set[int]], k: int) -> None:
    expected = []
    for of_query in ranks:
        hits = [rank in of_query for rank in range(1, k + 1)]
        precisions = [sum(hits[:place]) / place for place in range(1, k + 1) if hits[place - 1]]
        expected.append(sum(precisions) / min(len(of_query), k) if of_query else 0.0)
    given_ranks = [np.array(sorted(of_query), dtype=np.int64) for of_query in ranks]
    assert average_precisions_at(given_ranks, [k])[f"mAP@{k}"] == pytest.approx(expected)
