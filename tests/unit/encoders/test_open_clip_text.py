"""The text towers of open_clip: texts are read and encoded as open_clip does it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from cirray.encoders import Vocabulary, no_initial_weights
from cirray.encoders.texts.open_clip_text import OpenClipText, OpenClipTextConfig
from cirray.errors import ConfigError

open_clip = pytest.importorskip("open_clip")

NAME = "tiny-clip-for-texts"
TINY = {
    "embed_dim": 8,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 8, "layers": 1, "width": 8, "head_width": 4, "patch_size": 4},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 12, "heads": 2, "layers": 2},
}
TEXTS = ["is Red &amp; has no sleeves", "", "Café-style, ombré; it's 日本!", "long " * 100]


@pytest.fixture(scope="module")
def pieces() -> Vocabulary:
    return Vocabulary.of([], "open-clip")


@pytest.fixture
def whole(tmp_path: Path) -> Any:
    (tmp_path / f"{NAME}.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(tmp_path)
    torch.manual_seed(0)
    return open_clip.create_model(NAME).eval()


def test_pieces_are_those_of_open_clip(pieces: Vocabulary) -> None:
    expected = open_clip.tokenize(TEXTS)
    ids, lengths = pieces.encode(TEXTS)
    assert len(pieces) == 49409
    assert (ids - 1).clip(0).tolist() == expected[:, : ids.shape[1]].tolist()
    assert lengths.tolist() == (expected != 0).sum(dim=1).tolist()
    assert lengths.max() == 77


@pytest.mark.parametrize("kind", ["safetensors", "torch"])
def test_the_sentence_is_that_of_the_whole_model(tmp_path: Path, whole: Any, pieces: Vocabulary, kind: str) -> None:
    path = tmp_path / f"weights.{'safetensors' if kind == 'safetensors' else 'pt'}"
    if kind == "safetensors":
        safetensors.torch.save_file(whole.state_dict(), path)
    else:
        torch.save(whole.state_dict(), path)
    encoder = OpenClipText(OpenClipTextConfig(model=NAME, weights=str(path)), pieces).eval()
    tokens, lengths = map(torch.from_numpy, pieces.encode(TEXTS))
    with torch.no_grad():
        features = encoder(tokens, lengths)
        torch.testing.assert_close(features.sentence, whole.encode_text(open_clip.tokenize(TEXTS)))
    assert (encoder.shape.words, encoder.shape.states, encoder.shape.sentence) == (12, 12, 8)
    path.unlink()
    with no_initial_weights():  # as a bundle is opened
        other = OpenClipText(OpenClipTextConfig(model=NAME, weights=str(path)), pieces).eval()
    other.load_state_dict(encoder.state_dict())
    with torch.no_grad():
        assert torch.equal(other(tokens, lengths).sentence, features.sentence)


def test_it_can_be_frozen(whole: Any, pieces: Vocabulary) -> None:
    encoder = OpenClipText(OpenClipTextConfig(model=NAME, trainable=False), pieces)
    assert not any(weight.requires_grad for weight in encoder.parameters())


def test_wrong_settings_are_told(tmp_path: Path, whole: Any, pieces: Vocabulary) -> None:
    with pytest.raises(ConfigError, match=r"not the words of tokenizer 'tirg'. Set model.tokenizer to open-clip"):
        OpenClipText(OpenClipTextConfig(model=NAME), Vocabulary.of(["red"]))
    with pytest.raises(ConfigError, match="open_clip has no model 'RN51'"):
        OpenClipText(OpenClipTextConfig(model="RN51"), pieces)
    with pytest.raises(ConfigError, match=r"text tower of open_clip's ViT-B-16-SigLIP does not read 77"):
        OpenClipText(OpenClipTextConfig(model="ViT-B-16-SigLIP"), pieces)
    gone = str(tmp_path / "gone.safetensors")
    with pytest.raises(ConfigError, match=r"no file of weights at .*gone.safetensors"):
        OpenClipText(OpenClipTextConfig(model=NAME, weights=gone), pieces)
    safetensors.torch.save_file({"other": torch.zeros(2)}, gone)
    with pytest.raises(ConfigError, match=r"are not those of the model"):
        OpenClipText(OpenClipTextConfig(model=NAME, weights=gone), pieces)
