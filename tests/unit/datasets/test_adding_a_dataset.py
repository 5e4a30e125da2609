"""What docs/adding-a-dataset.md shows is run as it stands there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from cirray.config_file import parse_mapping
from cirray.datasets import Source
from cirray.prepare import PrepareConfig
from cirray.storage import Location

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "adding-a-dataset.md").read_text()


def block(language: str) -> str:
    (text,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(text)


def test_the_settings_on_the_page_are_those_of_the_example() -> None:
    example = DOCS / "examples" / "fashion_products.yaml"
    assert yaml.safe_load(block("yaml")) == yaml.safe_load(example.read_text())
    assert f"docs/examples/{example.name}" in block("sh")
    config = PrepareConfig.of("catalog", parse_mapping(example.read_bytes(), str(example)))
    assert config.reader.name == "catalog"


def test_the_reader_on_the_page_reads_its_layout(tmp_path: Path) -> None:
    for path in ("boots/a", "boots/b", "clogs/c"):
        picture = tmp_path / "pictures" / f"{path}.jpg"
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(b"not opened")
    (tmp_path / "train.json").write_text(json.dumps([{"from": "a", "to": "c", "says": ["lower", "no laces"]}]))
    (tmp_path / "test.json").write_text(json.dumps([{"from": "b", "to": "c", "says": ["lower"]}]))
    names: dict[str, Any] = {"__name__": "pairs_of_shoes"}
    exec(compile(block("python"), "adding-a-dataset.md", "exec", dont_inherit=True), names)

    kind = names["readers"]["pairs-of-shoes"]
    try:
        tables = kind(kind.Config()).read(Source.open(Location.parse(str(tmp_path))))
    finally:
        del names["readers"]._entries["pairs-of-shoes"]
    items = {row["item_id"]: (row["path"], row["category"], row["splits"]) for row in tables.items.to_pylist()}
    assert items == {
        "a": ("pictures/boots/a.jpg", "boots", ["train"]),
        "b": ("pictures/boots/b.jpg", "boots", ["test"]),
        "c": ("pictures/clogs/c.jpg", "clogs", ["train", "test"]),
    }
    assert tables.triplets["train"]["texts"].to_pylist() == [["lower", "no laces"]]
    assert tables.triplets["test"]["reference_id"].to_pylist() == ["b"]


def test_every_file_of_readers_is_imported_with_the_room() -> None:
    import sys

    import cirray.datasets

    folder = Path(cirray.datasets.__path__[0]) / "readers"
    assert {f"cirray.datasets.readers.{path.stem}" for path in folder.glob("[!_]*.py")} <= set(sys.modules)
