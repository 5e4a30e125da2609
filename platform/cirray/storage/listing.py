"""What is in a folder, or under a prefix of a bucket."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass

from cirray.storage import s3

Inode = tuple[int, int]


@dataclass(frozen=True)
class FileStat:
    """What a listing says of one file.

    Attributes:
        path: relative to the place that was listed.
        bytes: its size.
        modified_ns: when it was last written, in nanoseconds since 1970.
        etag: what the store calls this content; empty in a folder.
    """

    path: str
    bytes: int
    modified_ns: int
    etag: str = ""

    @property
    def identity(self) -> list[str | int]:
        """Path, size, and what tells one content from another: the etag, or the time where there is none.

        Of a file in a store the time does not count: written again with the same content, it is the same file; and
        of two that were written in the same second only the etag tells.
        """
        return [self.path, self.bytes, self.etag or self.modified_ns]


def s3_files(bucket: str, prefix: str) -> Iterator[FileStat]:
    """Yield the objects whose keys begin with `prefix`, "folders" left out; paths are what follows the prefix.

    By boto3: Arrow's listing has no etags, and fails on keys with characters that XML cannot hold.

    Raises:
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: the bucket cannot be listed.
    """
    for page in s3.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", ()):
            if path := found["Key"][len(prefix) :]:
                if path.endswith("/"):
                    continue
                modified_ns = round(found["LastModified"].timestamp() * 1e6) * 1000
                yield FileStat(path, found["Size"], modified_ns, found.get("ETag", "").strip('"'))


def local_files(folder: str) -> Iterator[FileStat]:
    """Yield the files below a folder; links are followed, but for those that lead back to a folder above them.

    Arrow follows each of them until a path has forty, and with two of them there are 2^40 such paths.

    Raises:
        OSError: a folder cannot be listed.
    """
    # Folders yet to be listed: where they are, their path in the listing, and the inodes of those above.
    pending: list[tuple[str, str, tuple[Inode, ...]]] = [(folder, "", ())]
    while pending:
        place, below, above = pending.pop()
        try:
            about = os.stat(place)
            entries = list(os.scandir(place))
        except FileNotFoundError:
            continue
        here = (about.st_dev, about.st_ino)
        if here in above:
            continue
        for entry in entries:
            # A name that is not UTF-8 is listed, so that it counts, but under a name that no table can have.
            name = below + os.fsencode(entry.name).decode(errors="replace")
            try:
                if entry.is_dir():
                    pending.append((entry.path, f"{name}/", (*above, here)))
                elif entry.is_file():
                    stat = entry.stat()
                    yield FileStat(name, stat.st_size, stat.st_mtime_ns)
            except FileNotFoundError:
                continue  # removed meanwhile
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
