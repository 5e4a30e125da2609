"""Whether weights that come from a file or a package are wanted when a model is built."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_WANTED: ContextVar[bool] = ContextVar("initial_weights_wanted", default=True)


@contextmanager
def no_initial_weights() -> Iterator[None]:
    """Build models in here whose weights are loaded right after.

    A bundle has all its weights: it must open where the word vectors or the pre-trained network that its training
    began with are no longer at hand.
    """
    token = _WANTED.set(False)
    try:
        yield
    finally:
        _WANTED.reset(token)


def initial_weights_wanted() -> bool:
    """Return whether what is built must begin with the weights that its settings name; any will do if not."""
    return _WANTED.get()
