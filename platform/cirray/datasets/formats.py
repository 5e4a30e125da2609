"""Which picture formats are decoded, how their files begin, and how to see that one was cut short."""

from __future__ import annotations

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""The formats that are decoded; Pillow's others parse far more than pictures."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_BEGINNINGS = {
    "PNG": (PNG_SIGNATURE,),
    "JPEG": (b"\xff\xd8\xff",),
    "GIF": (b"GIF87a", b"GIF89a"),
    "TIFF": (b"II*\x00", b"MM\x00*"),
    "WEBP": (b"RIFF",),
    "BMP": (b"BM",),
}


def claimed_format(data: bytes) -> str | None:
    """Return the format whose signature `data` begins with, or None."""
    for kind, beginnings in _BEGINNINGS.items():
        if data.startswith(beginnings) and (kind != "WEBP" or data[8:12] in (b"", b"WEBP")):
            return kind
    return None


def is_cut_short(data: bytes) -> bool:
    """Return whether a file ends before its format says that it does.

    TIFF says nothing of its end, so a TIFF never counts as cut short here.
    """
    kind = claimed_format(data)
    if kind == "PNG":
        return b"IEND" not in data
    if kind == "JPEG":
        return b"\xff\xd9" not in data[-4096:]
    if kind == "GIF":
        return not data.rstrip(b"\x00").endswith(b";")
    if kind == "WEBP":
        return len(data) < 12 or len(data) < 8 + int.from_bytes(data[4:8], "little")
    if kind == "BMP":
        return len(data) < 14 or len(data) < int.from_bytes(data[2:6], "little")
    return False
