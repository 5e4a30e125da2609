"""What killed jobs left behind: unfinished versions, files written aside, and uploads that were never completed.

None of it does harm, since nothing reads what no manifest lists. It takes room, and a store bills for it.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from cirray.errors import StorageError
from cirray.storage import s3
from cirray.storage.artifact import MANIFEST
from cirray.storage.fingerprint import VERSION_LENGTH
from cirray.storage.layout import CHECKPOINTS, Root
from cirray.storage.listing import FileStat
from cirray.storage.location import Location

_VERSION = re.compile(
    rf"(?:(?:datasets|models|indexes)/.+?/[0-9a-f]{{{VERSION_LENGTH}}}|runs/[^/]+/{CHECKPOINTS}/[^/]+)(?=/)"
)
_ASIDE = re.compile(r"\..+\.[0-9a-f]{32}")


class Upload(NamedTuple):
    """A multipart upload to S3 that was begun and never completed."""

    bucket: str
    key: str
    upload_id: str


@dataclass(frozen=True)
class Leftovers:
    """What can go.

    Attributes:
        files: relative to the root, sorted by path.
        uploads: begun, and never completed.
    """

    files: tuple[FileStat, ...]
    uploads: tuple[Upload, ...]

    @property
    def bytes(self) -> int:
        """Size of the files."""
        return sum(file.bytes for file in self.files)


def find_leftovers(root: Root, older_than_s: float) -> Leftovers:
    """Return what was left behind and has not been touched for `older_than_s` seconds.

    Younger things may belong to a job that is running: choose more than the longest job takes.

    Raises:
        StorageError: the root cannot be listed.
    """
    before_ns = int((time.time() - older_than_s) * 1e9)
    files = list(root.place.files())
    finished = {file.path.removesuffix(f"/{MANIFEST}") for file in files if file.path.endswith(f"/{MANIFEST}")}
    unfinished: dict[str, list[FileStat]] = defaultdict(list)
    found: set[FileStat] = set()
    for file in files:
        # A name may read like a version: what lies in a finished version is never one that is not.
        if not finished.isdisjoint(map(str, PurePosixPath(file.path).parents)):
            version = None
        else:
            version = _VERSION.match(file.path)
        if version:
            unfinished[version[0]].append(file)
        elif _ASIDE.fullmatch(file.path.rpartition("/")[2]) and file.modified_ns < before_ns:
            found.add(file)
    for of_version in unfinished.values():
        # A version is left alone as a whole while any of its files is new.
        if max(file.modified_ns for file in of_version) < before_ns:
            found.update(of_version)
    return Leftovers(tuple(sorted(found, key=lambda file: file.path)), begun_uploads(root.place, older_than_s))


def remove_leftovers(root: Root, leftovers: Leftovers) -> None:
    """Delete the files and abort the uploads.

    Raises:
        StorageError: one of them cannot be removed.
    """
    for file in leftovers.files:
        (root.place / file.path).delete()
    abort_uploads(root.place, leftovers.uploads)


def begun_uploads(place: Location, older_than_s: float = 0.0) -> tuple[Upload, ...]:
    """Return the uploads below a place that were begun before so many seconds, and never completed.

    Raises:
        StorageError: they cannot be listed.
    """
    if place.is_local:
        return ()
    bucket, _, prefix = place.path.partition("/")
    try:
        pages = (
            s3.client()
            .get_paginator("list_multipart_uploads")
            .paginate(Bucket=bucket, Prefix=f"{prefix}/" if prefix else "")
        )
        return tuple(
            Upload(bucket, upload["Key"], upload["UploadId"])
            for page in pages
            for upload in page.get("Uploads", ())
            if upload["Initiated"].timestamp() < time.time() - older_than_s
        )
    except (ClientError, BotoCoreError) as error:
        raise StorageError(f"The uploads under {place} cannot be listed: {error}.") from error


def abort_uploads(place: Location, uploads: Iterable[Upload]) -> None:
    """Abort uploads below a place; what was uploaded of them is gone.

    Raises:
        StorageError: one of them cannot be aborted.
    """
    try:
        for upload in uploads:
            s3.client().abort_multipart_upload(Bucket=upload.bucket, Key=upload.key, UploadId=upload.upload_id)
    except (ClientError, BotoCoreError) as error:
        raise StorageError(f"An upload under {place} cannot be aborted: {error}.") from error
