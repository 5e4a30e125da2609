"""Whether models are built with the weights that their training starts from, or get others at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_WANTED: ContextVar[bool] = ContextVar("initial_weights_wanted", default=True)


def initial_weights_wanted() -> bool:
    """Return whether an encoder that is being built shall read the weights that its settings name."""
    return _WANTED.get()


@contextmanager
def without_initial_weights() -> Iterator[None]:
    """Within the block, encoders are built without reading weights from a file, a package or the network.

    For whoever puts all weights in right after: a bundle has them all, and must open where the files that its
    training started from are not.
    """
    token = _WANTED.set(False)
    try:
        yield
    finally:
        _WANTED.reset(token)
