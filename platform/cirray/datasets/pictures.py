"""From encoded bytes to pixels, within limits."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from cirray.datasets.fitting import Fit, fitted
from cirray.datasets.formats import FORMATS, claimed_format, is_cut_short
from cirray.errors import BadImageError

MAX_PIXELS = 20_000_000
"""Pictures above 20 megapixels are refused: decoded they take over 60 MB, and no encoder sees that detail."""

MAX_SCANS = 100
"""Scans of a progressive JPEG, of which encoders make about ten."""

Pixels = npt.NDArray[np.uint8]

_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
"""Values of the EXIF orientation that swap width and height."""

TargetSize = Callable[[int, int], tuple[int, int]]
"""From the width and height of a picture to those that it will be scaled to."""


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Return the picture that `data` encodes, upright and in RGB; transparency is laid on white.

    Raises:
        BadImageError: it is no picture of a known format, is cut short, or has more than `max_pixels`; `reason` tells
            which.
    """
    return decode_at(data, None, max_pixels)[0]


def decode_at(
    data: bytes, target: TargetSize | None, max_pixels: int = MAX_PIXELS
) -> tuple[Image.Image, tuple[int, int]]:
    """Return the picture as `decode` does, but perhaps smaller, and the width and height that it has in full.

    Pillow decodes, on libjpeg-turbo. torchvision's decoder takes a fifth to a half of the time less, but is to be
    removed, costs each process seconds and hundreds of megabytes at its start, and takes some damaged files that
    Pillow refuses.

    Args:
        data: the file.
        target: from the width and height of a picture to those that the caller will scale it to; for the swapped
            ones it must give the swapped result. A JPEG that is at least twice as large is decoded at a half, a
            quarter or an eighth of its size, never below that.
        max_pixels: pictures with more are refused, before their pixels are decoded.

    Raises:
        BadImageError: as for `decode`.
    """
    try:
        with warnings.catch_warnings():
            # What Pillow warns of, such as damaged EXIF data, does no harm to the pixels.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            _check_scans(data)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            width, height = image.size
            if width * height > max_pixels:
                raise BadImageError(
                    f"The picture has {width} × {height} pixels; at most {max_pixels:,} are allowed.",
                    hint="Scale it down first.",
                    reason="too-large",
                )
            if target is not None:
                image.draft(None, target(width, height))
            image.load()
            turned = image.getexif().get(_ORIENTATION) in _SIDEWAYS
            # Without `in_place` it copies every picture, for half the time of decoding it.
            ImageOps.exif_transpose(image, in_place=True)
            return _to_rgb(image), (height, width) if turned else (width, height)
    except (BadImageError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise _unidentified(data) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImageError(
            f"The picture is too large: {error}.", hint="Scale it down first.", reason="too-large"
        ) from None
    except Exception as error:
        # Damaged files, and most of all damaged EXIF, bring up errors of every kind from within Pillow.
        reason = "truncated" if "truncated" in str(error).lower() or is_cut_short(data) else "undecodable"
        raise BadImageError(
            f"The picture cannot be decoded: {error}.", hint="It may be cut short.", reason=reason
        ) from None


def to_pixels(image: Image.Image, height: int, width: int, fit: Fit = "stretch") -> Pixels:
    """Return the picture as (height, width, 3) uint8, brought to exactly that size as `fit` says (bilinear)."""
    return fitted(image, height, width, fit)


def _check_scans(data: bytes) -> None:
    """Make sure that a JPEG does not go over its pixels without end.

    A file of a few kilobytes may hold thousands of scans, each of which takes as long as a whole picture.

    Raises:
        BadImageError: it does.
    """
    if data.startswith(b"\xff\xd8") and (scans := _count_scans(data)) > MAX_SCANS:
        raise BadImageError(
            f"The JPEG has {scans:,} scans; at most {MAX_SCANS} are allowed.",
            hint="Encode it anew.",
            reason="too-large",
        )


def _count_scans(data: bytes) -> int:
    """Return how often the marker that begins a scan, FF DA, occurs; `bytes.count` takes five times as long."""
    values = np.frombuffer(data, np.uint8)
    return int(np.count_nonzero((values[:-1] == 0xFF) & (values[1:] == 0xDA)))


def _unidentified(data: bytes) -> BadImageError:
    kind = claimed_format(data)
    if kind is None:
        return BadImageError(
            f"These {len(data)} bytes are not a picture.",
            hint=f"Give one of: {', '.join(FORMATS)}.",
            reason="not-an-image",
        )
    return BadImageError(
        f"These {len(data)} bytes begin like a {kind} but are not a picture.",
        hint=f"Give one of: {', '.join(FORMATS)}.",
        reason="truncated" if is_cut_short(data) else "undecodable",
    )


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
    if image.mode in ("I", "F"):
        # Converted, all above 255 would be white; and no standard says which value is.
        raise BadImageError("The picture has 32 bits a pixel, of no known range.", hint="Store it with 8 or 16 bits.")
    # CMYK comes as the ink that is meant: Pillow has turned Adobe's inverted values around.
    return image.convert("RGB")
