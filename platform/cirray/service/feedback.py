"""What people thought of hits, kept under the root, and the triplets that follow from it."""

from __future__ import annotations

import datetime
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from cirray.storage import Location, Root, table_bytes, table_from

FEEDBACK = pa.schema(
    [
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
        *(pa.field(name, pa.string(), nullable=False) for name in ("request_id", "index", "index_version", "model")),
        *(pa.field(name, pa.string(), nullable=False) for name in ("verdict", "reference_id", "text", "target_id")),
        pa.field("turn", pa.int32(), nullable=False),
        pa.field("rank", pa.int32()),
    ]
)
"""One verdict on one hit a row; `verdict` is "click", "accept" or "reject", `turn` counts from 0."""

TRIPLETS_TABLE = pa.schema(
    [pa.field(name, pa.string()) for name in ("query_id", "reference", "text", "target", "split")]
)
"""A table of triplets as the catalogue reader takes it (`triplets_table`)."""


@dataclass(frozen=True)
class FeedbackLog:
    """The verdicts on what one index found. Files are only ever added, so that writers never meet.

    Attributes:
        place: `feedback/<index>` under the root.
    """

    place: Location

    @classmethod
    def of(cls, root: Root, index: str) -> FeedbackLog:
        """Return the log of an index."""
        return cls(root.feedback(index))

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep verdicts; when this returns, they would withstand a loss of power.

        Args:
            rows: of schema `FEEDBACK`, without the time.

        Raises:
            StorageError: they cannot be written.
        """
        now = datetime.datetime.now(datetime.UTC)
        table = pa.Table.from_pylist([{"at": now, **row} for row in rows], schema=FEEDBACK)
        name = f"{now:%H%M%S%f}-{uuid.uuid4().hex[:12]}.parquet"
        (self.place / f"{now:%Y-%m-%d}" / name).write(table_bytes(table))

    def rows(self) -> pa.Table:
        """Return all verdicts, schema `FEEDBACK`, in the order of their times.

        Raises:
            StorageError: they cannot be read.
        """
        files = [file.path for file in self.place.files() if file.path.endswith(".parquet")]
        tables = [table_from((self.place / path).read()) for path in files]
        return pa.concat_tables([FEEDBACK.empty_table(), *tables]).sort_by("at")

    def accepted(self, split: str = "") -> pa.Table:
        """Return what was accepted, and not rejected since, as triplets, schema `TRIPLETS_TABLE`, each once.

        Args:
            split: of the triplets; by default each is of its reference's.
        """
        last: dict[tuple[str, str, str], bool] = {}
        for row in self.rows().to_pylist():
            if row["verdict"] != "click":
                last[row["reference_id"], row["text"], row["target_id"]] = row["verdict"] == "accept"
        triplets = [
            {"query_id": _name(key), "reference": key[0], "text": key[1], "target": key[2], "split": split}
            for key, accepted in sorted(last.items())
            if accepted
        ]
        return pa.Table.from_pylist(triplets, schema=TRIPLETS_TABLE)


def _name(key: tuple[str, str, str]) -> str:
    return f"feedback-{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}"
