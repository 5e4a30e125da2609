"""Small pictures for pages that hold all they show."""

from __future__ import annotations

import base64
import io

from PIL import Image

from cirray.datasets.pictures import decode_at

THUMBNAIL = 96
"""Longest side, in pixels."""


def thumbnail_uri(data: bytes) -> str:
    """Return an encoded picture, made small, as a data URI.

    Raises:
        BadImageError: it is no picture.
    """
    image, _ = decode_at(data, _fitting)
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _fitting(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, THUMBNAIL / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
