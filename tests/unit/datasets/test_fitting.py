"""What of a picture is seen at a given size: against the definition pixel by pixel, and the papers' own steps."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from torchvision.transforms import functional as tv

from cirray.datasets import Fit, to_pixels

Pixels = npt.NDArray[np.uint8]
FITS: tuple[Fit, ...] = get_args(Fit)


def picture(height: int, width: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def smooth(height: int, width: int) -> Image.Image:
    rows, columns = np.mgrid[0:height, 0:width]
    channels = [255 * rows / height, 255 * columns / width, 127 + 127 * np.sin(rows / 20 + columns / 16)]
    return Image.fromarray(np.stack(channels, axis=2).astype(np.uint8))


def naive_scales(height: int, width: int, target: tuple[int, int], fit: Fit) -> tuple[float, float]:
    """Return how many pixels of the picture become one, downwards and sideways, from the words of `Fit`."""
    down, across = height / target[0], width / target[1]
    if fit == "stretch":
        return down, across
    if fit == "crop":
        both = down if down < across else across
    elif fit == "pad":
        both = across if down < across else down
    elif max(down, across) / min(down, across) <= 1.25:
        both = min(down, across)
    else:  # the padded picture is 1.25 times as long as the target's shape, and then cropped
        both = max(down, across) / 1.25
    return both, both


def naive_weights(length: int, scale: float, target: int, fit: Fit) -> list[dict[int, float]]:
    """Return, for each pixel of the target along one axis, the weights of the picture's: none where it is black."""
    covered = min(target, max(1, round(length / scale)))
    taken = min(length, target * scale)
    before = (target - covered) // 2
    found: list[dict[int, float]] = []
    for number in range(target):
        place = number - before
        if not 0 <= place < covered:
            if fit != "pad":
                found.append({})
                continue
            while not 0 <= place < covered:  # mirrored at the edge, again and again
                place = -1 - place if place < 0 else 2 * covered - 1 - place
        step = taken / covered
        centre = (length - taken) / 2 + (place + 0.5) * step
        reach = max(1.0, step)
        weights = {at: 1 - abs(at + 0.5 - centre) / reach for at in range(length) if abs(at + 0.5 - centre) < reach}
        total = math.fsum(weights.values())
        found.append({at: weight / total for at, weight in weights.items()})
    return found


def naive(image: Image.Image, height: int, width: int, fit: Fit) -> npt.NDArray[np.float64]:
    source = np.asarray(image)
    scales = naive_scales(image.height, image.width, (height, width), fit)
    rows = naive_weights(image.height, scales[0], height, fit)
    columns = naive_weights(image.width, scales[1], width, fit)
    found = np.zeros((height, width, 3))
    for row, down in enumerate(rows):
        for column, across in enumerate(columns):
            for channel in range(3):
                found[row, column, channel] = math.fsum(
                    a * b * int(source[y, x, channel]) for y, a in down.items() for x, b in across.items()
                )
    return found


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(
    ("size", "target"),
    [
        ((9, 5), (4, 4)),
        ((5, 9), (4, 4)),
        ((12, 10), (5, 5)),
        ((10, 12), (6, 3)),
        ((3, 20), (8, 8)),
        ((2, 3), (6, 5)),
        ((1, 40), (4, 6)),
    ],
)
def test_it_is_what_the_definition_says(size: tuple[int, int], target: tuple[int, int], fit: Fit) -> None:
    image = picture(*size)
    found = to_pixels(image, *target, fit)
    # Pillow rounds to whole numbers after each axis.
    np.testing.assert_allclose(found, naive(image, *target, fit), atol=1.6)


@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)), st.tuples(st.integers(1, 40), st.integers(1, 40)), st.data()
)
@settings(max_examples=80, deadline=None)
def test_it_has_exactly_the_size_and_nothing_is_made_up(
    size: tuple[int, int], target: tuple[int, int], data: st.DataObject
) -> None:
    fit = data.draw(st.sampled_from(FITS))
    found = to_pixels(Image.new("RGB", size[::-1], (200, 100, 50)), *target, fit)
    assert found.shape == (*target, 3)
    assert found.dtype == np.uint8
    black = (found == 0).all(axis=2)
    assert ((found == (200, 100, 50)).all(axis=2) | black).all()
    assert fit == "target-pad" or not black.any()


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("times", [1, 3])
def test_pictures_of_the_right_shape_are_only_scaled(fit: Fit, times: int) -> None:
    image = smooth(24 * times, 36 * times)
    expected = np.asarray(image.resize((36, 24), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(to_pixels(image, 24, 36, fit), expected)


def test_stretch_is_a_plain_resize() -> None:
    image = picture(31, 57)
    expected = np.asarray(image.resize((11, 17), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(to_pixels(image, 17, 11), expected)


@pytest.mark.parametrize("size", [(120, 180), (180, 120), (96, 200), (64, 64), (40, 90)])
def test_crop_is_tirgs_resize_and_centre_crop(size: tuple[int, int]) -> None:
    image = smooth(*size)
    resized = tv.resize(image, [64], Image.Resampling.BILINEAR)
    assert_alike(to_pixels(image, 64, 64, "crop"), np.asarray(tv.center_crop(resized, [64, 64])))


@pytest.mark.parametrize("size", [(120, 180), (180, 120), (96, 200), (64, 64), (300, 90)])
def test_pad_is_rtics_resize_and_mirrored_margins(size: tuple[int, int]) -> None:
    image = smooth(*size)
    inside = ImageOps.contain(image, (64, 64), Image.Resampling.BILINEAR)
    left, top = (64 - inside.width) // 2, (64 - inside.height) // 2
    margins = [left, top, 64 - inside.width - left, 64 - inside.height - top]
    assert_alike(to_pixels(image, 64, 64, "pad"), np.asarray(tv.pad(inside, margins, padding_mode="symmetric")))


@pytest.mark.parametrize("size", [(120, 180), (180, 120), (96, 200), (64, 64), (110, 100), (300, 90)])
def test_target_pad_is_clip4cirs_padding_resize_and_centre_crop(size: tuple[int, int]) -> None:
    image = smooth(*size)
    short = math.ceil(max(size) / 1.25)
    margins = [max(0, short - image.width) // 2, max(0, short - image.height) // 2]
    padded = tv.pad(image, margins, 0)
    expected = np.asarray(tv.center_crop(tv.resize(padded, [64], Image.Resampling.BILINEAR), [64, 64]))
    found = to_pixels(image, 64, 64, "target-pad")
    # Where the picture ends, a shift of less than a pixel counts in full.
    inner = ~(dilated((expected == 0).all(axis=2)) | dilated((found == 0).all(axis=2)))
    assert inner.mean() > 0.25
    assert_alike(found[inner], expected[inner])
    differing = (found == 0).all(axis=2) != (expected == 0).all(axis=2)
    assert differing.mean() <= 2 / 64


def dilated(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    wide = np.pad(mask, 2)
    return np.asarray(np.any([wide[y : y + 64, x : x + 64] for y in range(5) for x in range(5)], axis=0))


def assert_alike(found: Pixels, expected: Pixels) -> None:
    """Make sure that two pictures differ by no more than what a shift by a pixel makes of smooth ones."""
    difference = np.abs(found.astype(int) - expected.astype(int))
    assert difference.mean() < 4
    assert difference.max() < 50


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(1, 500_000), (500_000, 1)])
def test_a_picture_that_is_all_length_takes_no_more_room_than_any(size: tuple[int, int], fit: Fit) -> None:
    assert to_pixels(Image.new("RGB", size, "white"), 32, 32, fit).shape == (32, 32, 3)
