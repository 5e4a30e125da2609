"""FAISS's parameters of one search. They are filled in when the wrapper is imported, so its type stubs lack them."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

_FAISS: Any = faiss


def selector_of(allowed: npt.NDArray[np.bool_]) -> Any:
    """Return the selector of the rows that a mask allows."""
    return _FAISS.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))


def flat_parameters(selector: Any) -> Any:
    """Return parameters of an exhaustive search among the selected rows."""
    return _FAISS.SearchParameters(sel=selector)


def ivf_parameters(selector: Any, nprobe: int) -> Any:
    """Return parameters of a search in `nprobe` lists; the selector may be None."""
    return _FAISS.SearchParametersIVF(sel=selector, nprobe=nprobe)


def hnsw_parameters(selector: Any, candidates: int) -> Any:
    """Return parameters of a search in a graph; the selector may be None."""
    return _FAISS.SearchParametersHNSW(sel=selector, efSearch=candidates)
