"""The folder of this node's caches: how much it may hold, who uses what, and what has to go."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from filelock import FileLock

from cirray.errors import ConfigError, StorageError

CACHE_VARIABLE = "CIRRAY_CACHE_DIR"
LIMIT_VARIABLE = "CIRRAY_CACHE_MAX_BYTES"

DEFAULT_SHARE = 0.8
"""Of the disk's room, caches included, that the caches may fill where no limit is set."""

_HINT = f"Raise {LIMIT_VARIABLE}, set {CACHE_VARIABLE} to a folder with room, or let pictures stream."
_PARTIAL = ".partial"
_IN_USE = ".use"
_LOCK = ".lock"


class CacheFullError(StorageError):
    """A cache does not fit what the caches of this node may hold."""


class Lease:
    """Says that this process uses the caches of one group.

    It ends when it is closed or no longer referred to, or with the process, however that ends.
    """

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._end = weakref.finalize(self, os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        os.utime(path)

    def close(self) -> None:
        """End it."""
        self._end()


@dataclass(frozen=True)
class CacheSpace:
    """A folder of caches. Files belong to the group that their name starts with, up to the first ".".

    Attributes:
        folder: where they are.
        limit: bytes that all together may take; None for a share of the disk.
    """

    folder: Path
    limit: int | None = None

    @classmethod
    def of_node(cls) -> CacheSpace:
        """Return the space of this node, as `CIRRAY_CACHE_DIR` and `CIRRAY_CACHE_MAX_BYTES` say, after tidying it.

        Raises:
            ConfigError: the limit is no number.
            StorageError: the folder cannot be made or written, or is somebody else's.
        """
        given = os.environ.get(LIMIT_VARIABLE, "").strip()
        if given and not given.isdecimal():
            raise ConfigError(f"{LIMIT_VARIABLE} is {given!r}.", hint="Set it to a number of bytes.")
        space = cls(cache_folder(), int(given) if given else None)
        try:
            space.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.environ.get(CACHE_VARIABLE) and (owner := space.folder.stat().st_uid) != os.getuid():
                # Its name can be guessed, and all may write to the temporary folder.
                raise PermissionError(f"it belongs to user {owner}")
            with space._locked():
                space._tidy()
        except OSError as error:
            raise StorageError(
                f"The cache folder {space.folder} cannot be used: {error.strerror or error}.",
                hint=f"Set {CACHE_VARIABLE} to a folder of your own, with room.",
            ) from error
        return space

    def lease(self, group: str) -> Lease:
        """Return a lease of a group: while it lasts, nobody evicts its caches."""
        return Lease(self.folder / f"{group}{_IN_USE}")

    def filling(self, name: str) -> FileLock:
        """Return the lock that a process holds while it fills the file `name`."""
        return FileLock(self.folder / f"{name}{_LOCK}")

    @contextmanager
    def create(self, name: str, num_bytes: int) -> Iterator[IO[bytes]]:
        """Yield an open file of `num_bytes`, which becomes the cache `name` at the end of the block.

        Caches that nobody uses make room for it, those that were used longest ago first.

        Raises:
            CacheFullError: there is not enough room, even so.
            OSError: it cannot be written.
        """
        aside = self.folder / f"{uuid.uuid4().hex}{_PARTIAL}"
        try:
            with self._open_aside(aside, name, num_bytes) as file:
                yield file
                file.flush()
                os.replace(aside, self.folder / name)
        finally:
            aside.unlink(missing_ok=True)

    def used(self) -> int:
        """Return the bytes that the caches take, those that are being filled included."""
        return sum(_size(path) for path in self.folder.iterdir() if path.suffix not in (_IN_USE, _LOCK))

    def _make_room(self, name: str, num_bytes: int) -> None:
        """Evict until `num_bytes` more fit; to be called under the lock of the space."""
        own = name.split(".")[0]
        limit = self._limit()
        if num_bytes > limit:
            raise CacheFullError(
                f"The cache {name} needs {num_bytes:,} bytes, where the caches in {self.folder} may take {limit:,}.",
                hint=_HINT,
            )
        candidates = [group for group in self._groups_by_use() if group != own]
        while not self._fits(num_bytes, limit):
            if not candidates:
                free = shutil.disk_usage(self.folder).free
                raise CacheFullError(
                    f"The cache {name} needs {num_bytes:,} bytes, where {free:,} are free on the disk and caches in "
                    f"use take {self.used():,} of the {limit:,} that they may take.",
                    hint=_HINT,
                )
            self._evict(candidates.pop(0))

    def _open_aside(self, aside: Path, name: str, num_bytes: int) -> IO[bytes]:
        """Return a new file of `num_bytes`, locked as long as its filler lives, so that nobody tidies it away."""
        with self._locked():
            self._tidy()
            self._make_room(name, num_bytes)
            file = aside.open("w+b")
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                # Without blocks of its own, a full disk would kill whoever writes through a memory map.
                os.posix_fallocate(file.fileno(), 0, num_bytes)
            except BaseException:
                file.close()
                raise
            return file

    def _fits(self, num_bytes: int, limit: int) -> bool:
        return self.used() + num_bytes <= limit and num_bytes <= shutil.disk_usage(self.folder).free

    def _limit(self) -> int:
        if self.limit is not None:
            return self.limit
        return int(DEFAULT_SHARE * (shutil.disk_usage(self.folder).free + self.used()))

    def _locked(self) -> FileLock:
        return FileLock(self.folder / f"space{_LOCK}")

    def _groups_by_use(self) -> list[str]:
        """Return the groups, the one that was used longest ago first."""
        markers = [(path.stat().st_mtime_ns, path.name) for path in self.folder.glob(f"*{_IN_USE}")]
        return [name.removesuffix(_IN_USE) for _, name in sorted(markers)]

    def _evict(self, group: str) -> None:
        """Remove the files of a group, unless somebody uses them."""
        with (self.folder / f"{group}{_IN_USE}").open("ab") as marker:
            if not _lock_alone(marker):
                return
            for path in self.folder.glob(f"{group}.*"):
                if path.suffix not in (_IN_USE, _LOCK):
                    path.unlink(missing_ok=True)

    def _tidy(self) -> None:
        """Remove what fillers left that are dead: they do not hold their files any more."""
        for path in self.folder.glob(f"*{_PARTIAL}"):
            with path.open("ab") as file:
                if _lock_alone(file):
                    path.unlink(missing_ok=True)


def cache_folder() -> Path:
    """Return the folder of this node's caches: `CIRRAY_CACHE_DIR`, or one for this user in the temporary folder."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path(tempfile.gettempdir()) / f"cirray-cache-{os.getuid()}")


def _lock_alone(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # somebody else finished or evicted it
        return 0
