"""What goes over the wire: requests, answers, problems."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from cirray.datasets.schema import has_words
from cirray.index import Filter
from cirray.search import DEFAULT_LIMIT, MAX_EXCLUDED, MAX_LIMIT, MAX_TEXT_CHARS, MAX_WIDTH, FilterPlan

MAX_TIMEOUT_MS = 30_000

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=512)]


def _says_something(text: str) -> str:
    if not has_words(text):
        raise ValueError("The text has no word: no letter and no digit.")
    return text


Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT_CHARS),
    AfterValidator(_says_something),
]


class Wire(BaseModel):
    """Base of all wire models: closed to unknown fields, strict about types."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Parameters(BaseModel):
    """Base of the query parameters of a route: closed to unknown ones."""

    model_config = ConfigDict(extra="forbid")


class Reference(Wire):
    """What the change starts from: an item of the gallery, or a picture. Exactly one of them."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["id"]}, {"required": ["image"]}]})

    id: Identifier | None = Field(None, description="Id of an item of the gallery.")
    image: str | None = Field(
        None, min_length=1, description="A picture file (JPEG, PNG, WebP, …) as standard base64."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Reference:
        if (self.id is None) == (self.image is None):
            raise ValueError("Give exactly one of id and image.")
        return self


FieldName: TypeAlias = Literal["label", "caption", "category", "attributes"]


class SearchParams(Wire):
    """How widely to search. What is left out is as the index was built."""

    exact: bool = Field(False, description="Compare every item, whatever the kind of index.")
    nprobe: int | None = Field(None, ge=1, le=MAX_WIDTH, description="Lists to search, of the kinds ivf-…")
    ef: int | None = Field(None, ge=1, le=MAX_WIDTH, description="Candidates of the graph search, of kind hnsw.")


class SearchRequest(Wire):
    """One composed query: a reference, and how what is looked for differs from it."""

    reference: Reference
    text: Text = Field(description="The change, in words.", examples=["make the circle red"])
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="How many hits at most.")
    exclude_reference: bool = Field(True, description="Leave the reference itself out of the hits.")
    exclude_ids: list[Identifier] = Field(
        default_factory=list, max_length=MAX_EXCLUDED, description="Other items to leave out."
    )
    filter: Filter | None = Field(None, description="Conditions on the items that may be found.")
    min_score: float | None = Field(None, ge=-1, le=1, description="The least score of a hit.")
    params: SearchParams = Field(default_factory=SearchParams)
    fields: list[FieldName] = Field(
        default_factory=list, max_length=4, description="What to tell of each hit under `fields`."
    )
    index: Identifier | None = Field(None, description="Name of the index; may be left out.")
    timeout_ms: int | None = Field(
        None, ge=1, le=MAX_TIMEOUT_MS, description="Time for the whole request; the service's default if absent."
    )


class HitFields(Wire):
    """What was asked for of a hit; the rest is null."""

    label: str | None = None
    caption: str | None = None
    category: str | None = None
    attributes: list[str] | None = None


class Hit(Wire):
    """One item that was found."""

    id: str
    rank: int = Field(description="From 1.")
    score: float = Field(description="Cosine of query and item, -1 to 1: higher is better.")
    label: str = Field(description="Items of one label are the same answer.")
    caption: str
    image_url: str
    fields: HitFields | None = Field(None, description="Null unless the request names fields.")


class QueryInfo(Wire):
    """How the query was understood."""

    composer: str
    composer_version: str
    text: str
    unknown_words: list[str] = Field(description="Words that the model never saw; they count for little.")


class IndexInfo(Wire):
    """Which index answered."""

    name: str
    version: str


class ShardCounts(Wire):
    """How many shards were asked, and how many answered."""

    total: int
    ok: int
    failed: int


class ShardFailure(Wire):
    """A shard that did not answer."""

    shard: int
    reason: str = Field(description="timeout, unavailable, overloaded, other-version or error.")


class Coverage(Wire):
    """How much of the index the answer is from."""

    ratio: float = Field(description="Share of the shards that answered, 0 to 1.")
    degraded: bool = Field(description="Whether anything is missing.")
    shards: ShardCounts
    failures: list[ShardFailure]
    filter: FilterPlan | None = Field(description="How the filter was kept; null where there was none.")
    exhausted: bool = Field(
        description="Whether there are fewer hits than asked for because no other item passes. False where shards "
        "failed, and where min_score cut short what an approximate index had found."
    )


class Timings(Wire):
    """Milliseconds that each stage took; search is the wait for the slowest shard."""

    decode: float
    compose: float
    search: float
    merge: float
    total: float


class SearchResponse(Wire):
    """The hits, best first, and how they came about."""

    hits: list[Hit]
    query: QueryInfo
    index: IndexInfo
    coverage: Coverage
    timings_ms: Timings
    request_id: str


class Item(Wire):
    """One item of the gallery."""

    id: str
    label: str
    caption: str
    width: int
    height: int
    image_url: str


class ItemPage(Wire):
    """A page of the gallery, by id."""

    items: list[Item]
    next_cursor: str | None = Field(description="Pass it as cursor for the next page; null on the last one.")
    total: int = Field(description="Items in the gallery that pass the filter.")


class Example(Wire):
    """A query that the dataset asks itself."""

    reference: Item
    text: str


class ExampleList(Wire):
    """Some queries of the dataset."""

    examples: list[Example]


class IndexDescription(Wire):
    """The index that is served."""

    name: str
    version: str
    fingerprint: str
    items: int
    shards: int
    model: str
    model_version: str
    dataset: str
    dataset_version: str
    dataset_fingerprint: str
    kind: str = Field(description="flat is exact; the others find recall_at_10 of what it finds.")
    dials: dict[str, int] = Field(description="Of that kind, as it was built.")
    recall_at_10: float = Field(description="Share of the ten best items that are found, measured at build.")
    bytes_per_vector: float


class IndexList(Wire):
    """All indexes that are served."""

    indexes: list[IndexDescription]


class Live(Wire):
    """The process is up."""

    status: str = "live"


class ShardState(Wire):
    """Whether one shard answers."""

    shard: int
    ready: bool
    reason: str | None = Field(None, description="Why not, where it does not.")


class Ready(Wire):
    """Every shard answers."""

    status: str = "ready"
    index: IndexInfo
    shards: list[ShardState] | None = Field(None, description="With ?verbose=true.")


class FieldProblem(Wire):
    """What is wrong with one part of the request."""

    pointer: str = Field(description="JSON pointer into the body, or ?name for a query parameter.")
    message: str


class Problem(Wire):
    """Why there is no answer (RFC 9457)."""

    type: str = Field(description="URL of the kind of problem; it resolves to its description.")
    title: str
    status: int
    detail: str
    instance: str = Field(description="Path of the request.")
    code: str = Field(description="Last part of type; stable.")
    request_id: str
    errors: list[FieldProblem] = Field(default_factory=list)
    hint: str = ""


class ProblemDescription(Wire):
    """What a kind of problem means."""

    type: str
    title: str
    status: int
    meaning: str
    mend: str
