"""Writes that happen only if nobody else was there first. The base of commits and aliases.

Arrow's filesystems have no conditional write. On S3 boto3 sends `If-None-Match` and `If-Match`; in a folder
`link` refuses an existing name and a lock file orders the replacements.
"""

from __future__ import annotations

import hashlib
import os
import uuid

from botocore.exceptions import BotoCoreError, ClientError
from filelock import FileLock

from cirray.errors import ConflictError, StorageError
from cirray.storage import s3
from cirray.storage.location import Location, access_hint, replace_file

_LOST_RACE = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


def create(place: Location, data: bytes) -> bool:
    """Write the file unless it exists; return whether it was written.

    Raises:
        StorageError: it cannot be written.
    """
    if place.is_local:
        return _create_local(place, data)
    try:
        _put(place, data, IfNoneMatch="*")
    except ConflictError:
        return False
    return True


def read_with_tag(place: Location) -> tuple[bytes, str] | None:
    """Return the content and the tag to pass to `replace`, or None where there is no such file.

    Raises:
        StorageError: it cannot be read.
    """
    if place.is_local:
        if not place.exists():
            return None
        data = place.read()
        return data, hashlib.sha256(data).hexdigest()
    bucket, _, key = place.path.partition("/")
    try:
        return s3.get(bucket, key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return None
        raise StorageError(f"{place} cannot be read: {error}.", hint=access_hint(place.uri)) from error
    except BotoCoreError as error:
        raise StorageError(f"{place} cannot be read: {error}.", hint=access_hint(place.uri)) from error


def replace(place: Location, data: bytes, tag: str) -> str:
    """Replace the file if its content still has `tag`; return the tag of the new content.

    Raises:
        ConflictError: it was changed since.
        StorageError: it cannot be written.
    """
    if not place.is_local:
        return _put(place, data, IfMatch=tag)
    with FileLock(f"{place.path}.lock"):
        current = read_with_tag(place)
        if current is None or current[1] != tag:
            raise ConflictError(f"{place} was changed by somebody else in between.", hint="Read it again.")
        replace_file(place.path, data)
    return hashlib.sha256(data).hexdigest()


def _create_local(place: Location, data: bytes) -> bool:
    folder, name = os.path.split(place.path)
    # Hidden, and named as what `replace_file` writes aside: so a killed writer's is found and removed.
    aside = os.path.join(folder, f".{name}.{uuid.uuid4().hex}")
    try:
        replace_file(aside, data)
        os.link(aside, place.path)
    except FileExistsError:
        return False
    except OSError as error:
        raise StorageError(
            f"{place} cannot be written: {error.strerror or error}.", hint=access_hint(place.uri)
        ) from error
    finally:
        if os.path.exists(aside):
            os.unlink(aside)
    return True


def _put(place: Location, data: bytes, **condition: str) -> str:
    bucket, _, key = place.path.partition("/")
    try:
        answer = s3.client().put_object(Bucket=bucket, Key=key, Body=data, **condition)
        return str(answer["ETag"])
    except ClientError as error:
        if error.response["Error"]["Code"] in _LOST_RACE:
            raise ConflictError(f"{place} was written by somebody else in between.") from None
        raise StorageError(f"{place} cannot be written: {error}.", hint=access_hint(place.uri)) from error
    except BotoCoreError as error:
        raise StorageError(f"{place} cannot be written: {error}.", hint=access_hint(place.uri)) from error
