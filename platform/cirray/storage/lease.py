"""A lease: who works on something at a place, so that nobody else does at the same time.

It is one small file, written conditionally. Its holder writes it again every few seconds; whoever finds it held
watches whether that goes on. No clocks are compared: a lease is stale once its file did not change for a while under
the eyes of the one who wants it, or at once where its holder was a process of this machine that is gone.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from cirray.config import Config
from cirray.errors import ConflictError, StorageError
from cirray.storage import conditional
from cirray.storage.location import Location

BEAT_S = 3.0
"""Seconds between two signs of life."""

STALE_S = 30.0
"""Seconds without a sign of life after which a lease is free for others."""


class _Record(Config):
    """What the file says. An empty owner is nobody; an empty machine is one without /proc.

    Attributes:
        owner: drawn at random by who holds it.
        told: the holder in words.
        machine: boot of a machine and the namespace of its process numbers.
        pid: process number of the holder.
        born: when that process was born, in clock ticks since the boot.
        beat: signs of life so far.
    """

    owner: str = ""
    told: str = ""
    machine: str = ""
    pid: int = 0
    born: str = ""
    beat: int = 0


@dataclass
class _Held:
    record: _Record
    tag: str


def check_lease(place: Location, owner: str) -> bool:
    """Return whether the lease at `place` is still that of `owner`.

    Raises:
        StorageError: it cannot be read.
    """
    found = _read(place)
    return found is not None and found.record.owner == owner


@contextmanager
def lease(
    place: Location,
    *,
    say: Callable[[str], None] = lambda text: None,
    beat_s: float = BEAT_S,
    stale_s: float = STALE_S,
) -> Iterator[str]:
    """Hold the lease whose file is at `place` in the block; yield its owner, to ask for with `check_lease`.

    Args:
        place: of the file.
        say: hears why this waits, where it does.
        beat_s: seconds between two signs of life.
        stale_s: seconds that a holder who gives none is waited for.

    Raises:
        ConflictError: somebody else holds it, and is alive.
        StorageError: it cannot be written.
    """
    held = _take(place, say, beat_s, stale_s)
    over = threading.Event()
    beating = threading.Thread(target=_beat, args=(place, held, over, beat_s), name="lease", daemon=True)
    beating.start()
    try:
        yield held.record.owner
    finally:
        over.set()
        beating.join()
        _give_back(place, held)


def _take(place: Location, say: Callable[[str], None], beat_s: float, stale_s: float) -> _Held:
    own = _own_record()
    conditional.create(place, _bytes(own))
    found = _read(place)
    if found is None:
        raise ConflictError(f"{place} was deleted by somebody else in between.", hint="Try again.")
    if found.record.owner == own.owner:
        return found
    if found.record.owner and not _is_gone(found.record):
        _outwait(place, found, say, beat_s, stale_s)
    return _Held(own, conditional.replace(place, _bytes(own), found.tag))


def _outwait(place: Location, found: _Held, say: Callable[[str], None], beat_s: float, stale_s: float) -> None:
    """Return once the holder gave no sign of life for long enough; raise at the first one."""
    say(f"{place} is held by {found.record.told}: waiting for a sign of life, {stale_s:g} s at most")
    end = time.monotonic() + stale_s
    while time.monotonic() < end:
        time.sleep(min(beat_s, stale_s) / 4)
        now = _read(place)
        if now is None or now.tag != found.tag:
            raise ConflictError(
                f"{place} is held by {(now or found).record.told}, which is alive.",
                hint="Wait until that is done, or end it first.",
            )


def _beat(place: Location, held: _Held, over: threading.Event, beat_s: float) -> None:
    while not over.wait(beat_s):
        record = held.record.model_copy(update={"beat": held.record.beat + 1})
        try:
            held.tag = conditional.replace(place, _bytes(record), held.tag)
            held.record = record
        except ConflictError:
            # It may be our own write, of which only the answer was lost.
            if not _refreshed(place, held):
                return
        except StorageError:
            continue  # the store may be back at the next beat


def _refreshed(place: Location, held: _Held) -> bool:
    """Take over what the file says now; return whether that is still ours, as far as one can tell."""
    try:
        found = _read(place)
    except StorageError:
        return True
    if found is None or found.record.owner != held.record.owner:
        return False
    held.record, held.tag = found.record, found.tag
    return True


def _give_back(place: Location, held: _Held) -> None:
    try:
        if _refreshed(place, held):
            conditional.replace(place, _bytes(_Record(told=held.record.told)), held.tag)
    except StorageError:
        return  # it will go stale


def _read(place: Location) -> _Held | None:
    found = conditional.read_with_tag(place)
    if found is None:
        return None
    try:
        return _Held(_Record.model_validate_json(found[0]), found[1])
    except ValidationError:
        return _Held(_Record(owner="?", told="somebody that this version does not know"), found[1])


def _bytes(record: _Record) -> bytes:
    return record.model_dump_json().encode()


def _own_record() -> _Record:
    pid = os.getpid()
    return _Record(
        owner=uuid.uuid4().hex,
        told=f"process {pid} of {socket.gethostname()}",
        machine=_machine(),
        pid=pid,
        born=_born(pid) or "",
    )


def _is_gone(record: _Record) -> bool:
    """Return whether the holder is known to have ended: only where it was a process that would be seen from here."""
    return bool(record.machine) and record.machine == _machine() and _born(record.pid) != record.born


def _machine() -> str:
    try:
        # Two containers of one machine see different processes under the same number.
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _born(pid: int) -> str | None:
    """Return when a living process was born, or None where there is none."""
    try:
        # The program's name stands in brackets and may itself hold blanks and brackets: what follows the last counts.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in ("Z", "X") else fields[19]
