"""Bundles and their texts: word vectors are in the weights, and a vocabulary belongs to one model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cirray.bundles import Bundle, save_bundle
from cirray.composers import ModelConfig, Retriever
from cirray.composers.text_only import TextOnlyConfig
from cirray.config import Choice
from cirray.encoders import Preprocessing, Vocabulary, no_initial_weights
from cirray.encoders.images.small_cnn import SmallCnnConfig
from cirray.encoders.texts.bigru import CurlingNetTextConfig
from cirray.encoders.texts.lstm import LstmConfig
from cirray.encoders.texts.sentence import SentenceConfig
from cirray.encoders.words.glove import GloveConfig
from cirray.errors import ArtifactError, ConfigError
from cirray.storage import Artifact, Location

VOCABULARY = Vocabulary.of(["make circle red", "add small blue object"])
OTHER = Vocabulary.of(["make circle red", "add small blue object", "remove it"])
PIXELS = np.zeros((2, 8, 8, 3), dtype=np.uint8)
TEXTS = ["make red", "blue object"]


def model(text_encoder: Choice, vocabulary: Vocabulary = VOCABULARY, **settings: Any) -> Retriever:
    torch.manual_seed(0)
    config = ModelConfig(
        preprocessing=Preprocessing(height=8, width=8),
        image_encoder=SmallCnnConfig(widths=(4,), strides=(2,)),
        text_encoder=text_encoder,
        composer=TextOnlyConfig(dim=4),
        **settings,
    )
    return Retriever(config, vocabulary).eval()


def saved(place: Path, trained: Retriever, vocabulary: Vocabulary = VOCABULARY) -> Artifact:
    return save_bundle(
        Location.parse(str(place)),
        name="tiny",
        fingerprint="f" * 64,
        model=trained,
        vocabulary=vocabulary,
        inputs={},
        settings={},
        details={"dataset": "none@0"},
    )


def queries(trained: Retriever, vocabulary: Vocabulary = VOCABULARY) -> np.ndarray[Any, Any]:
    tokens, lengths = (torch.from_numpy(ids) for ids in vocabulary.encode(TEXTS))
    with torch.inference_mode():
        made = trained.compose(torch.from_numpy(PIXELS), tokens, lengths)
    vectors: np.ndarray[Any, Any] = torch.nn.functional.normalize(made).numpy()
    return vectors


def test_a_bundle_opens_without_the_file_of_its_word_vectors(tmp_path: Path) -> None:
    file = tmp_path / "glove.txt"
    file.write_text("red 1 2 3\nblue 4 5 6\n")
    trained = model(LstmConfig(word_dim=3, dim=4, words=GloveConfig(files=(str(file),))))
    artifact = saved(tmp_path / "bundle", trained)
    file.unlink()
    bundle = Bundle.open(artifact)
    assert bundle.model.text_encoder is not None
    table = bundle.model.text_encoder.get_parameter("words.weight")
    assert table[VOCABULARY.words.index("red") + 1].tolist() == [1, 2, 3]
    np.testing.assert_allclose(bundle.compose_pixels(PIXELS, TEXTS), queries(trained), rtol=1e-5)
    with pytest.raises(ConfigError, match="no file of word vectors"):  # training anew needs it
        model(LstmConfig(word_dim=3, dim=4, words=GloveConfig(files=(str(file),))))


def test_a_bundle_opens_without_the_package_of_its_frozen_network(tmp_path: Path) -> None:
    with no_initial_weights():
        trained = model(SentenceConfig(dim=3))
    bundle = Bundle.open(saved(tmp_path / "bundle", trained))
    np.testing.assert_allclose(bundle.compose_pixels(PIXELS, TEXTS), queries(trained), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("config", [LstmConfig(word_dim=3, dim=4), CurlingNetTextConfig(word_dim=3, state_dim=2)])
def test_a_vocabulary_of_another_model_is_told(tmp_path: Path, config: Choice) -> None:
    artifact = saved(tmp_path, model(config), OTHER)
    with pytest.raises(ArtifactError, match=r"vocabulary is of another model: it has 10 ids.*are for 8.*copy both"):
        Bundle.open(artifact)


def test_weights_of_another_encoder_are_told(tmp_path: Path) -> None:
    trained = model(LstmConfig(word_dim=3, dim=4))
    trained.config = trained.config.model_copy(update={"text_encoder": LstmConfig(word_dim=5, dim=4)})
    with pytest.raises(ArtifactError, match=r"(?s)does not fit this cirray.*size mismatch"):
        Bundle.open(saved(tmp_path, trained))
