"""TIRG over compositions, from captioned pictures to the accuracy on pairs that it never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from cirray.batches import CaptionsConfig
from cirray.bundles import Bundle, save_bundle
from cirray.composers import ModelConfig
from cirray.composers.tirg_compositions import TirgCompositionsConfig
from cirray.datasets.prepared import PreparedDataset
from cirray.datasets.streaming import open_source
from cirray.encoders import Preprocessing, Vocabulary
from cirray.encoders.images.small_cnn import SmallCnnConfig
from cirray.encoders.texts.mean_words import MeanWordsConfig
from cirray.evaluation import evaluate, protocols
from cirray.objectives.batch_classification import BatchClassificationConfig
from cirray.recipes import RunConfig, TrainingConfig
from cirray.storage import Location
from cirray.training.data import TrainingData, make_sampler
from cirray.training.loop import fit
from cirray.training.trainee import Trainee
from tests.artifacts import png, put_dataset

SIZE, EACH = 8, 8
ATTRIBUTES, NOUNS = ("ripe", "burnt", "frozen", "blue"), ("tomato", "coat", "lake", "house")
TONES = ((230, 30, 30), (30, 200, 30), (30, 30, 220), (220, 200, 40))


def picture(attribute: int, noun: int, generator: np.random.Generator) -> bytes:
    """Return a picture whose upper half is of the attribute's colour and whose lower half is of the noun's."""
    pixels = np.empty((SIZE, SIZE, 3))
    pixels[: SIZE // 2], pixels[SIZE // 2 :] = TONES[attribute], TONES[noun]
    noisy = pixels + generator.normal(0, 15, pixels.shape)
    return png(noisy.clip(0, 255).astype(np.uint8))


def dataset(root: Path) -> PreparedDataset:
    """Return four attributes times four nouns, of which every fourth pair is for testing."""
    generator, rows = np.random.default_rng(0), list[dict[str, Any]]()
    for a, attribute in enumerate(ATTRIBUTES):
        for n, noun in enumerate(NOUNS):
            pair = f"{attribute} {noun}"
            for number in range(EACH):
                rows.append(
                    {
                        "item_id": f"{pair}/{number}",
                        "label": pair,
                        "caption": pair,
                        "splits": ["test" if (a + n) % 4 == 0 else "train"],
                        "image": picture(a, n, generator),
                    }
                )
    rows.sort(key=lambda row: str(row["item_id"]))
    return put_dataset(Location.parse(str(root / "pairs")), "pairs", rows)


def config() -> RunConfig:
    return RunConfig(
        name="pairs/tirg-compositions",
        dataset="pairs",
        model=ModelConfig(
            preprocessing=Preprocessing(height=SIZE, width=SIZE),
            image_encoder=SmallCnnConfig(widths=(16, 16, 32), strides=(2, 2, 2)),
            text_encoder=MeanWordsConfig(word_dim=16),
            composer=TirgCompositionsConfig(dim=32),
        ),
        objective={"retrieval": BatchClassificationConfig()},
        training=TrainingConfig(epochs=12, batch_size=16, sampler=CaptionsConfig(), learning_rate=1e-2),
    )


def test_pairs_that_were_never_seen_are_told_apart(tmp_path: Path) -> None:
    run, data = config(), dataset(tmp_path)
    sampler = make_sampler(run, data)
    vocabulary = Vocabulary.of(sampler.texts())
    assert set(vocabulary.words) == {*ATTRIBUTES, *NOUNS}
    source = open_source(data, run.model.preprocessing.size)
    batches = TrainingData(run, sampler, vocabulary, source)
    learner = Trainee.build(run, vocabulary, batches.steps, torch.device("cpu"))
    fit(run, batches, learner)
    source.close()
    artifact = save_bundle(
        Location.parse(str(tmp_path)) / "model",
        name="pairs",
        fingerprint="f" * 64,
        model=learner.step.model,
        vocabulary=vocabulary,
        inputs={},
        settings={},
        details={"dataset": "pairs@1"},
    )
    closed, opened = (
        evaluate(Bundle.open(artifact), data, "test", protocols[f"mit-states-compositions{world}"]).metrics[
            "accuracy@1"
        ]
        for world in ("", "-open")
    )
    assert closed > 75, "chance is 25"
    assert 25 < opened <= closed, "chance is 6"
