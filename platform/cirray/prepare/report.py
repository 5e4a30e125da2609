"""The page that closes a preparation: samples, statistics, and what was rejected."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from cirray.datasets.source import Source
from cirray.datasets.thumbnails import thumbnail_uri
from cirray.errors import BadImageError, StorageError
from cirray.pages import render
from cirray.prepare.making import Made
from cirray.prepare.rejects import CRASHES_DECODER, Reject
from cirray.prepare.summary import Timing, summarise
from cirray.storage import Location, Manifest
from cirray.storage.syncing import Syncing

REPORT_FILE = "report.html"
SUMMARY_FILE = "summary.json"
SAMPLES = 4
"""Triplets of each split that are shown, and rejects and duplicates of each kind."""

MAX_SPLITS = 8


@dataclass(frozen=True)
class Shown:
    """A picture on the page.

    Attributes:
        item_id: whose picture.
        uri: the picture as a data URI; empty where there is none that can be shown.
    """

    item_id: str
    uri: str


def write_report(
    target: Location, manifest: Manifest, items: pa.Table, made: Made, source: Source, timing: Timing
) -> None:
    """Write `report.html` and `summary.json` beside the manifest. Nothing reads them but people and their tools.

    Args:
        target: place of the version.
        manifest: of the version.
        items: of the source, with good rows, kept or not; schema `SOURCE_ITEMS`.
        made: the version.
        source: where the pictures for the page are read from.
        timing: of the preparation.

    Raises:
        StorageError: they cannot be written.
    """
    summary = summarise(manifest, made, timing)
    album = _Album(source, dict(zip(items["item_id"].to_pylist(), items["path"].to_pylist(), strict=True)))
    page = _page(summary, made, album)
    data = {SUMMARY_FILE: json.dumps(summary, indent=1, ensure_ascii=False).encode()}
    data[REPORT_FILE] = page.encode(errors="replace")
    with Syncing() as syncing:
        for name, content in data.items():
            (target / name).write(content, durable=False)
            syncing.add(target / name)


class _Album:
    """Thumbnails of items, straight from the source: a part of the prepared table would be read as a whole."""

    def __init__(self, source: Source, paths: Mapping[str, str]) -> None:
        self._source = source
        self._paths = paths
        self._shown: dict[str, Shown] = {}

    def show(self, item_id: str) -> Shown:
        if item_id not in self._shown:
            self._shown[item_id] = Shown(item_id, self._thumbnail(item_id))
        return self._shown[item_id]

    def _thumbnail(self, item_id: str) -> str:
        path = self._paths.get(item_id)
        if path is None or path not in self._source:
            return ""
        try:
            return thumbnail_uri(self._source.read(path))
        except (BadImageError, StorageError):
            return ""


def _page(summary: Mapping[str, Any], made: Made, album: _Album) -> str:
    samples = {
        split: [
            {
                "reference": album.show(row["reference_id"]),
                "texts": row["texts"],
                "target": album.show(row["target_id"]),
            }
            for row in _spread(table)
        ]
        for split, table in list(made.triplets.items())[:MAX_SPLITS]
    }
    rejects = {reason: _examples(made.rejects, reason, album) for reason in summary["rejects"]}
    duplicates = {kind: _pairs(made.duplicates, kind, album) for kind in summary["duplicates"]}
    shown = {"summary": summary, "samples": samples, "rejects": rejects, "duplicates": duplicates}
    return render("report.html", "cirray.prepare", **shown)


def _examples(rejects: list[Reject], reason: str, album: _Album) -> list[tuple[Reject, Shown | None]]:
    chosen = sorted(reject for reject in rejects if reject.reason == reason)[:SAMPLES]
    # What kills a decoder would kill this process too.
    drawn = reason != CRASHES_DECODER
    return [(reject, album.show(reject.id) if drawn and reject.kind == "item" else None) for reject in chosen]


def _pairs(duplicates: pa.Table, kind: str, album: _Album) -> list[tuple[Shown, Shown]]:
    chosen = [row for row in duplicates.to_pylist() if row["kind"] == kind][:SAMPLES]
    return [(album.show(row["item_id"]), album.show(row["duplicate_of"])) for row in chosen]


def _spread(triplets: pa.Table) -> list[dict[str, Any]]:
    """Return a few triplets, spread evenly over the table."""
    count = min(SAMPLES, triplets.num_rows)
    rows = [(2 * sample + 1) * triplets.num_rows // (2 * count) for sample in range(count)]
    return list(triplets.take(pa.array(rows, pa.int64())).to_pylist())
