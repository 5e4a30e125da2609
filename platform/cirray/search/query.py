"""A composed query, and the limits that it must keep."""

from __future__ import annotations

from dataclasses import dataclass

from cirray.datasets.schema import has_words
from cirray.errors import BadImageError, QueryError
from cirray.index import Filter

MAX_TEXT_CHARS = 512
"""Far beyond any modification text in the benchmarks; longer ones only cost time, word by word."""

MAX_LIMIT = 200
"""A person looks at some dozens of hits. Without a bound, one request could ask for the whole gallery."""

DEFAULT_LIMIT = 20

MAX_WIDTH = 4096
"""Of nprobe and ef: beyond it, an exact search is as quick."""

MAX_EXCLUDED = 1000
"""As many as a person has seen in an hour. Each of them makes every shard look further."""

MAX_IMAGE_BYTES = 8 * 2**20
"""8 MiB: a photograph of a present-day phone fits; how many pixels it may have is up to `datasets.pictures`."""


@dataclass(frozen=True)
class Query:
    """A reference and what should be different. Exactly one of the two references is given.

    Attributes:
        text: the modification text.
        reference_id: an item of the dataset.
        reference_image: an encoded picture.
        limit: how many hits are wanted.
        exclude_reference: whether the reference item itself is left out; a picture that is sent along excludes none.
        exclude_ids: other items that are left out; those that do not exist do no harm.
        filter: which items may be found; None lets all pass.
        min_score: the least score of a hit; None takes any.
        exact: whether every item is compared, whatever the kind of index.
        nprobe: lists that each shard searches, in place of the index's own number.
        ef: candidates of each shard's graph search, in place of the index's own number.

    Raises:
        QueryError: the text has no word or is too long, a number is out of range, or not exactly one reference is
            given.
        BadImageError: the picture has too many bytes.
    """

    text: str
    reference_id: str | None = None
    reference_image: bytes | None = None
    limit: int = DEFAULT_LIMIT
    exclude_reference: bool = True
    exclude_ids: tuple[str, ...] = ()
    filter: Filter | None = None
    min_score: float | None = None
    exact: bool = False
    nprobe: int | None = None
    ef: int | None = None

    def __post_init__(self) -> None:
        if (self.reference_id is None) == (self.reference_image is None):
            given = "both" if self.reference_id is not None else "neither"
            raise QueryError(
                f"A query has one reference, an item id or a picture; given was {given}.", hint="Give one of them."
            )
        if not self.text.strip():
            raise QueryError("The modification text is empty.", hint="Say what should change.")
        if not has_words(self.text):
            raise QueryError(
                "The modification text has no word: no letter and no digit.", hint="Say what should change."
            )
        if len(self.text) > MAX_TEXT_CHARS:
            raise QueryError(
                f"The modification text has {len(self.text)} characters; at most {MAX_TEXT_CHARS} are allowed.",
                hint="Shorten it.",
            )
        if not 1 <= self.limit <= MAX_LIMIT:
            raise QueryError(f"The limit is {self.limit}; it may be 1 to {MAX_LIMIT}.")
        self._check_options()
        if self.reference_image is not None and len(self.reference_image) > MAX_IMAGE_BYTES:
            raise BadImageError(
                f"The picture has {len(self.reference_image):,} bytes; at most {MAX_IMAGE_BYTES:,} are allowed.",
                hint="Scale it down first.",
            )

    def _check_options(self) -> None:
        if len(self.exclude_ids) > MAX_EXCLUDED:
            raise QueryError(f"{len(self.exclude_ids)} ids are to be excluded; at most {MAX_EXCLUDED} may be.")
        if self.min_score is not None and not -1 <= self.min_score <= 1:
            raise QueryError(f"The least score is {self.min_score}; a cosine is -1 to 1.")
        for name, width in (("nprobe", self.nprobe), ("ef", self.ef)):
            if width is not None and not 1 <= width <= MAX_WIDTH:
                raise QueryError(f"{name} is {width}; it may be 1 to {MAX_WIDTH}.")
