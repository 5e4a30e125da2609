"""Why the service refuses or fails a request, beyond what the rooms below it can say."""

from __future__ import annotations

from cirray.errors import CirrayError, QueryError, ShardsUnavailableError


class ServiceError(CirrayError):
    """The service cannot be started."""

    code = "service"


class InvalidQueryError(QueryError):
    """One field of the request is wrong in a way that only shows while it is handled.

    Attributes:
        pointer: JSON pointer to the field.
    """

    def __init__(self, message: str, *, pointer: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.pointer = pointer


class BodyTooLargeError(QueryError):
    """The request's body is over the limit."""

    code = "image-too-large"


class UnknownIndexError(QueryError):
    """The request names an index that is not served here."""

    code = "unknown-index"


class NotReadyError(CirrayError):
    """Not every shard answers yet."""

    code = "not-ready"


class InsufficientCoverageError(ShardsUnavailableError):
    """Too few shards answered for an answer to be worth giving."""


class DeadlineExceededError(CirrayError):
    """The request's time ran out before any shard could be asked."""

    code = "deadline-exceeded"


class UnauthorizedError(CirrayError):
    """The caller shows no key, or a wrong one.

    Attributes:
        invalid: whether it shows one.
    """

    code = "unauthorized"

    def __init__(self, message: str, *, hint: str = "", invalid: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.invalid = invalid


class ForbiddenError(CirrayError):
    """The caller's key does not open this."""

    code = "forbidden"


class RateLimitedError(CirrayError):
    """The caller asks for too much.

    Attributes:
        retry_after_s: seconds after which the same request is let in.
    """

    code = "rate-limited"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OverloadedError(CirrayError):
    """Too many requests are being worked on."""

    code = "overloaded"
