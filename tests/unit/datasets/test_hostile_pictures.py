"""Files that are called pictures: taken or refused, and nothing else."""

from __future__ import annotations

import contextlib
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cirray.datasets import decode
from cirray.errors import BadImageError
from tests.hostile_pictures import BROKEN, ODD, REASONS

SIGNATURES = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*", b"RIFF"]

CALM = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_picture_is_refused_in_little_memory(kind: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BadImageError) as raised:
            decode(BROKEN[kind])
        assert raised.value.reason == REASONS[kind]
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ODD)
def test_odd_pictures_are_pictures(kind: str) -> None:
    image = decode(ODD[kind])
    assert image.mode == "RGB"
    turned = kind in ("jpeg-orientation-6", "jpeg-orientation-8")
    if "pixel" not in kind:
        assert image.size == ((24, 32) if turned else (32, 24))


@CALM
@given(data=st.data(), kind=st.sampled_from(sorted(ODD)))
def test_damaged_bytes_are_a_picture_or_a_bad_one(data: st.DataObject, kind: str) -> None:
    content = bytearray(ODD[kind])
    places = st.integers(0, len(content) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=12)):
        content[place] = value
    cut = data.draw(st.integers(1, len(content)) | st.just(len(content)))
    try:
        image = decode(bytes(content[:cut]), max_pixels=1_000_000)
    except BadImageError:
        return
    assert image.mode == "RGB"
    assert image.width * image.height <= 1_000_000


@CALM
@given(
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*", b"RIFF"]),
    st.binary(),
)
def test_bytes_after_a_signature_are_a_picture_or_a_bad_one(signature: bytes, rest: bytes) -> None:
    with contextlib.suppress(BadImageError):
        assert decode(signature + rest, max_pixels=1_000_000).mode == "RGB"
