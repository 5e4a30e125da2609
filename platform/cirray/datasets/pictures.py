"""From encoded bytes to pixels, within limits."""

from __future__ import annotations

import io
import warnings

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from cirray.errors import BadImageError

MAX_PIXELS = 20_000_000
"""Pictures above 20 megapixels are refused: decoded they take over 60 MB, and no encoder sees that detail."""

MAX_SCANS = 100
"""Scans of a progressive JPEG, of which encoders make about ten."""

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""The formats that are decoded; Pillow's others parse far more than pictures."""

Pixels = npt.NDArray[np.uint8]


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Return the picture that `data` encodes, upright and in RGB; transparency is laid on white.

    Raises:
        BadImageError: it is no picture of a known format, is cut short, or is too large.
    """
    try:
        with warnings.catch_warnings():
            # What Pillow warns of, such as damaged EXIF data, does no harm to the pixels.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            _check_scans(data)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            if image.width * image.height > max_pixels:
                raise BadImageError(
                    f"The picture has {image.width} × {image.height} pixels; at most {max_pixels:,} are allowed.",
                    hint="Scale it down first.",
                )
            image.load()
            return _to_rgb(ImageOps.exif_transpose(image))
    except (BadImageError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise BadImageError(
            f"These {len(data)} bytes are not a picture.", hint=f"Give one of: {', '.join(FORMATS)}."
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImageError(f"The picture is too large: {error}.", hint="Scale it down first.") from None
    except Exception as error:
        # Damaged files, and most of all damaged EXIF, bring up errors of every kind from within Pillow.
        raise BadImageError(f"The picture cannot be decoded: {error}.", hint="It may be cut short.") from None


def to_pixels(image: Image.Image, height: int, width: int) -> Pixels:
    """Return the picture as (height, width, 3) uint8, scaled to exactly that size (bilinear)."""
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.uint8)


def _check_scans(data: bytes) -> None:
    """Make sure that a JPEG does not go over its pixels without end.

    A file of a few kilobytes may hold thousands of scans, each of which takes as long as a whole picture.

    Raises:
        BadImageError: it does.
    """
    if data.startswith(b"\xff\xd8") and (scans := data.count(b"\xff\xda")) > MAX_SCANS:
        raise BadImageError(f"The JPEG has {scans:,} scans; at most {MAX_SCANS} are allowed.", hint="Encode it anew.")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    if image.mode.startswith("I;16"):
        # Pillow clips 16-bit grey to 8 bits instead of scaling it.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")
