"""Rows of official annotation files, each judged on its own: what cannot be read is named, and never vanishes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cirray.datasets.readers.files import json_of, text_of
from cirray.datasets.source import Source
from cirray.errors import DataError

_SHOWN = 80
Row = dict[str, Any]


class MalformedRowError(DataError):
    """One row of an annotation file is not what the layout says; the message names file, place and what it has."""


@dataclass(frozen=True)
class Record:
    """One object of a JSON list.

    Attributes:
        place: such as "captions/cap.dress.val.json[12]", counted from 0.
        values: its fields; none where it is no object.
    """

    place: str
    values: Mapping[str, Any]

    def text(self, key: str) -> str:
        """Return a field that must be text.

        Raises:
            MalformedRowError: it is not there, or is something else.
        """
        return as_text(self.values.get(key), f"{self.place}: {key}")

    def name(self, key: str) -> str:
        """Return a field that must be the name of a picture: text that is not empty.

        Raises:
            MalformedRowError: it is not there, or is something else.
        """
        return as_name(self.values.get(key), f"{self.place}: {key}")

    def texts(self, key: str) -> list[str]:
        """Return a field that must be a list of texts, without the empty ones.

        Raises:
            MalformedRowError: it is not there, or is something else.
        """
        value = self.values.get(key)
        if not isinstance(value, list):
            raise MalformedRowError(f"{self.place}: {key} is no list of texts but {_shown(value)}")
        texts = [as_text(text, f"{self.place}: {key}") for text in value]
        return [text for text in texts if text.strip()]


def as_text(value: Any, place: str) -> str:
    """Return `value` where it is text that can be stored.

    Raises:
        MalformedRowError: it is something else.
    """
    if not isinstance(value, str):
        raise MalformedRowError(f"{place} is no text but {_shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:  # JSON can spell half a surrogate pair
        raise MalformedRowError(f"{place} has characters that no encoding has: {_shown(value)}") from None
    return value


def as_name(value: Any, place: str) -> str:
    """Return `value` where it can be the name of a picture: text that is not empty.

    Raises:
        MalformedRowError: it is something else.
    """
    name = as_text(value, place)
    if not name.strip():
        raise MalformedRowError(f"{place} is empty")
    return name


def records(source: Source, path: str, keys: Collection[str]) -> list[Record]:
    """Return the objects of a JSON list.

    Raises:
        DataError: there is no such file, it is no list, or none of its entries is an object with all of `keys`.
        StorageError: it cannot be read.
    """
    entries = _list(source, path)
    found = [Record(f"{path}[{at}]", entry if isinstance(entry, dict) else {}) for at, entry in enumerate(entries)]
    if found and not any(set(keys) <= record.values.keys() for record in found):
        raise DataError(
            f"{source}/{path} is not in the official layout: none of its {len(found):,} entries has the fields "
            f"{', '.join(keys)}; the first is {_shown(entries[0])}."
        )
    return found


def names(source: Source, path: str) -> list[tuple[str, Any]]:
    """Return (place, entry) of each entry of a JSON list of names; single entries may be something else.

    Raises:
        DataError: there is no such file, it is no list, or none of its entries is text.
        StorageError: it cannot be read.
    """
    entries = _list(source, path)
    if entries and not any(isinstance(entry, str) for entry in entries):
        raise DataError(
            f"{source}/{path} is not in the official layout: it is no list of names, and begins with "
            f"{_shown(entries[0])}."
        )
    return [(f"{path}[{at}]", entry) for at, entry in enumerate(entries)]


def mapping_of(source: Source, path: str) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        DataError: there is no such file, or it is no object.
        StorageError: it cannot be read.
    """
    values = json_of(source, path)
    if not isinstance(values, dict):
        raise DataError(f"{source}/{path} is not in the official layout: it is no object but {_shown(values)}.")
    return values


def lines_of(source: Source, path: str) -> list[tuple[str, str]]:
    """Return (place, line) of the lines of a text file that are not empty; places are such as "names.txt:1".

    Raises:
        DataError: there is no such file, or it is in another encoding.
        StorageError: it cannot be read.
    """
    # Not splitlines(), which also takes characters inside a caption for ends of lines.
    lines = (line.rstrip("\r") for line in text_of(source, path).split("\n"))
    return [(f"{path}:{number}", line) for number, line in enumerate(lines, start=1) if line.strip()]


def unreadable_item(reason: MalformedRowError) -> Row:
    """Return an item that preparation rejects for its empty id, with the reason in place of its path."""
    return {"item_id": "", "path": str(reason)}


def unreadable_triplet(query_id: str, reason: MalformedRowError) -> Row:
    """Return a triplet that preparation rejects for its unknown reference, with the reason in place of that."""
    return {"query_id": query_id, "reference_id": str(reason), "texts": ["unreadable"]}


class ItemRows:
    """Items in the order they came, where an item that is listed for several splits is one row."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._row_of: dict[str, Row] = {}

    def add(self, row: Row, splits: Iterable[str]) -> None:
        """Add an item to galleries; one that was in one of them before is a second row, which preparation rejects."""
        known = self._row_of.get(row["item_id"]) if row["item_id"] else None
        if known is not None and not set(known["splits"]) & set(splits):
            known["splits"] += splits
            return
        row = {**row, "splits": list(splits)}
        self.rows.append(row)
        self._row_of.setdefault(row["item_id"], row)


def _list(source: Source, path: str) -> list[Any]:
    values = json_of(source, path)
    if not isinstance(values, list):
        raise DataError(f"{source}/{path} is not in the official layout: it is no list but {_shown(values)}.")
    return values


def _shown(value: Any) -> str:
    shown = "missing" if value is None else ascii(value)
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"
