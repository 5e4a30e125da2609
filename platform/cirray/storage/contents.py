"""What is in files that a configuration names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from pyarrow import ArrowInvalid

from cirray.errors import StorageError
from cirray.storage.location import Location

_CHUNK = 1 << 20


def content_hashes(uris: Iterable[str]) -> dict[str, str | None]:
    """Return the SHA-256, in hex, of the file behind each path or URI; None where none can be read.

    What takes the file says best what is wrong with it, so that nothing is raised here.
    """
    return {uri: _content_hash(uri) for uri in uris}


def _content_hash(uri: str) -> str | None:
    digest = hashlib.sha256()
    try:
        place = Location.parse(uri)
        with place.filesystem.open_input_stream(place.path, compression=None) as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except (StorageError, ArrowInvalid, OSError):
        return None
    return digest.hexdigest()
