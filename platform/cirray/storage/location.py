"""A place on a filesystem: a folder, or a prefix in a bucket, through one interface."""

from __future__ import annotations

import mmap
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow.fs as pafs
from botocore.exceptions import BotoCoreError, ClientError
from pyarrow import ArrowInvalid

from cirray.errors import StorageError
from cirray.storage import s3
from cirray.storage.listing import FileStat, local_files, s3_files

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|(s3|file):", re.IGNORECASE)


@dataclass(frozen=True)
class Location:
    """A file or a folder. Pickles as its URI, so that each process opens its own connection.

    S3 takes the standard AWS variables, `AWS_ENDPOINT_URL` (or `AWS_ENDPOINT_URL_S3`) among them.

    Attributes:
        uri: absolute URI without a trailing slash, `file:///…` or `s3://bucket/prefix`.
        filesystem: the Arrow filesystem that holds it.
        path: its path within that filesystem, as Arrow and Ray take it.
    """

    uri: str
    filesystem: pafs.FileSystem
    path: str

    @classmethod
    def parse(cls, uri: str) -> Location:
        """Return the place that a URI or a plain path names.

        Raises:
            StorageError: it is empty, the scheme is not known, or the URI carries credentials or options.
        """
        if not uri:
            raise StorageError("The empty string names no place.", hint="Give a folder or s3://bucket/prefix.")
        # Only the scheme is a URI's: what follows it is taken as it stands, since '#', '?', '%' and white space
        # may be in names, and what `urlsplit` makes of them would name another place.
        scheme, separator, rest = uri.partition("://")
        if separator and scheme.lower() == "s3":
            return cls._parse_s3(uri, *rest.partition("/")[::2])
        is_file = separator and scheme.lower() == "file" and rest.startswith("/")
        if not is_file and _SCHEME.match(uri):
            raise StorageError(
                f"{uri!r} is not a place that cirray can open.",
                hint="Give a folder, file:///folder or s3://bucket/prefix.",
            )
        path = os.path.abspath(rest if is_file else os.path.expanduser(uri))
        return cls(f"file://{path}", pafs.LocalFileSystem(), path)

    @classmethod
    def _parse_s3(cls, uri: str, bucket: str, key: str) -> Location:
        # No bucket's name has a colon; a secret key may have a slash, and then ends what looks like the bucket.
        if "@" in bucket or ":" in bucket or "?" in uri:
            raise StorageError(
                "An s3:// URI may carry neither credentials nor options, since it ends up in logs; a key may have no "
                "'?', since that would begin them.",
                hint="Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL instead.",
            )
        if not bucket:
            raise StorageError(f"{uri!r} names no bucket.", hint="Write s3://bucket/prefix.")
        path = f"{bucket}/{key.strip('/')}".rstrip("/")
        return cls(f"s3://{path}", s3.filesystem(), path)

    def __truediv__(self, name: str) -> Location:
        return Location(f"{self.uri}/{name}", self.filesystem, f"{self.path}/{name}")

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Location.parse, (self.uri,)

    def __str__(self) -> str:
        return self.uri

    @property
    def is_local(self) -> bool:
        """Whether this is a folder or file of this machine."""
        return self.uri.startswith("file://")

    def exists(self) -> bool:
        """Return whether a file or a folder is here.

        Raises:
            StorageError: the filesystem cannot be asked.
        """
        with _storage_errors("read", self.uri):
            return bool(self.filesystem.get_file_info(self.path).type != pafs.FileType.NotFound)

    def size(self) -> int | None:
        """Return how many bytes this file has, or None where there is no such file.

        Raises:
            StorageError: the filesystem cannot be asked.
        """
        with _storage_errors("read", self.uri):
            info = self.filesystem.get_file_info(self.path)
        return info.size if info.type == pafs.FileType.File else None

    def read(self) -> bytes:
        """Return the bytes of this file.

        Raises:
            StorageError: there is no such file, or it cannot be read.
        """
        with _storage_errors("read", self.uri):
            if not self.is_local and "//" in self.path:
                bucket, _, key = self.path.partition("/")
                return s3.get(bucket, key)[0]  # Arrow knows no keys with nothing between two slashes
            with self.filesystem.open_input_stream(self.path) as stream:
                return bytes(stream.read())

    def mapped(self) -> memoryview:
        """Return the content of this file of this machine, mapped into memory for reading; it must not be empty.

        Raises:
            StorageError: there is no such file, or it cannot be read.
        """
        with _storage_errors("read", self.uri), open(self.path, "rb") as stream:
            try:
                return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
            except ValueError:
                return memoryview(b"")  # cut short to nothing since its size was written down

    def write(self, data: bytes | memoryview, *, durable: bool = True) -> None:
        """Make `data` the content of this file, all of it or nothing.

        Args:
            data: its new content.
            durable: whether to wait until it would withstand a loss of power, which for a folder takes a while; if
                not, `sync` must be called, perhaps by another process, before anything relies on it.

        Raises:
            StorageError: it cannot be written.
        """
        with _storage_errors("write", self.uri):
            if self.is_local:
                replace_file(self.path, data, durable=durable)
            else:
                with self.filesystem.open_output_stream(self.path) as stream:
                    stream.write(data)

    def sync(self) -> None:
        """Wait until the content of this file would withstand a loss of power; in an object store it does already.

        Raises:
            StorageError: there is no such file, or it cannot be written.
        """
        if not self.is_local:
            return
        with _storage_errors("write", self.uri), open(self.path, "rb") as stream:
            os.fsync(stream.fileno())

    def copy_to(self, target: Location) -> None:
        """Make the content of this file that of `target`, on the same filesystem, without reading it.

        An object store copies on its own side. In a folder it is a hard link, where the disk can make one: both names
        must then be of content that never changes.

        Raises:
            StorageError: there is no such file, or the other cannot be written.
        """
        with _storage_errors("write", target.uri):
            if self.is_local:
                link_file(self.path, target.path)
            else:
                self.filesystem.copy_file(self.path, target.path)

    def delete(self) -> None:
        """Remove this file, or this folder with all that is in it; nothing happens where there is none."""
        with _storage_errors("delete", self.uri):
            kind = self.filesystem.get_file_info(self.path).type
            if kind == pafs.FileType.File:
                self.filesystem.delete_file(self.path)
            elif kind == pafs.FileType.Directory:
                self.filesystem.delete_dir(self.path)

    def files(self) -> Iterator[FileStat]:
        """Yield every file below this folder, sorted by path; nothing where there is no such folder.

        Raises:
            StorageError: the folder cannot be listed.
        """
        with _storage_errors("list", self.uri):
            if self.is_local:
                found = list(local_files(self.path))
            else:
                bucket, _, key = self.path.partition("/")
                found = list(s3_files(bucket, f"{key}/" if key else ""))
        yield from sorted(found, key=lambda file: file.path)

    def folders(self) -> list[str]:
        """Return the names of the folders directly below this one, sorted."""
        with _storage_errors("list", self.uri):
            infos = self.filesystem.get_file_info(pafs.FileSelector(self.path, allow_not_found=True))
        return sorted(info.base_name for info in infos if info.type == pafs.FileType.Directory)


def replace_file(path: str, data: bytes | memoryview, *, durable: bool = True) -> None:
    """Write a local file aside, force it to disk if it is to be `durable`, and move it into place in one step."""
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    aside = os.path.join(folder, f".{name}.{uuid.uuid4().hex}")
    try:
        with open(aside, "wb") as stream:
            stream.write(data)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        os.replace(aside, path)
    except BaseException:
        if os.path.exists(aside):
            os.unlink(aside)
        raise


def link_file(source: str, path: str) -> None:
    """Give a local file a second name, in place of what has that name, or copy it where links cannot be made."""
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    aside = os.path.join(folder, f".{name}.{uuid.uuid4().hex}")
    try:
        try:
            os.link(source, aside)
        except FileNotFoundError:
            raise
        except OSError:
            shutil.copyfile(source, aside)
        os.replace(aside, path)
    finally:
        # Two names of one file are both left by `replace`.
        if os.path.exists(aside):
            os.unlink(aside)


@contextmanager
def _storage_errors(verb: str, uri: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise StorageError(f"{uri} cannot be {_PAST[verb]}: there is nothing of that name.") from None
    except (OSError, ArrowInvalid, ClientError, BotoCoreError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise StorageError(f"{uri} cannot be {_PAST[verb]}: {reason}.", hint=access_hint(uri)) from error


_PAST = {"read": "read", "write": "written", "delete": "deleted", "list": "listed"}


def access_hint(uri: str) -> str:
    """Return what to look at where something at a place cannot be read or written."""
    if uri.startswith("s3://"):
        return "Check the bucket, the AWS_* credentials and AWS_ENDPOINT_URL."
    return "Check that the path is right and that you may use it."
