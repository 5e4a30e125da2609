"""Pictures of a realistic size for benchmarks, and the reader of a folder of them."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageFilter

from cirray.config import Choice
from cirray.datasets.schema import items_table, triplets_table
from cirray.datasets.source import Reader, Source, SourceTables, readers

SIZE = (375, 500)
"""Height and width: those of many photographs on the web, and of the measurements that others publish."""

DISTINCT = 48
"""Pictures that are drawn; the others are these again, told apart by a comment, so that making them takes no time."""

PNG_EVERY = 12
"""One picture in so many is a PNG, the others are JPEG."""


def write_pictures(folder: Path, count: int, seed: int) -> Path:
    """Write `count` pictures, 500 × 375, into a folder, each with bytes of its own, and return the folder."""
    folder.mkdir(parents=True)
    for number in range(count):
        data = _drawn(seed, number % DISTINCT)
        suffix = "png" if data.startswith(b"\x89PNG") else "jpg"
        (folder / f"{number:06d}.{suffix}").write_bytes(_with_comment(data, f"picture {number}".encode()))
    return folder


class BenchmarkPicturesConfig(Choice):
    """Settings of `BenchmarkPictures`: none."""

    name: Literal["benchmark-pictures"] = "benchmark-pictures"


@readers.register("benchmark-pictures")
class BenchmarkPictures(Reader):
    """Reads a folder of pictures; each one's query asks for the next one."""

    Config = BenchmarkPicturesConfig

    def read(self, source: Source) -> SourceTables:
        """Return the pictures of `source`, all in the split "train"."""
        paths = [file.path for file in source.files if Path(file.path).suffix in (".jpg", ".jpeg", ".png")]
        items = items_table(
            {"item_id": path, "path": path, "caption": "", "category": "", "attributes": [], "splits": ["train"]}
            for path in paths
        )
        triplets = triplets_table(
            {"query_id": path, "reference_id": path, "target_id": after, "texts": [f"replace {number % 97} with it"]}
            for number, (path, after) in enumerate(zip(paths, [*paths[1:], *paths[:1]], strict=True))
        )
        return SourceTables(items, {"train": triplets})


@cache
def _drawn(seed: int, number: int) -> bytes:
    return _encode(_draw(np.random.default_rng([seed, number])), number)


def _draw(generator: np.random.Generator) -> Image.Image:
    """Return a picture of soft shapes with some grain, which compresses about as a photograph does."""
    coarse = generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    soft = Image.fromarray(coarse).resize(SIZE[::-1], Image.Resampling.BICUBIC)
    edges = generator.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    sharp = Image.fromarray(edges).resize(SIZE[::-1], Image.Resampling.NEAREST).filter(ImageFilter.GaussianBlur(1))
    values = np.asarray(Image.blend(soft, sharp, 0.3), np.float32) + generator.normal(0, 6, (*SIZE, 1))
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def _encode(image: Image.Image, number: int) -> bytes:
    buffer = io.BytesIO()
    if number % PNG_EVERY == PNG_EVERY - 1:
        image.save(buffer, format="PNG")
    else:
        image.save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()


def _with_comment(data: bytes, comment: bytes) -> bytes:
    """Return the picture with a comment in its header, which no decoder minds."""
    if data.startswith(b"\x89PNG"):
        body = b"tEXtComment\0" + comment
        chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        return data[:33] + chunk + data[33:]  # after the signature and the header chunk
    return data[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + data[2:]
