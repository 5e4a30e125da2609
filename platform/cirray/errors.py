"""The exceptions of cirray.

    CirrayError
    ├── ConfigError          a setting is unknown or of the wrong kind
    ├── UnknownNameError     a registry was asked for a name that it does not have
    ├── StorageError         a root, a folder or an object cannot be read or written
    │   └── ConflictError    somebody else changed the object in between
    ├── ArtifactError        an artifact is missing, unfinished or not what its manifest says
    │   ├── MismatchError    two artifacts do not belong together
    │   └── LowRecallError   an index finds too few of the items that an exact search finds
    ├── PromotionError       a model does not pass the gate, or there is nothing to go back to
    ├── DataError            the source data is not what its format promises
    ├── ClusterError         the Ray cluster cannot be reached or started
    ├── TrainingError        a training run cannot start or go on
    ├── QueryError           a query cannot be answered as it was put
    │   ├── UnknownItemError
    │   ├── BadImageError
    │   └── FilterError      a filter names a field that is not there, or values of another type
    └── ShardsUnavailableError   no shard of the index gave an answer

Each message says what was given, what is allowed, and how to mend it.
"""

from __future__ import annotations


class CirrayError(Exception):
    """Root of all errors that a user of cirray can mend.

    Attributes:
        code: kebab-case kind of the error; the slug of its problem type over HTTP.
        message: what is wrong, without the hint.
        hint: how to mend it, in one sentence; empty where the message says it already.
    """

    code = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} {self.hint}" if self.hint else message


class ConfigError(CirrayError):
    """A setting is unknown, or its value is of the wrong kind."""

    code = "config"


class UnknownNameError(CirrayError):
    """A registry has nothing under the name it was asked for."""

    code = "unknown-name"


class StorageError(CirrayError):
    """A place cannot be read or written."""

    code = "storage"


class ConflictError(StorageError):
    """Somebody else changed the object since it was read."""

    code = "generation-conflict"


class ArtifactError(CirrayError):
    """An artifact is missing, unfinished, or not what its manifest says."""

    code = "artifact"


class MismatchError(ArtifactError):
    """Two artifacts do not belong together."""

    code = "index-encoder-mismatch"


class LowRecallError(ArtifactError):
    """An index finds too few of the items that an exact search finds."""

    code = "low-recall"


class PromotionError(CirrayError):
    """A model does not pass the gate in front of an alias, or there is none to go back to."""

    code = "promotion"


class DataError(CirrayError):
    """The source data is not what its format promises."""

    code = "data"


class ClusterError(CirrayError):
    """The Ray cluster cannot be reached or started."""

    code = "cluster"


class TrainingError(CirrayError):
    """A training run cannot start or go on."""

    code = "training"


class QueryError(CirrayError):
    """A query cannot be answered as it was put."""

    code = "validation"


class UnknownItemError(QueryError):
    """No item of the index has this id."""

    code = "unknown-item"


class BadImageError(QueryError):
    """The bytes are not a picture that can be decoded within the limits.

    Attributes:
        reason: what exactly is wrong, for programs: "not-an-image", "truncated", "too-large" or "undecodable".
    """

    code = "bad-image"

    def __init__(self, message: str, *, hint: str = "", reason: str = "undecodable") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class FilterError(QueryError):
    """A filter cannot be put to the items.

    Attributes:
        pointer: JSON pointer within the filter, to what is wrong.
    """

    def __init__(self, message: str, *, hint: str = "", pointer: str = "") -> None:
        super().__init__(message, hint=hint)
        self.pointer = pointer


class ShardsUnavailableError(CirrayError):
    """No shard of the index gave an answer."""

    code = "insufficient-coverage"
