"""Places (a folder or a bucket) and the immutable artifacts and movable aliases that live in them."""

from cirray.storage.alias import Alias, move_alias, read_alias, read_alias_with_tag, write_alias
from cirray.storage.artifact import Artifact, FileEntry, Manifest, commit, put_file
from cirray.storage.contents import content_hashes
from cirray.storage.fingerprint import CodeVersion, code_fingerprint, code_version, fingerprint, library_versions
from cirray.storage.layout import Root, Shelf
from cirray.storage.listing import FileStat
from cirray.storage.location import Location
from cirray.storage.tables import table_bytes, table_from

__all__ = [
    "Alias",
    "Artifact",
    "CodeVersion",
    "FileEntry",
    "FileStat",
    "Location",
    "Manifest",
    "Root",
    "Shelf",
    "code_fingerprint",
    "code_version",
    "commit",
    "content_hashes",
    "fingerprint",
    "library_versions",
    "move_alias",
    "put_file",
    "read_alias",
    "read_alias_with_tag",
    "table_bytes",
    "table_from",
    "write_alias",
]
