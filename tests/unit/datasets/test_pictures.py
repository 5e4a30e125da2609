from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zlib

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from cirray.datasets.formats import FORMATS
from cirray.datasets.pictures import MAX_PIXELS, decode, decode_at, to_pixels
from cirray.errors import BadImageError

ORIENTATION, DESCRIPTION = 0x0112, 0x010E


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def gradient(height: int = 24, width: int = 32) -> Image.Image:
    down, across = np.mgrid[0:height, 0:width]
    channels = [255 * down / height, 255 * across / width, np.full((height, width), 80)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def exif_file(kind: str) -> bytes:
    image = gradient()
    exif = image.getexif()
    exif[ORIENTATION], exif[DESCRIPTION] = 6, "turned"
    return encoded(image, kind, exif=exif)


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that claims a size and has no pixels."""
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("kind", [name for name in FORMATS if name not in ("JPEG", "GIF", "WEBP")])
def test_lossless_formats_give_back_the_pixels(kind: str) -> None:
    image = gradient()
    np.testing.assert_array_equal(np.asarray(decode(encoded(image, kind))), np.asarray(image))


@pytest.mark.parametrize(("kind", "tolerance"), [("JPEG", 12), ("WEBP", 20), ("GIF", 40)])
def test_lossy_formats_give_back_nearly_the_pixels(kind: str, tolerance: int) -> None:
    found = np.asarray(decode(encoded(gradient(), kind))).astype(int)
    assert np.abs(found - np.asarray(gradient()).astype(int)).max() <= tolerance


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "RGBA", "LA"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    kind = {"CMYK": "JPEG", "YCbCr": "JPEG"}.get(mode, "PNG")
    assert decode(encoded(gradient().convert(mode), kind)).mode == "RGB"


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (2, 1), (200, 0, 0, 255))
    clear.putpixel((1, 0), (200, 0, 0, 0))
    assert decode(encoded(clear, "PNG")).getpixel((0, 0)) == (200, 0, 0)
    assert decode(encoded(clear, "PNG")).getpixel((1, 0)) == (255, 255, 255)


def test_a_transparent_colour_of_a_palette_is_laid_on_white() -> None:
    image = Image.new("P", (1, 1), 0)
    image.putpalette([10, 20, 30])
    assert decode(encoded(image, "PNG", transparency=0)).getpixel((0, 0)) == (255, 255, 255)


def test_16_bit_grey_is_scaled_and_not_clipped() -> None:
    grey = Image.fromarray(np.array([[0, 0x8000, 0xFFFF]], dtype=np.uint16))
    assert np.asarray(decode(encoded(grey, "PNG")))[0, :, 0].tolist() == [0, 128, 255]


def test_cmyk_becomes_the_colours_that_its_ink_gives() -> None:
    """Pillow writes CMYK as Adobe does, inverted, and says so in the file."""
    ink = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    data = encoded(ink, "JPEG", quality=100)
    assert b"Adobe" in data
    red, green, blue = np.asarray(decode(data))[8, 8].astype(int)
    assert red > 240
    assert max(green, blue) < 15


def test_16_bits_a_channel_keep_their_upper_half() -> None:
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    row = b"\x00" + struct.pack(">6H", 0, 0x8000, 0xFFFF, 0x1234, 0x00FF, 0xFF00)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    assert np.asarray(decode(data))[0].tolist() == [[0, 128, 255], [0x12, 0, 255]]


@pytest.mark.parametrize("values", [np.zeros((2, 2), np.float32), np.zeros((2, 2), np.int32)])
def test_values_of_no_known_range_are_refused(values: npt.NDArray[np.generic]) -> None:
    with pytest.raises(BadImageError, match="32 bits a pixel"):
        decode(encoded(Image.fromarray(values), "TIFF"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"not a picture", "not-an-image"),
        (b"", "not-an-image"),
        (png_header(100_000, 100_000), "too-large"),
        (png_header(5000, 5000), "too-large"),
        (encoded(gradient(), "PNG")[:80], "truncated"),
        (encoded(gradient(), "JPEG")[:400], "truncated"),
        (encoded(gradient(), "JPEG")[:5], "truncated"),
        (encoded(gradient(), "WEBP")[:-20], "truncated"),
        (encoded(gradient(), "BMP")[:-20], "truncated"),
        (png_header(8, 8).replace(b"IEND", b"IENX"), "truncated"),
        (encoded(gradient(), "PNG").replace(b"IDAT", b"IDAT" + bytes(8), 1), "undecodable"),
    ],
)
def test_the_error_says_which_of_the_reasons_it_is(data: bytes, reason: str) -> None:
    with pytest.raises(BadImageError) as raised:
        decode(data)
    assert raised.value.reason == reason


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_may_be_decoded_smaller_and_never_below_the_target(orientation: int) -> None:
    image = gradient(300, 500)
    exif = image.getexif()
    exif[ORIENTATION] = orientation
    small, full = decode_at(encoded(image, "JPEG", exif=exif), lambda width, height: (width // 3, height // 3))
    assert full == ((300, 500) if orientation >= 5 else (500, 300))
    assert small.size == (full[0] // 2, full[1] // 2)
    whole = decode(encoded(image, "JPEG", exif=exif)).resize(small.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(small).astype(int) - np.asarray(whole)).max() < 8


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pictures_are_turned_upright(kind: str) -> None:
    turned = decode(exif_file(kind))
    assert turned.size == (24, 32)
    upright = np.asarray(gradient().transpose(Image.Transpose.ROTATE_270)).astype(int)
    assert np.abs(np.asarray(turned).astype(int) - upright).mean() < 5


@pytest.mark.parametrize(
    "data",
    [b"", b"not a picture", b"<svg xmlns='http://www.w3.org/2000/svg'/>", encoded(gradient(), "PPM")],
    ids=["empty", "text", "svg", "format beyond the list"],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(BadImageError, match=r"are not a picture.*PNG"):
        decode(data)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_that_is_cut_short_is_refused(kind: str) -> None:
    data = encoded(gradient(), kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(BadImageError):
            decode(data[: len(data) // 2])


def test_the_number_of_pixels_is_limited_before_they_are_decoded() -> None:
    with pytest.raises(BadImageError, match="32 × 24 pixels; at most 767 are allowed"):
        decode(encoded(gradient(), "PNG"), max_pixels=32 * 24 - 1)
    assert decode(encoded(gradient(), "PNG"), max_pixels=32 * 24).size == (32, 24)


@pytest.mark.parametrize("side", [5000, 12_000, 100_000], ids=["above ours", "above Pillow's", "a bomb"])
def test_a_header_that_claims_too_many_pixels_is_refused(side: int) -> None:
    assert side * side > MAX_PIXELS
    with pytest.raises(BadImageError, match=r"pixels; at most|too large"):
        decode(png_header(side, side))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_a_broken_orientation_tag_is_no_other_error(kind: str) -> None:
    """With some of its bytes changed, Pillow fails to write the EXIF block again, with an error of `struct`."""
    data = exif_file(kind)
    start = data.index(b"MM\x00*") if b"MM\x00*" in data else data.index(b"II*\x00")
    for place in range(start, start + 40):
        for value in (0, 2, 7, 255):
            decode_or_refuse(data[:place] + bytes([value]) + data[place + 1 :])


BROKEN = [encoded(gradient(), kind) for kind in FORMATS] + [exif_file("JPEG")]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_broken_files_give_a_picture_or_the_one_error(data: st.DataObject) -> None:
    broken = bytearray(data.draw(st.sampled_from(BROKEN)))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(broken) - 1) | st.integers(0, 60))
        broken[place] = data.draw(st.integers(0, 255))
    decode_or_refuse(bytes(broken[: data.draw(st.integers(1, len(broken)))]))


def decode_or_refuse(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of tags that it skips.
        try:
            image = decode(data)
        except BadImageError:
            return
    assert image.mode == "RGB"


def test_to_pixels_gives_exactly_the_size() -> None:
    pixels = to_pixels(gradient(24, 32), 10, 7)
    assert pixels.shape == (10, 7, 3)
    assert pixels.dtype == np.uint8
    assert pixels[-1, 0, 0] > pixels[0, 0, 0]  # it still gets redder downwards


def test_to_pixels_leaves_the_right_size_alone() -> None:
    np.testing.assert_array_equal(to_pixels(gradient(24, 32), 24, 32), np.asarray(gradient(24, 32)))


@pytest.mark.parametrize("error", [TypeError("The fill character must be a unicode character"), KeyError(3)])
def test_whatever_pillow_raises_at_damaged_exif_is_a_bad_picture(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageOps, "exif_transpose", lambda image: _fail(error))
    with pytest.raises(BadImageError, match="cannot be decoded"):
        decode(exif_file("JPEG"))


def test_exif_with_one_byte_changed_is_decoded_or_refused() -> None:
    whole = exif_file("JPEG")
    start = whole.index(b"Exif")
    for place in range(start, start + 70):
        for value in (0, 1, 2, 7, 255):
            with contextlib.suppress(BadImageError):
                decode(whole[:place] + bytes([value]) + whole[place + 1 :])


def test_running_out_of_memory_is_no_fault_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageOps, "exif_transpose", lambda image, **_: _fail(MemoryError()))
    with pytest.raises(MemoryError):
        decode(exif_file("JPEG"))


def _fail(error: Exception) -> None:
    raise error
