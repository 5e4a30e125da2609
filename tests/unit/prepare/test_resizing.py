from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from cirray.config import override
from cirray.datasets import decode
from cirray.prepare import PrepareConfig
from cirray.prepare.part import check_picture

BASE = PrepareConfig.of("css-2d")


def config(rule: str, size: int = 32) -> PrepareConfig:
    return override(BASE, [f"resize={rule}", f"size={size}"])


def picture(height: int, width: int, kind: str = "PNG") -> bytes:
    down = np.linspace(0, 255, height)[:, None, None]
    pixels = np.broadcast_to(down, (height, width, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("rule", "size", "then"),
    [
        ("none", (96, 48), (96, 48)),
        ("longest-side", (96, 48), (32, 16)),
        ("longest-side", (48, 97), (16, 32)),
        ("longest-side", (32, 20), (32, 20)),
        ("longest-side", (20, 10), (20, 10)),
        ("longest-side", (3000, 1), (32, 1)),
        ("shortest-side", (96, 48), (64, 32)),
        ("shortest-side", (96, 20), (96, 20)),
        ("pad", (96, 48), (32, 32)),
        ("pad", (10, 5), (32, 32)),
        ("stretch", (96, 48), (32, 32)),
        ("stretch", (10, 5), (32, 32)),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_each_rule_gives_its_size(rule: str, size: tuple[int, int], then: tuple[int, int], kind: str) -> None:
    data = picture(size[1], size[0], kind)
    found = check_picture(data, config(rule))
    assert (found.width, found.height) == decode(found.data).size == then
    assert Image.open(io.BytesIO(found.data)).format == kind
    assert (found.data == data) == (size == then)


@pytest.mark.parametrize(("kind", "then"), [("PNG", "PNG"), ("JPEG", "JPEG"), ("BMP", "JPEG"), ("WEBP", "JPEG")])
def test_only_png_stays_png(kind: str, then: str) -> None:
    assert Image.open(io.BytesIO(check_picture(picture(64, 64, kind), config("stretch")).data)).format == then


def test_margins_are_white_and_on_both_sides() -> None:
    found = np.asarray(decode(check_picture(picture(40, 80), config("pad")).data))
    assert (found[:8] == 255).all()
    assert (found[24:] == 255).all()
    assert (found[8:20] < 255).all()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_scaling_keeps_what_the_picture_shows(kind: str) -> None:
    found = np.asarray(decode(check_picture(picture(256, 256, kind), config("stretch")).data)).astype(int)
    assert np.abs(found[:, 0, 0] - np.linspace(4, 251, 32)).max() < 4


def test_a_picture_on_its_side_is_scaled_by_its_upright_sides() -> None:
    image = Image.open(io.BytesIO(picture(64, 128)))
    exif = image.getexif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", exif=exif)
    found = check_picture(buffer.getvalue(), config("longest-side"))
    assert (found.width, found.height) == decode(found.data).size == (16, 32)
