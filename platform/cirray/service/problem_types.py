"""The kinds of problem that the service answers with, each documented under the URL that is its type."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProblemType:
    """One kind of problem, as RFC 9457 section 3.1 understands a type.

    Attributes:
        code: kebab-case name; `CirrayError.code` where an exception stands behind it.
        status: HTTP status it is sent with.
        title: short and the same for every occurrence.
        meaning: what happened, for the page behind the type's URL.
        mend: what the caller can do about it.
        retry_after_s: seconds after which the same request may succeed; None where it will not.
    """

    code: str
    status: int
    title: str
    meaning: str
    mend: str
    retry_after_s: int | None = None

    @property
    def url(self) -> str:
        """The type's URL, relative to the service."""
        return f"/problems/{self.code}"


_TYPES = (
    ProblemType(
        "unauthorized",
        401,
        "The request needs a key",
        "The service asks for a key, and the request shows none, or one that is not the service's.",
        "Send the header `Authorization: Bearer <key>`. The operator has the keys; they never go into an address.",
    ),
    ProblemType(
        "forbidden",
        403,
        "The key does not open this",
        "The request would change something that is stored, and its key may only read.",
        "Send the write key.",
    ),
    ProblemType(
        "rate-limited",
        429,
        "Too many requests from one caller",
        "The key, or the address where there are no keys, asked for more than its share.",
        "Wait for as many seconds as the header `Retry-After` says, and ask less often.",
        retry_after_s=1,
    ),
    ProblemType(
        "overloaded",
        503,
        "The service has too much to do",
        "As many requests are being worked on as are let in at a time, or every shard has a full queue.",
        "Try again after as many seconds as the header `Retry-After` says.",
        retry_after_s=1,
    ),
    ProblemType(
        "validation",
        422,
        "The request is not valid",
        "The body is not JSON, or a field or parameter is missing, unknown, of the wrong kind or out of range.",
        "`errors` names each field by a JSON pointer (parameters as ?name) and says what is allowed.",
    ),
    ProblemType(
        "bad-image",
        422,
        "The reference is not a picture",
        "The bytes of the reference cannot be decoded as a picture, or it has too many pixels.",
        "Send a JPEG, PNG, WebP, GIF, BMP or TIFF file of at most 20 megapixels, base64-encoded.",
    ),
    ProblemType(
        "image-too-large",
        413,
        "The request is too large",
        "The body is longer than the service reads. What makes a body long is its picture.",
        "Scale the picture down: models look at a few hundred pixels a side.",
    ),
    ProblemType(
        "unknown-item",
        404,
        "There is no such item",
        "No item of the gallery has this id.",
        "List the ids with GET /v1/items.",
    ),
    ProblemType(
        "unknown-index",
        404,
        "There is no such index",
        "The request names an index that this service does not serve.",
        "List what is served with GET /v1/indexes, or leave `index` out.",
    ),
    ProblemType(
        "not-found",
        404,
        "There is nothing at this path",
        "No route of the service has this path.",
        "The routes are listed in /openapi.json.",
    ),
    ProblemType(
        "method-not-allowed",
        405,
        "The path does not take this method",
        "The path exists, but not with this HTTP method.",
        "The header `Allow` lists the methods that it takes.",
    ),
    ProblemType(
        "index-encoder-mismatch",
        409,
        "Index and model do not belong together",
        "The index was built with another model than the one that was to compose the query.",
        "Deploy an index and the model it was built with.",
    ),
    ProblemType(
        "not-ready",
        503,
        "The service is not ready",
        "Not every shard of the index has a replica that answers.",
        "Try again shortly; /readyz?verbose=true says which shards are missing.",
        retry_after_s=1,
    ),
    ProblemType(
        "insufficient-coverage",
        503,
        "Too little of the index answered",
        "Too few shards answered in time; what they found would miss most of the index.",
        "Try again shortly, or with a larger timeout_ms.",
        retry_after_s=1,
    ),
    ProblemType(
        "deadline-exceeded",
        504,
        "The time of the request ran out",
        "timeout_ms passed before the query was composed.",
        "Try again with a larger timeout_ms.",
    ),
    ProblemType(
        "internal",
        500,
        "Something went wrong in the service",
        "The service failed in a way it did not expect. The details are in its log, under the request id.",
        "Try again; if it stays, give the operator the request id.",
    ),
)

PROBLEM_TYPES: dict[str, ProblemType] = {kind.code: kind for kind in _TYPES}
