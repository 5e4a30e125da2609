"""The base of a shard as bytes, and back."""

from __future__ import annotations

import faiss
import numpy as np

from cirray.index.base import Base
from cirray.index.kinds import Dials, kinds


def index_bytes(base: Base) -> bytes:
    """Return the FAISS index of a base as bytes."""
    return bytes(faiss.serialize_index(base.index).tobytes())


def base_from_bytes(index: bytes, halves: bytes | memoryview | None, kind: str, dials: Dials) -> Base:
    """Return the base of these bytes.

    Args:
        index: of the FAISS index.
        halves: of the vectors as float16, which stay where they are; None where the index is flat.
        kind: that the index was built as.
        dials: that it is searched with.

    Raises:
        RuntimeError: FAISS cannot read the index.
        ValueError: there are other vectors beside it than in it.
    """
    read = faiss.deserialize_index(np.frombuffer(index, dtype=np.uint8))
    if halves is None:
        if not isinstance(read, faiss.IndexFlat):
            raise ValueError("it is not flat, and there are no vectors beside it")
        return Base(read, kinds["flat"], dials)
    stored = np.frombuffer(halves, dtype="<f2")
    if stored.size != read.ntotal * read.d:
        raise ValueError(f"{stored.size} numbers lie beside an index of {read.ntotal} vectors of {read.d} dimensions")
    return Base(read, kinds[kind], dials, stored.reshape(read.ntotal, read.d))
