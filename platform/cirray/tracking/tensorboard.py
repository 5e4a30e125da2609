"""TensorBoard's event file in the folder of a run, on a disk or in a bucket."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Sequence
from typing import Literal

from cirray.storage import Location
from cirray.tracking.summary import Point
from cirray.tracking.tracker import Tracker, TrackerConfig, trackers

EVENTS = "events.out.tfevents.cirray"
"""Name of the file; TensorBoard looks for "tfevents" in names."""

_LENGTH, _CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")
_AROUND = _LENGTH.size + 2 * _CHECKSUM.size


class TensorboardConfig(TrackerConfig):
    """Settings of `Tensorboard`."""

    name: Literal["tensorboard"] = "tensorboard"


@trackers.register("tensorboard")
class Tensorboard(Tracker):
    """Writes one event an epoch with all its values, so that an epoch is in the file as a whole or not at all.

    What is there already is read from the file itself. In a folder it is appended to, since a TensorBoard that is
    looking on keeps the file open; an object store knows no appending, and gets the file whole.
    """

    Config = TensorboardConfig

    def write(self, points: Sequence[Point]) -> None:
        """Write the points after the last in the file.

        Raises:
            StorageError: the file cannot be read or written.
        """
        place = self.run.folder / EVENTS
        held = place.read() if place.exists() else b""
        whole, last = _written(held)
        added = b"".join(_record(_event(point)) for point in points if point.epoch > last)
        if not added:
            return
        if not whole:
            added = _record(_first_event()) + added
        if place.is_local and held and whole == len(held):
            _append(place, added)
        else:
            place.write(held[:whole] + added)


def _append(place: Location, data: bytes) -> None:
    with open(place.path, "ab") as stream:
        stream.write(data)


def _written(held: bytes) -> tuple[int, int]:
    """Return how many bytes of a file are whole records, and the last epoch in them, 0 where there is none."""
    from tensorboardX.proto.event_pb2 import Event

    end, last = 0, 0
    for start, stop in _records(held):
        end, last = stop + _CHECKSUM.size, Event.FromString(held[start:stop]).step
    return end, last


def _records(held: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the content of each whole record begins and ends; what was cut off at the end is left out."""
    at = 0
    while at + _AROUND <= len(held):
        (length,) = _LENGTH.unpack_from(held, at)
        if at + _AROUND + length > len(held):
            return
        start = at + _LENGTH.size + _CHECKSUM.size
        yield start, start + length
        at += _AROUND + length


def _record(content: bytes) -> bytes:
    from tensorboardX.record_writer import masked_crc32c

    length = _LENGTH.pack(len(content))
    checksums = (_CHECKSUM.pack(masked_crc32c(part)) for part in (length, content))
    return length + next(checksums) + content + next(checksums)


def _first_event() -> bytes:
    from tensorboardX.proto.event_pb2 import Event

    return bytes(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())


def _event(point: Point) -> bytes:
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary

    values = [Summary.Value(tag=name, simple_value=value) for name, value in point.values.items()]
    event = Event(wall_time=time.time(), step=point.epoch, summary=Summary(value=values))
    return bytes(event.SerializeToString())
