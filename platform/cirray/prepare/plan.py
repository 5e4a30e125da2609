"""Into which parts the item table is cut, and by what each is known again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from cirray.datasets.schema import SCHEMA_VERSION
from cirray.prepare.config import PrepareConfig
from cirray.storage import FileStat, code_fingerprint, fingerprint

MAX_PART_BYTES = 128 << 20
"""Bytes of pictures after which a part ends in any case: a task holds a part in memory, however large they are."""

PART_CODE = (
    "cirray.datasets.formats",
    "cirray.datasets.pictures",
    "cirray.prepare.hashing",
    "cirray.prepare.known",
    "cirray.prepare.part",
    "cirray.prepare.resizing",
)
"""Modules of which a part is a result. Where they have changed, no part is taken over."""


@dataclass(frozen=True)
class Part:
    """One part of the item table, before it is made.

    Attributes:
        number: its place among the parts, which gives the file its name.
        items: schema `SOURCE_ITEMS`, sorted by id.
        files: what the listing said of each item's file.
        settings: of the preparation, as far as they decide what the part is.
    """

    number: int
    items: pa.Table
    files: list[FileStat]
    settings: Mapping[str, object]

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"items/part-{self.number:05d}.parquet"

    @cached_property
    def ids(self) -> list[str]:
        """Ids of its items."""
        return list(self.items["item_id"].to_pylist())

    @cached_property
    def fingerprint(self) -> str:
        """Of all that decides its content, and not of its number."""
        files = [file.identity for file in self.files]
        return fingerprint({"items": self.items.to_pylist(), "files": files, "settings": dict(self.settings)})


def plan_parts(items: pa.Table, files: Mapping[str, FileStat], config: PrepareConfig, version: int) -> list[Part]:
    """Cut the item table into parts, so that one item more or less changes one of them, or rarely two.

    Args:
        items: schema `SOURCE_ITEMS`, sorted by id.
        files: what the listing said of each file of the source, by its path.
        config: of the preparation.
        version: of the code of preparation.
    """
    stats = [files[path] for path in items["path"].to_pylist()]
    versions = {"prepare_version": version, "schema_version": SCHEMA_VERSION, "code": code_fingerprint(*PART_CODE)}
    settings = {**config.part_identity(), **versions}
    ends = part_ends(items["item_id"].to_pylist(), [stat.bytes for stat in stats], config.part_rows)
    starts = [0, *ends[:-1]]
    return [
        Part(number, items.slice(start, end - start), stats[start:end], settings)
        for number, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def part_ends(ids: Sequence[str], sizes: Sequence[int], part_rows: int, max_bytes: int = MAX_PART_BYTES) -> list[int]:
    """Return where each part ends: after an item whose id says so by its hash.

    So the borders stay where they are when other items come or go (content-defined chunking). From half of
    `part_rows` on one id in as many as are missing ends the part, which gives `part_rows` on average; twice as many
    rows, or `max_bytes`, end it in any case.
    """
    least, most = max(1, part_rows // 2), part_rows * 2
    threshold = 2**64 // max(1, part_rows - least)
    ends, start, held = [], 0, 0
    for row, (item_id, size) in enumerate(zip(ids, sizes, strict=True), start=1):
        held += size
        rows = row - start
        full = rows >= most or held >= max_bytes
        if full or (rows >= least and _hashed(item_id) < threshold) or row == len(ids):
            ends.append(row)
            start, held = row, 0
    return ends


def _hashed(item_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(item_id.encode(), digest_size=8).digest(), "big")
