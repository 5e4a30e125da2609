"""The pages of docs/ name everything that can be chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from cirray.datasets.source import readers
from cirray.evaluation import protocol_of, protocols

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    "reader", [name for name in readers if readers[name].__module__.startswith("cirray.datasets.")]
)
def test_every_reader_has_its_place_in_the_page_of_datasets(reader: str) -> None:
    assert f"`{reader}`" in (DOCS / "datasets.md").read_text()


@pytest.mark.parametrize("name", list(protocols))
def test_every_protocol_has_its_row_with_its_readers(name: str) -> None:
    rows = [line.split("|") for line in (DOCS / "protocols.md").read_text().splitlines() if line.startswith("| `")]
    (row,) = (row for row in rows if row[1].strip() == f"`{name}`")
    assert all(f"`{reader}`" in row[2] for reader in protocols[name].readers)
    assert ("left out" in row[4]) is protocols[name].exclude_reference
    assert row[6].strip().startswith(protocols[name].equality)


def test_readers_without_a_protocol_of_their_own_take_the_standard_one() -> None:
    assert protocol_of("css-3d") is protocols["standard"]
