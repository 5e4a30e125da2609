"""Tiny sources in the official layouts, and what preparation makes of their tables."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cirray.datasets import Source, SourceTables
from cirray.prepare.checks import check_items, check_splits, check_triplets
from cirray.prepare.rejects import Reject
from cirray.storage import Location

WriteSource = Callable[[Mapping[str, Any]], Source]
Checks = Callable[[SourceTables, Source], list[Reject]]


@pytest.fixture
def write_source(tmp_path: Path) -> WriteSource:
    """Return a function that writes files by path, values as JSON, texts and bytes as they are, and lists them."""

    def write(files: Mapping[str, Any]) -> Source:
        for name, content in files.items():
            path = tmp_path / "source" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not isinstance(content, str | bytes):
                content = json.dumps(content)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Source.open(Location.parse(str(tmp_path / "source")))

    return write


@pytest.fixture
def rejects() -> Checks:
    """Return a function that gives what preparation rejects of tables before it opens a picture."""

    def check(tables: SourceTables, source: Source) -> list[Reject]:
        check_splits(tables)
        known = set(tables.items["item_id"].to_pylist())
        found = check_items(tables.items, source.sizes).rejects
        for split, rows in tables.triplets.items():
            found += check_triplets(split, rows, known).rejects
        return found

    return check


@pytest.fixture
def gallery_sizes() -> Callable[[SourceTables], Counter[tuple[str, str]]]:
    """Return a function that counts the items of each gallery by (category, split)."""

    def sizes(tables: SourceTables) -> Counter[tuple[str, str]]:
        columns = (tables.items[name].to_pylist() for name in ("category", "splits"))
        return Counter((category, split) for category, splits in zip(*columns, strict=True) for split in splits)

    return sizes
