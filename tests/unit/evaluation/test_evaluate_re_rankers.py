"""A method whose gallery depends on the query, from its bundle to its recalls, against one pair after another."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cirray.bundles import Bundle, save_bundle
from cirray.composers import ModelConfig, Retriever
from cirray.composers.curling_net import CurlingNet, CurlingNetConfig
from cirray.datasets.prepared import PreparedDataset
from cirray.encoders import Preprocessing, Vocabulary
from cirray.encoders.images.small_cnn import SmallCnnConfig
from cirray.encoders.texts.lstm import LstmConfig
from cirray.errors import QueryError
from cirray.evaluation import evaluate, protocols
from cirray.storage import Root
from tests.service_world import SPLIT, put_world


@pytest.fixture
def dataset(tmp_path: Path) -> PreparedDataset:
    return put_world(Root.open(str(tmp_path / "root"), create=True), 8)


@pytest.fixture
def bundle(dataset: PreparedDataset, tmp_path: Path) -> Bundle:
    torch.manual_seed(0)
    vocabulary = Vocabulary.of([" ".join(texts) for texts in dataset.triplets(SPLIT)["texts"].to_pylist()])
    model = Retriever(
        ModelConfig(
            preprocessing=Preprocessing(height=64, width=64),
            image_encoder=SmallCnnConfig(widths=(8, 8), strides=(4, 2)),
            text_encoder=LstmConfig(word_dim=8, dim=8),
            composer=CurlingNetConfig(dim=8, fusion_rank=2, attention_divisor=0.1),
        ),
        vocabulary,
    )
    place = Root.open(str(tmp_path / "models"), create=True).model("curling").version("a" * 64)
    return Bundle.open(
        save_bundle(
            place,
            name="curling",
            fingerprint="a" * 64,
            model=model,
            vocabulary=vocabulary,
            inputs={},
            settings={},
            details={},
        )
    )


def pixels_of(dataset: PreparedDataset, item_id: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(Image.open(io.BytesIO(dataset.image(item_id))).convert("RGB"))[None]


def naive_recalls(bundle: Bundle, dataset: PreparedDataset) -> dict[str, float]:
    model, cutoffs = bundle.model, protocols["standard"].cutoffs
    items = sorted(dataset.gallery(SPLIT).to_pylist(), key=lambda row: str(row["item_id"]))
    labels = {row["item_id"]: row["label"] for row in items}
    found = dict.fromkeys(cutoffs, 0)
    triplets = dataset.triplets(SPLIT).to_pylist()
    with torch.inference_mode():
        vectors = {name: model.embed(torch.from_numpy(pixels_of(dataset, name).copy())) for name in labels}
        for triplet in triplets:
            spoken = " and ".join(triplet["texts"])
            tokens, lengths = (torch.from_numpy(ids) for ids in bundle.vocabulary.encode([spoken]))
            reference = torch.from_numpy(pixels_of(dataset, triplet["reference_id"]).copy())
            query, text = model.compose(reference, tokens, lengths), model.encode_texts(tokens, lengths)
            ranking = sorted(
                (-model.composer.rescore(query, text, vectors[name]).item(), name)
                for name in labels
                if name != triplet["reference_id"]
            )
            right = [labels[name] == labels[triplet["target_id"]] for _, name in ranking]
            for k in cutoffs:
                found[k] += any(right[:k])
    return {f"R@{k}": 100 * count / len(triplets) for k, count in found.items()}


def test_the_recalls_are_those_of_one_pair_after_another(
    bundle: Bundle, dataset: PreparedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = naive_recalls(bundle, dataset)
    metrics = evaluate(bundle, dataset, SPLIT, protocols["standard"]).metrics
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)
    assert 0 < expected["R@5"] < 100, "or the comparison says nothing"
    monkeypatch.setattr(CurlingNet, "rescores", False)
    assert evaluate(bundle, dataset, SPLIT, protocols["standard"]).metrics != metrics, "or the sweeping did nothing"


def test_scores_do_not_depend_on_the_queries_beside(bundle: Bundle, dataset: PreparedDataset) -> None:
    names = dataset.items["item_id"].to_pylist()[:5]
    pixels = np.concatenate([pixels_of(dataset, name) for name in names])
    texts = dataset.triplets(SPLIT)["texts"].to_pylist()[:5]
    spoken = [" and ".join(each) for each in texts]
    queries, gallery = bundle.compose_pixels(pixels, spoken), bundle.embed_pixels(pixels)
    together = bundle.rescore(queries, spoken, gallery)
    for row in range(5):
        alone = bundle.rescore(queries[row : row + 1], spoken[row : row + 1], gallery[row : row + 1])
        np.testing.assert_allclose(together[row, row], alone[0, 0], rtol=1e-4)
    with pytest.raises(QueryError, match="empty"):
        bundle.rescore(queries[:1], ["!"], gallery)
