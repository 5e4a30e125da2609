"""The keys that callers show, and what each of them opens."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cirray.errors import ConfigError

Role = Literal["read", "write"]

MIN_KEY_CHARS = 16
"""Whoever may try keys over a network must not be able to try them all."""

_KEY = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What RFC 6750 section 2.1 allows behind `Bearer`."""

_HINT = "Make one with `openssl rand -hex 32`."


@dataclass(frozen=True)
class Keys:
    """A read key and a write key, either of which may be missing. Holds and pickles their SHA-256 only.

    Attributes:
        read: digest of the key that opens what changes nothing.
        write: digest of the key that opens everything.
    """

    read: bytes | None = field(default=None, repr=False)
    write: bytes | None = field(default=None, repr=False)

    @classmethod
    def of(cls, read: str | None = None, write: str | None = None) -> Keys:
        """Return these keys.

        Raises:
            ConfigError: one is too short or has a character that no header can carry, or both are the same.
        """
        for name, key in (("read", read), ("write", write)):
            if key is not None and (len(key) < MIN_KEY_CHARS or not _KEY.fullmatch(key)):
                raise ConfigError(
                    f"The {name} key must have at least {MIN_KEY_CHARS} characters, all of them letters, digits or "
                    "one of ._~+/- (and = at its end).",
                    hint=_HINT,
                )
        if read is not None and read == write:
            raise ConfigError("The read key and the write key are the same.", hint=_HINT)
        return cls(*(None if key is None else _digest(key) for key in (read, write)))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Keys:
        """Return the keys of CIRRAY_READ_KEY and CIRRAY_WRITE_KEY, or of the files that these names with _FILE name.

        Raises:
            ConfigError: a key is given twice or cannot be one, or a file cannot be read.
        """
        given = os.environ if environment is None else environment
        return cls.of(_given(given, "CIRRAY_READ_KEY"), _given(given, "CIRRAY_WRITE_KEY"))

    def __bool__(self) -> bool:
        return self.read is not None or self.write is not None

    def role_of(self, key: str) -> Role | None:
        """Return what a key opens, or None where it is none of these; takes as long for a near miss as for any."""
        digest = _digest(key)
        # Both are always compared, so that the time does not tell which one there is.
        writes = hmac.compare_digest(digest, self.write or b"")
        reads = hmac.compare_digest(digest, self.read or b"")
        return "write" if writes else "read" if reads else None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _given(environment: Mapping[str, str], name: str) -> str | None:
    key, path = environment.get(name), environment.get(f"{name}_FILE")
    if key and path:
        raise ConfigError(f"Both {name} and {name}_FILE are set.", hint="Unset one of them.")
    if not path:
        return key or None
    try:
        key = Path(path).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"The file that {name}_FILE names cannot be read: {reason}.") from None
    if not key:
        raise ConfigError(f"The file that {name}_FILE names is empty.", hint=_HINT)
    return key
