"""Fingerprints: the names of things that follow from what they were made from."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import Any

VERSION_LENGTH = 16
"""Hex digits of a fingerprint that name a version: 64 bits, far beyond any number of versions a root holds."""


def fingerprint(value: Any) -> str:
    """Return the SHA-256, in hex, of a value that JSON can write; the order of keys does not count."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def library_versions() -> dict[str, str]:
    """Return the versions of cirray and of the libraries that decide what an artifact's bytes are."""
    names = ("cirray", "faiss-cpu", "numpy", "pillow", "pyarrow", "ray", "torch")
    return {name: version(name) for name in names}
