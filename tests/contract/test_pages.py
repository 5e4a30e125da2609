"""The pages of docs/ name everything that can be chosen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cirray.composers import composers
from cirray.composers.card import composer_card
from cirray.datasets.source import readers
from cirray.encoders import image_encoders, text_encoders, tokenizers, word_vectors
from cirray.evaluation import protocol_of, protocols
from cirray.objectives import losses
from cirray.registry import Registry
from cirray.tracking import trackers

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    "reader", [name for name in readers if readers[name].__module__.startswith("cirray.datasets.")]
)
def test_every_reader_has_its_place_in_the_page_of_datasets(reader: str) -> None:
    assert f"`{reader}`" in (DOCS / "datasets.md").read_text()


@pytest.mark.parametrize("name", list(protocols))
def test_every_protocol_has_its_row_with_its_readers(name: str) -> None:
    rows = [line.split("|") for line in (DOCS / "protocols.md").read_text().splitlines() if line.startswith("| `")]
    # The first such row: a later table names the protocols whose answers can be handed in.
    row = next(row for row in rows if row[1].strip() == f"`{name}`")
    assert all(f"`{reader}`" in row[2] for reader in protocols[name].readers)
    assert ("left out" in row[4]) is protocols[name].exclude_reference
    assert row[6].strip().startswith(protocols[name].equality)


def test_readers_without_a_protocol_of_their_own_take_the_standard_one() -> None:
    assert protocol_of("css-3d") is protocols["standard"]


@pytest.mark.parametrize("name", list(composers))
def test_every_composer_has_its_page_and_a_way_to_it(name: str) -> None:
    contents, page = (DOCS / "methods.md").read_text(), DOCS / "methods" / f"{name}.md"
    if not page.exists():
        assert f"`{name}`" in contents
        return
    assert f"(methods/{name}.md)" in contents
    text = page.read_text()
    assert f"`{name}`" in text.splitlines()[0]
    if told := re.search(r"the composer has ([\d.]+) million weights", text):
        assert float(told[1]) == pytest.approx((composer_card(name).parameters or 0) / 1e6, abs=0.005)


@pytest.mark.parametrize(
    ("page", "registry"),
    [
        ("image-encoders", image_encoders),
        ("text-encoders", text_encoders),
        ("text-encoders", tokenizers),
        ("text-encoders", word_vectors),
        ("*", losses),
    ],
    ids=lambda value: str(getattr(value, "kind", value)),
)
def test_every_part_has_its_place_in_a_page(page: str, registry: Registry[Any]) -> None:
    text = "".join(file.read_text() for file in (DOCS / "methods").glob(f"{page}.md"))
    assert [name for name in registry if f"`{name}`" not in text] == []


def test_every_tracker_has_its_row_in_the_page_of_training() -> None:
    text = (DOCS / "training.md").read_text()
    assert [name for name in trackers if f"| `{name}`" not in text] == []
