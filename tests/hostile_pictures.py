"""Files that are called pictures and are none, and pictures so odd that people think them broken."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

SIZE = (32, 24)
_NOISE = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 4), dtype=np.uint8)


def encoded(format_: str, mode: str = "RGB", size: tuple[int, int] = SIZE, **options: Any) -> bytes:
    """Return noise as a picture file."""
    buffer = io.BytesIO()
    Image.fromarray(_NOISE).convert("RGB").resize(size).convert(mode).save(buffer, format_, **options)
    return buffer.getvalue()


def png(width: int, height: int, data: bytes = b"", *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of 8-bit RGB that says what size it is, whatever its data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    every = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in every
    )
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg_of_size(width: int, height: int) -> bytes:
    """Return a small JPEG whose frame header was changed to another size."""
    data = bytearray(encoded("JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def _animation(format_: str) -> bytes:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", SIZE, colour) for colour in ("red", "green", "blue")]
    frames[0].save(buffer, format_, save_all=True, append_images=frames[1:], duration=50)
    return buffer.getvalue()


def _rotated(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded("JPEG", exif=exif)


def _sixteen_bits() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(_NOISE[..., 0].astype(np.uint16) << 8).save(buffer, "PNG")
    return buffer.getvalue()


def _palette_with_transparency() -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(_NOISE).convert("RGB").quantize(16)
    image.save(buffer, "PNG", transparency=bytes(range(0, 256, 16)))
    return buffer.getvalue()


def _scans(count: int) -> bytes:
    data = encoded("JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * count + data[-2:]


_JPEG, _PNG, _GIF, _BMP = (encoded(name) for name in ("JPEG", "PNG", "GIF", "BMP"))
_WEBP, _TIFF = encoded("WEBP", lossless=True), encoded("TIFF")

BROKEN: dict[str, bytes] = {
    "jpeg-cut-in-half": _JPEG[: len(_JPEG) // 2],
    "jpeg-of-two-bytes": _JPEG[:2],
    "jpeg-without-its-head": _JPEG[20:],
    "jpeg-with-no-data": _JPEG[: _JPEG.index(b"\xff\xda")] + b"\xff\xd9",
    "jpeg-of-no-width": jpeg_of_size(0, 24),
    "jpeg-of-four-gigapixels": jpeg_of_size(65_500, 65_500),
    "jpeg-of-ten-thousand-scans": _scans(10_000),
    "png-cut-in-half": _PNG[: len(_PNG) // 2],
    "png-signature-alone": _PNG[:8],
    "png-without-data": png(32, 24),
    "png-of-no-size": png(0, 0),
    "png-of-no-height": png(32, 0),
    "png-bomb-that-says-so": png(50_000, 50_000, bytes(50_000)),
    "png-bomb-of-all-32-bits": png(0x7FFFFFFF, 0x7FFFFFFF),
    "png-one-pixel-too-many": png(20_000_001, 1),
    "png-with-a-bomb-for-a-comment": png(
        32, 24, bytes(97 * 24), (b"zTXt", b"k\x00\x00" + zlib.compress(bytes(80 << 20)))
    ),
    "png-with-a-wrong-checksum": _PNG[:29] + b"\0\0\0\0" + _PNG[33:],
    "gif-cut-in-half": _GIF[: len(_GIF) // 2],
    "gif-signature-alone": b"GIF89a",
    "gif-of-four-gigapixels": b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + _GIF[10:],
    "bmp-cut-in-half": _BMP[: len(_BMP) // 2],
    "bmp-of-a-huge-size": _BMP[:18] + struct.pack("<ii", 2**30, 2**30) + _BMP[26:],
    "webp-cut-in-half": _WEBP[: len(_WEBP) // 2],
    "webp-head-alone": _WEBP[:12],
    "tiff-cut-in-half": _TIFF[: len(_TIFF) // 2],
    "tiff-whose-directory-is-nowhere": _TIFF[:4] + b"\xff\xff\xff\x7f" + _TIFF[8:],
    "html": b"<!DOCTYPE html><html><title>404 Not Found</title></html>",
    "json": b'{"error": "access denied"}',
    "xml-of-a-bucket": b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>',
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "pdf": b"%PDF-1.7\n1 0 obj <<>> endobj",
    "plain-text": b"a red dress",
    "one-byte": b"\xff",
    "zeros": bytes(4096),
    "gzip": b"\x1f\x8b\x08" + bytes(100),
    "zip": b"PK\x03\x04" + bytes(100),
    "ico": encoded("ICO"),
    "ppm": encoded("PPM"),
    "lfs-pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
}
"""All to be rejected, each for what `REASONS` says of it."""

REASONS: dict[str, str] = {
    **dict.fromkeys(BROKEN, "not-an-image"),
    **{kind: "truncated" for kind in BROKEN if kind.endswith(("-cut-in-half", "-signature-alone", "-head-alone"))},
    "png-without-data": "truncated",
    **{kind: "too-large" for kind in BROKEN if kind.endswith(("-gigapixels", "-scans", "-too-many", "-huge-size"))},
    **dict.fromkeys(("png-bomb-that-says-so", "png-bomb-of-all-32-bits"), "too-large"),
    **{kind: "undecodable" for kind in BROKEN if kind.endswith(("-no-data", "-no-size", "-no-width", "-no-height"))},
    "png-with-a-bomb-for-a-comment": "undecodable",
    "png-with-a-wrong-checksum": "undecodable",
    "tiff-whose-directory-is-nowhere": "undecodable",
}

ODD: dict[str, bytes] = {
    "jpeg-cmyk": encoded("JPEG", "CMYK"),
    "jpeg-grey": encoded("JPEG", "L"),
    "jpeg-progressive": encoded("JPEG", progressive=True),
    "jpeg-with-rubbish-at-its-end": _JPEG + b"rubbish" * 100,
    "jpeg-with-damaged-exif": encoded("JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff"),
    **{f"jpeg-orientation-{number}": _rotated(number) for number in (1, 3, 6, 8, 99)},
    "jpeg-of-one-pixel": encoded("JPEG", size=(1, 1)),
    "jpeg-one-pixel-wide": encoded("JPEG", size=(1, 3000)),
    "png-16-bit": _sixteen_bits(),
    "png-palette": encoded("PNG", "P"),
    "png-palette-with-transparency": _palette_with_transparency(),
    "png-alpha": encoded("PNG", "RGBA"),
    "png-grey-and-alpha": encoded("PNG", "LA"),
    "png-of-one-bit": encoded("PNG", "1"),
    "png-animated": _animation("PNG"),
    "gif": _GIF,
    "gif-animated": _animation("GIF"),
    "webp-animated": _animation("WEBP"),
    "webp": _WEBP,
    "tiff": _TIFF,
    "tiff-cmyk": encoded("TIFF", "CMYK"),
    "bmp": _BMP,
    "bmp-grey": encoded("BMP", "L"),
}
"""All to be taken, whatever the name of the file says."""
