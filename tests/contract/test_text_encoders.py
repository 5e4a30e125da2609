"""What every registered text encoder must keep to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from cirray.config import from_mapping
from cirray.encoders import TextEncoder, TextFeatures, Vocabulary, no_initial_weights, text_encoders
from tests.small_models import VOCABULARY

SMALL = {"word_dim": 5, "dim": 6, "state_dim": 4, "filters": 3, "layers": 1}
TINY_CLIP = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 8, "layers": 1, "width": 8, "head_width": 4, "patch_size": 4},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1},
}
LENGTHS = torch.tensor([3, 1, 7, 2, 5])


@pytest.fixture(params=list(text_encoders))
def name(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "open-clip":
        open_clip = pytest.importorskip("open_clip")
        (tmp_path / "tiny-clip.json").write_text(json.dumps(TINY_CLIP))
        open_clip.add_model_config(tmp_path)
    return str(request.param)


def vocabulary_for(name: str) -> Vocabulary:
    return Vocabulary.of([], "open-clip") if name == "open-clip" else VOCABULARY


def build(name: str, seed: int = 0) -> TextEncoder:
    kind = text_encoders[name]
    settings: dict[str, object] = {key: value for key, value in SMALL.items() if key in kind.Config.model_fields}
    if name == "open-clip":
        settings = {"model": "tiny-clip"}
    torch.manual_seed(seed)
    if name != "sentence":
        return kind(from_mapping(kind.Config, {"name": name, **settings}), vocabulary_for(name))
    # Of the right size, but with weights drawn at random: the package of the real ones is an extra.
    with no_initial_weights():
        return kind(from_mapping(kind.Config, {"name": name, **settings}), vocabulary_for(name))


def texts(name: str) -> Tensor:
    tokens = torch.randint(1, len(VOCABULARY), (5, 7), generator=torch.Generator().manual_seed(3))
    if name == "open-clip":
        tokens[torch.arange(5), LENGTHS - 1] = len(vocabulary_for(name)) - 1  # the mark at the end of every text
    return tokens * (torch.arange(7) < LENGTHS[:, None])


def test_the_name_in_the_registry_is_that_of_the_configuration(name: str) -> None:
    config = from_mapping(text_encoders[name].Config, {"name": name})
    assert config.name == name
    assert type(config).model_validate_json(config.model_dump_json()) == config


def test_features_have_the_sizes_that_the_shape_tells(name: str) -> None:
    encoder = build(name)
    features = encoder(texts(name), LENGTHS)
    shape = encoder.shape
    assert tuple(features.words.shape) == (5, 7, shape.words)
    assert tuple(features.states.shape) == (5, 7, shape.states)
    assert tuple(features.sentence.shape) == (5, shape.sentence)
    assert features.mask.dtype == torch.bool
    assert features.mask.sum(dim=1).tolist() == LENGTHS.tolist()


def test_there_is_nothing_beyond_the_end_of_a_text(name: str) -> None:
    features = build(name)(texts(name), LENGTHS)
    assert bool((features.words[~features.mask] == 0).all())
    assert bool((features.states[~features.mask] == 0).all())
    assert bool((features.words[features.mask] != 0).any(dim=1).all())


def test_a_text_has_the_same_features_alone_and_beside_longer_ones(name: str) -> None:
    encoder, tokens = build(name).eval(), texts(name)
    with torch.no_grad():
        together = encoder(tokens, LENGTHS)
        for row, length in enumerate(LENGTHS.tolist()):
            alone: TextFeatures = encoder(tokens[row : row + 1, :length], LENGTHS[row : row + 1])
            torch.testing.assert_close(alone.sentence[0], together.sentence[row], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(alone.states[0], together.states[row, :length], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(alone.words[0], together.words[row, :length])


def test_what_stands_in_the_padding_does_not_matter(name: str) -> None:
    encoder, tokens = build(name).eval(), texts(name)
    other = torch.where(torch.arange(7) < LENGTHS[:, None], tokens, 2)
    with torch.no_grad():
        changed = encoder(other, LENGTHS)
        torch.testing.assert_close(changed.sentence, encoder(tokens, LENGTHS).sentence)


def test_the_order_of_the_batch_does_not_matter(name: str) -> None:
    encoder, tokens = build(name).eval(), texts(name)
    order = torch.tensor([4, 2, 0, 1, 3])
    with torch.no_grad():
        sentence = encoder(tokens, LENGTHS).sentence
        torch.testing.assert_close(
            encoder(tokens[order], LENGTHS[order]).sentence, sentence[order], rtol=1e-4, atol=1e-5
        )


def test_different_texts_have_different_vectors(name: str) -> None:
    encoder = build(name).eval()
    with torch.no_grad():
        sentence = encoder(texts(name), LENGTHS).sentence
    distances = torch.cdist(sentence, sentence) + torch.eye(5)
    assert float(distances.min()) > 1e-6


def test_a_finite_gradient_reaches_every_weight_that_is_trained(name: str) -> None:
    encoder = build(name).train()
    sentence = encoder(texts(name), LENGTHS).sentence
    (sentence * torch.randn_like(sentence)).sum().backward()
    for key, weight in encoder.named_parameters():
        if weight.requires_grad:
            assert weight.grad is not None, key
            assert bool(torch.isfinite(weight.grad).all()), key
            assert float(weight.grad.abs().sum()) > 0, key
        else:
            assert weight.grad is None, key


def test_bfloat16_on_the_cpu_is_near_float32(name: str) -> None:
    encoder = build(name).eval()
    exact = encoder(texts(name), LENGTHS).sentence
    with torch.autocast("cpu", torch.bfloat16):
        rounded = encoder(texts(name), LENGTHS).sentence
        if rounded.requires_grad:
            rounded.float().sum().backward()
    torch.testing.assert_close(rounded.float(), exact, rtol=0.1, atol=0.1)


def test_empty_texts_and_unseen_words_have_a_vector(name: str) -> None:
    encoder, vocabulary = build(name).eval(), vocabulary_for(name)
    tokens, lengths = map(torch.from_numpy, vocabulary.encode(["", "w03 turquoise", "turquoise", "w03", "!"]))
    with torch.no_grad():
        sentence = encoder(tokens, lengths).sentence
    assert bool(torch.isfinite(sentence).all())
    if name != "open-clip":  # which knows pieces of every word
        torch.testing.assert_close(sentence[0], sentence[2])  # no known word at all
        torch.testing.assert_close(sentence[0], sentence[4])
        torch.testing.assert_close(sentence[1], sentence[3])  # an unknown word beside a known one is dropped


def test_saved_and_loaded_it_is_the_same(name: str) -> None:
    encoder = build(name).eval()
    state = safetensors.torch.load(safetensors.torch.save(encoder.state_dict()))
    with no_initial_weights():
        other = build(name, seed=1).eval()
    other.load_state_dict(state)
    with torch.no_grad():
        assert torch.equal(other(texts(name), LENGTHS).sentence, encoder(texts(name), LENGTHS).sentence)


def test_equal_seeds_give_equal_weights(name: str) -> None:
    first, second = build(name).state_dict(), build(name).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
