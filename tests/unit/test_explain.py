"""`cirray explain` and `cirray composers`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cirray.bundles import Bundle, Explanation, explain
from cirray.cli.app import run
from cirray.composers import composers
from cirray.composers.card import composer_card
from cirray.errors import ConfigError, QueryError
from cirray.storage import Root
from tests.service_world import DATASET, MODEL, make_root
from tests.small_models import VOCABULARY, small_retriever


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Root:
    root = make_root(tmp_path_factory.mktemp("explain") / "root", num_scenes=6)
    shelf = root.dataset(DATASET)
    shelf.point_at(shelf.versions()[0])
    return root


@pytest.fixture(scope="module")
def picture() -> bytes:
    generator = np.random.default_rng(0)
    buffer = io.BytesIO()
    Image.fromarray(generator.integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def test_the_maps_are_those_of_the_composer_and_the_drawing_is_a_picture(root: Root, picture: bytes) -> None:
    bundle = Bundle.open(root.model(MODEL).open())
    explanation = explain(bundle, picture, f"zebra {bundle.vocabulary.words[0]}")
    assert set(explanation.maps) == {"gate", "residual"}
    assert explanation.unknown == ["zebra"]
    assert explanation.reference.shape == (*bundle.image_size, 3)
    for values in explanation.maps.values():
        assert values.shape == (4, 4)
        assert 0 <= values.min() <= values.max() <= 1
    drawn = np.asarray(Image.open(io.BytesIO(explanation.png())).convert("RGB"))
    assert drawn.std() > 20, "something is drawn"


@pytest.mark.parametrize("text", [r"from $\frac$ to red", "red " * 60])
def test_any_text_can_be_drawn(text: str) -> None:
    plain = np.zeros((8, 8, 3), dtype=np.uint8)
    shown = Image.open(io.BytesIO(Explanation(plain, text, [], {"gate": np.ones((2, 2), dtype=np.float32)}).png()))
    assert shown.width == pytest.approx(2 * 2.4 * 120, abs=2)


def test_a_method_without_maps_says_so(root: Root, picture: bytes) -> None:
    artifact = root.model(MODEL).open()
    bundle = Bundle(artifact, small_retriever("image-only").eval(), VOCABULARY)
    with pytest.raises(ConfigError, match=r"'image-only' of model .* has no maps that explain it"):
        explain(bundle, picture, "w01")


def test_a_text_without_words_is_refused(root: Root, picture: bytes) -> None:
    with pytest.raises(QueryError, match="no word"):
        explain(Bundle.open(root.model(MODEL).open()), picture, " ?! ")


@pytest.mark.parametrize("how", ["item", "image"])
def test_the_verb_takes_an_item_or_a_file(
    root: Root, picture: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    file = tmp_path / "reference.png"
    file.write_bytes(picture)
    value = "css_test_000003" if how == "item" else str(file)
    out = tmp_path / "maps.png"
    command = ["explain", "--model", MODEL, "--root", root.uri, "--text", "make zebra", f"--{how}", value]
    assert run([*command, "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["maps"]) == {"gate", "residual"}
    assert told["unknown_words"] == ["zebra"]
    assert Image.open(io.BytesIO(out.read_bytes())).format == "PNG"


@pytest.mark.parametrize("reference", [[], ["--item", "css_test_000003", "--image", "x.png"]])
def test_the_verb_wants_one_reference(root: Root, capsys: pytest.CaptureFixture[str], reference: list[str]) -> None:
    assert run(["explain", "--model", MODEL, "--root", root.uri, "--text", "make red", *reference]) == 2
    assert "by --item, an id of the dataset, or by --image" in capsys.readouterr().err


@pytest.mark.parametrize("name", list(composers))
def test_every_composer_has_a_card(name: str) -> None:
    card = composer_card(name)
    assert card.summary.endswith(".")
    assert card.title
    assert 2012 <= card.year <= 2026
    assert card.needs
    assert card.parameters is None or card.parameters >= 0
    assert card.explains == composers[name].explains


def test_the_list_of_composers_for_people_and_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["composers"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in composers)
    assert run(["composers", "tirg-last-conv", "--json"]) == 0
    (card,) = json.loads(capsys.readouterr().out)
    # Two branches of batch norm and two 3×3 convolutions on 512 + 512 channels, two weights, and the projection.
    branch = 2 * 1024 + (1024 * 9 + 1) * 1024 + (1024 * 9 + 1) * 512
    assert card["parameters"] == 2 * branch + 2 + (512 + 1) * 512
    assert run(["composers", "nothing*"]) == 2
    assert "No composer's name matches 'nothing*'" in capsys.readouterr().err
