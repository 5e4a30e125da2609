"""Embedding without Ray: what the workers do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest

from cirray.errors import ArtifactError, MismatchError
from cirray.index import IndexConfig
from cirray.index.embed import embed_pictures, open_checked

Vectors = npt.NDArray[np.float32]


@dataclass
class Counting:
    """Embeds a picture as its length, and remembers what it was asked."""

    dim: int = 2
    gives: int = 2
    asked: list[list[bytes]] = field(default_factory=list)
    name: str = "counting"
    version: str = "3"
    fingerprint: str = "abc"
    uri: str = "memory://counting"

    def embed(self, images: Sequence[bytes]) -> Vectors:
        self.asked.append(list(images))
        return np.array([[len(image), 0, 0][: self.gives] for image in images], np.float32)

    def compose(self, images: Sequence[bytes], texts: Sequence[str]) -> Vectors:
        raise NotImplementedError


def test_each_distinct_picture_is_embedded_once_and_in_batches() -> None:
    model = Counting()
    vectors = embed_pictures(model, [b"1", b"22", b"1", b"333", b"22", b"4444", b"1"], 3)
    assert vectors[:, 0].tolist() == [1, 2, 1, 3, 2, 4, 1]
    assert model.asked == [[b"1", b"22", b"333"], [b"4444"]]


def test_no_pictures_have_no_vectors() -> None:
    model = Counting()
    assert embed_pictures(model, [], 3).shape == (0, 2)
    assert model.asked == []


def test_a_model_that_gives_vectors_of_another_size_is_named() -> None:
    with pytest.raises(ArtifactError, match=r"counting@3 gave vectors of shape \(1, 3\) for 1 pictures"):
        embed_pictures(Counting(gives=3), [b"1"], 3)


def test_only_the_model_that_is_meant_is_opened() -> None:
    model = Counting()
    assert open_checked(lambda uri: model, "memory://counting", "abc") is model
    with pytest.raises(MismatchError, match=r"fingerprint abc.*with other"):
        open_checked(lambda uri: model, "memory://counting", "other")


def test_only_settings_that_change_the_files_are_part_of_the_identity() -> None:
    base = IndexConfig()
    for changed in ({"num_shards": 5}, {"batch_size": 7}, {"kind": "hnsw"}, {"min_recall": 0.5}):
        assert base.model_copy(update=changed).identity() != base.identity()
    for same in ({"max_embedders": 5}, {"verify_queries": 7}, {"verify_k": 3}):
        assert base.model_copy(update=same).identity() == base.identity()
