"""Bundles: what was saved is what is opened, and it knows its preprocessing and its words."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cirray.bundles import Bundle, save_bundle
from cirray.composers import Retriever
from cirray.config import override
from cirray.encoders import Vocabulary
from cirray.errors import ArtifactError, BadImageError, QueryError
from cirray.recipes import recipes
from cirray.storage import Artifact, Location

VOCABULARY = Vocabulary.of(["make circle red", "add small blue object"])


def model() -> Retriever:
    torch.manual_seed(0)
    run = override(
        recipes["css-2d/tirg-last-conv"](),
        ["model.preprocessing.height=16", "model.preprocessing.width=24", "model.composer.dim=8"],
    )
    return Retriever(run.model, VOCABULARY).eval()


def saved(place: Location) -> Artifact:
    return save_bundle(
        place,
        name="css-2d/tirg-last-conv",
        fingerprint="f" * 64,
        model=model(),
        vocabulary=VOCABULARY,
        inputs={"dataset": "d" * 64},
        settings={},
        details={"dataset": "css-2d@x", "history": []},
    )


def pictures(number: int = 3) -> tuple[list[bytes], np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    pixels = np.random.default_rng(0).integers(0, 256, (number, 16, 24, 3), dtype=np.uint8)
    encoded = []
    for image in pixels:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, format="PNG")
        encoded.append(buffer.getvalue())
    return encoded, pixels


def test_what_was_saved_is_opened_and_answers_alike(place_uri: str) -> None:
    place = Location.parse(place_uri) / "models" / "m" / "v1"
    artifact = saved(place)
    bundle = Bundle.open_uri(place.uri)
    assert bundle.fingerprint == artifact.digest
    assert (bundle.name, bundle.version, bundle.dim, bundle.uri) == ("css-2d/tirg-last-conv", "v1", 8, place.uri)
    assert bundle.image_size == (16, 24)
    encoded, pixels = pictures()
    texts = ["make circle red", "add blue object", "remove purple"]
    tokens, lengths = (torch.from_numpy(ids) for ids in VOCABULARY.encode(texts))
    with torch.inference_mode():
        queries = torch.nn.functional.normalize(model().compose(torch.from_numpy(pixels), tokens, lengths))
        gallery = torch.nn.functional.normalize(model().embed(torch.from_numpy(pixels)))
    np.testing.assert_allclose(bundle.compose(encoded, texts), queries, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(bundle.embed(encoded), gallery, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(bundle.embed(encoded), axis=1), 1, rtol=1e-5)


def test_pictures_of_any_size_are_scaled(tmp_path: Path) -> None:
    bundle = Bundle.open(saved(Location.parse(str(tmp_path))))
    buffer = io.BytesIO()
    Image.new("L", (200, 50), 128).save(buffer, format="JPEG")
    assert bundle.embed([buffer.getvalue()]).shape == (1, 8)


def test_a_query_does_not_depend_on_those_beside_it(tmp_path: Path) -> None:
    bundle = Bundle.open(saved(Location.parse(str(tmp_path))))
    encoded, _ = pictures()
    together = bundle.compose(encoded, ["make circle red", "add small blue object", "make red"])
    alone = bundle.compose(encoded[:1], ["make circle red"])
    np.testing.assert_allclose(together[:1], alone, rtol=1e-4, atol=1e-5)


def test_unknown_words_are_told_and_nothing_at_all_is_answered_with_nothing(tmp_path: Path) -> None:
    bundle = Bundle.open(saved(Location.parse(str(tmp_path))))
    assert bundle.unknown_words("make circle turquoise") == ["turquoise"]
    assert bundle.embed([]).shape == (0, 8)


@pytest.mark.parametrize("text", ["", "  \n", "!!!"])
def test_an_empty_text_is_refused(tmp_path: Path, text: str) -> None:
    bundle = Bundle.open(saved(Location.parse(str(tmp_path))))
    with pytest.raises(QueryError, match="empty"):
        bundle.compose(pictures(1)[0], [text])


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    bundle = Bundle.open(saved(Location.parse(str(tmp_path))))
    with pytest.raises(BadImageError, match="not a picture"):
        bundle.embed([b"GIF89 but not really"])


@pytest.mark.parametrize("name", ["model.safetensors", "bundle.json"])
def test_a_changed_file_is_noticed(tmp_path: Path, name: str) -> None:
    artifact = saved(Location.parse(str(tmp_path)))
    (artifact.place / artifact.entry(name).path).write(b"something else")
    with pytest.raises(ArtifactError, match="not what its manifest lists"):
        Bundle.open(artifact)
