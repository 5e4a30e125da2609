"""Smaller pictures of the gallery's items."""

from __future__ import annotations

import io
from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache

from PIL import Image

from cirray.datasets.pictures import decode_at
from cirray.service.media import media_type_of

KEPT = 2048
"""Thumbnails that a replica keeps: some tens of megabytes."""


class ThumbnailSize(IntEnum):
    """Longest sides that there are, in pixels. Few, so that caches hit."""

    SMALL = 96
    MEDIUM = 192
    LARGE = 384


class Thumbnails:
    """Pictures in the sizes of `ThumbnailSize`; those asked for last are kept. May be used from several threads.

    Args:
        picture: returns the picture file of an item, or raises.
    """

    def __init__(self, picture: Callable[[str], bytes]) -> None:
        self._picture = picture
        self.of = lru_cache(KEPT)(self._make)

    def _make(self, item_id: str, size: ThumbnailSize) -> bytes:
        """Return an item's picture with `size` pixels on its longest side, or as it is where it has no more."""
        data = self._picture(item_id)
        image, full = decode_at(data, lambda width, height: _fitting(width, height, size))
        if max(full) <= size:
            return data
        image = image.resize(_fitting(*full, size), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        if media_type_of(data) == "image/png":
            image.save(buffer, format="PNG", optimize=True)
        else:
            image.save(buffer, format="JPEG", quality=85, optimize=True)
        return buffer.getvalue()


def _fitting(width: int, height: int, size: int) -> tuple[int, int]:
    scale = min(1.0, size / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
