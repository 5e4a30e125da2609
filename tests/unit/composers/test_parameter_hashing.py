"""Parameter hashing, against loops over every cell of the dynamic layer."""

from __future__ import annotations

from collections import Counter

import torch
from hypothesis import given
from hypothesis import strategies as st

from cirray.composers.parameter_hashing import ParameterHashing, ParameterHashingConfig, hashed_places
from cirray.encoders import ImageShape, MapShape, TextShape
from tests.loops import assert_close, through
from tests.small_models import image_features, text_features

IMAGE, TEXT = ImageShape((MapShape(4, 2, 2),), 4), TextShape(3, 2, 2)
DIM, CANDIDATES, BATCH = 5, 7, 3
WORD = 2**64


def composer(seed: int = 0) -> ParameterHashing:
    torch.manual_seed(0)
    made = ParameterHashing(ParameterHashingConfig(dim=DIM, candidates=CANDIDATES, seed=seed), IMAGE, TEXT)
    torch.nn.init.normal_(made.bias)
    return made.eval()


def naive_hash(cell: int, seed: int) -> int:
    """SplitMix64, by Python's integers of any size."""
    state = ((seed * 2**32 + cell + 1) * 0x9E3779B97F4A7C15) % WORD
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) % WORD
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) % WORD
    return state ^ (state >> 31)


def naive_place_and_sign(row: int, column: int, columns: int, candidates: int, seed: int) -> tuple[int, int]:
    bits = naive_hash(row * columns + column, seed)
    return (bits // 2) % candidates, -1 if bits % 2 else 1


def test_the_query_is_a_layer_whose_weights_are_the_text_s_candidates() -> None:
    model, image, text = composer(), image_features(BATCH, *IMAGE.maps), text_features(BATCH, TEXT.sentence)
    queries = model.compose(image, text)
    for row in range(BATCH):
        candidates = through(model.predict, text.sentence[row].tolist())
        pooled = image.pooled[row].tolist()
        expected = model.bias.tolist()
        for m in range(DIM):
            for n, value in enumerate(pooled):
                place, sign = naive_place_and_sign(m, n, len(pooled), CANDIDATES, 0)
                expected[m] += candidates[place] * sign * value
        assert_close(queries[row], expected)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_the_table_is_the_hash_of_each_cell(rows: int, columns: int, candidates: int, seed: int) -> None:
    table = hashed_places(rows, columns, candidates, seed)
    for m in range(rows):
        for n in range(columns):
            place, sign = naive_place_and_sign(m, n, columns, candidates, seed)
            assert table[m, n] == place + (candidates if sign < 0 else 0)


def test_the_hash_uses_all_candidates_about_equally_with_either_sign() -> None:
    counts = Counter(hashed_places(128, 128, 32, 0).flatten().tolist())
    # 16,384 cells on 64 signed candidates: 256 each, with a standard deviation of 16.
    assert set(counts) == set(range(64))
    assert 176 < min(counts.values()) <= max(counts.values()) < 336


def test_the_table_is_saved_with_the_model_and_follows_the_seed() -> None:
    first, other = composer(), composer(seed=1)
    assert "places" in first.state_dict()
    assert not torch.equal(first.places, other.places)
    other.load_state_dict(first.state_dict())
    assert torch.equal(first.places, other.places)
