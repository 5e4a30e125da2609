"""What the official layouts are made of: JSON and text files, and pictures under one of several endings."""

from __future__ import annotations

import json
from typing import Any

from cirray.datasets.source import Source
from cirray.errors import DataError

PICTURE_ENDINGS = (".jpg", ".png", ".jpeg", ".webp", ".gif", ".bmp")
"""Endings under which people keep the pictures of a benchmark, the most usual first."""


def text_of(source: Source, path: str) -> str:
    """Return a text file, UTF-8 with or without a byte-order mark.

    Raises:
        DataError: there is no such file, or it is in another encoding.
        StorageError: it cannot be read.
    """
    if path not in source:
        raise DataError(f"{source} has no file {path}.", hint="Check that it is in the official layout and complete.")
    try:
        return source.read(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{source}/{path} is not UTF-8: {error}.", hint="Convert it first.") from None


def json_of(source: Source, path: str) -> Any:
    """Return the values of a JSON file.

    Raises:
        DataError: there is no such file, or it is not JSON.
        StorageError: it cannot be read.
    """
    try:
        return json.loads(text_of(source, path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{source}/{path} is not readable as JSON: {error}.") from None


def picture_path(source: Source, stem: str) -> str:
    """Return the path of the picture that is called `stem` up to its ending; the first usual one where there is none.

    A path that does not exist is then a reject of its item, with that path as the detail.
    """
    found = (stem + ending for ending in PICTURE_ENDINGS if stem + ending in source)
    return next(found, stem + PICTURE_ENDINGS[0])
