"""Encoded pictures of a dataset on this node: its parts, as files that are mapped into memory, as far as they fit."""

from __future__ import annotations

import logging

import pyarrow as pa

from cirray.datasets.cache_space import CacheFullError, CacheSpace
from cirray.datasets.prepared import PreparedDataset

_LOG = logging.getLogger(__name__)


class Mirror:
    """The pictures of a dataset, part by part; each part is fetched once a node, and then shared by its workers.

    What does not fit the node's caches is fetched again each time that it is asked for.
    """

    def __init__(self, dataset: PreparedDataset, space: CacheSpace) -> None:
        self._dataset = dataset
        self._space = space
        self._group = f"{dataset.fingerprint[:16]}-encoded"
        self._lease = space.lease(self._group)
        self._mapped: dict[int, pa.ChunkedArray] = {}
        self._full = False

    def images(self, part: int) -> tuple[pa.ChunkedArray, bool]:
        """Return the encoded pictures of one part, and whether they are mapped from the disk, at no cost of memory.

        Raises:
            ArtifactError: the part is not what the dataset's manifest says.
            StorageError: it cannot be read.
        """
        if part not in self._mapped:
            fetched = self._map(part)
            if fetched is not None:
                return fetched, False
        return self._mapped[part], True

    def close(self) -> None:
        """Allow the mirror to be evicted."""
        self._mapped.clear()
        self._lease.close()

    def _map(self, part: int) -> pa.ChunkedArray | None:
        """Map a part, after fetching it if this node has not; return its pictures where there is no room for them."""
        name = f"{self._group}.{part:05d}.arrow"
        path = self._space.folder / name
        with self._space.filling(name):
            if not path.exists():
                table = self._dataset.part(self._dataset.item_parts[part], ["image"])
                if self._full or not self._write(name, table):
                    return table["image"]
        self._mapped[part] = pa.ipc.open_file(pa.memory_map(str(path))).read_all()["image"]
        return None

    def _write(self, name: str, table: pa.Table) -> bool:
        sink = pa.MockOutputStream()
        _write_table(sink, table)
        try:
            with self._space.create(name, sink.size()) as file:
                _write_table(file, table)
        except (CacheFullError, OSError) as error:
            # A disk that is full, or has gone read-only, is one on which nothing fits.
            _LOG.warning("Pictures of %s will be fetched over and over: %s", self._dataset.name, error)
            self._full = True
            return False
        return True


def _write_table(sink: object, table: pa.Table) -> None:
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
