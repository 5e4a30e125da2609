"""The rules by which pictures are scaled."""

from __future__ import annotations

from PIL import Image

from cirray.prepare.config import PartConfig


def target_size(width: int, height: int, config: PartConfig) -> tuple[int, int]:
    """Return the width and height to which a picture is scaled; for "pad", without the margins."""
    size = config.size
    if config.resize == "none":
        return width, height
    if config.resize == "stretch":
        return size, size
    side = min(width, height) if config.resize == "shortest-side" else max(width, height)
    if side <= size and config.resize != "pad":
        return width, height
    return max(1, round(width * size / side)), max(1, round(height * size / side))


def resized(image: Image.Image, size: tuple[int, int], config: PartConfig) -> Image.Image:
    """Return an RGB picture scaled to `size`, the result of `target_size`, and with "pad" its margins.

    Lanczos: it keeps most detail at few pixels, and costs little beside decoding.
    """
    scaled = image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
    square = (config.size, config.size)
    if config.resize != "pad" or scaled.size == square:
        return scaled
    padded = Image.new("RGB", square, "white")
    padded.paste(scaled, ((square[0] - scaled.width) // 2, (square[1] - scaled.height) // 2))
    return padded
