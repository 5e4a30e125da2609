"""The parts of one item's score for one query."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)

from cirray.bundles import Bundle
from cirray.bundles.explanation import explain
from cirray.errors import CirrayError
from cirray.exact import Floats
from cirray.search import Answer, Query
from cirray.service.backend import Backend


@dataclass(frozen=True)
class Explanation:
    """Why an item has its score.

    Attributes:
        query_score: cosine of the composed query and the item.
        reference_score: cosine of the reference's own gallery vector and the item.
        text_score: cosine of the text alone and the item; None where the model cannot do without a picture.
        rank: of the item among what the query finds; None where it is not among as many as the query asks for.
        rank_without_text: the same where the reference's gallery vector is the query.
        maps: by name, each (h, w) in 0..1; none where the method has none.
        unknown_words: words of the text that the model never saw.
        degraded: whether a shard did not answer, so that the ranks may be too good.
    """

    query_score: float
    reference_score: float
    text_score: float | None
    rank: int | None
    rank_without_text: int | None
    maps: dict[str, Floats]
    unknown_words: tuple[str, ...]
    degraded: bool


async def explain_hit(
    backend: Backend, bundle: Bundle, query: Query, item: str, ends: float, budget_ms: int
) -> Explanation:
    """Return why `item` has its score for `query`.

    Args:
        backend: what answers.
        bundle: the model that composes its queries.
        query: with as large a limit as ranks are to be told.
        item: id of an item of the gallery.
        ends: when to give up, by `time.monotonic`.
        budget_ms: milliseconds of the whole request.

    Raises:
        QueryError: the query cannot be composed, or there is no such item.
        DeadlineExceededError: the time ran out.
        ShardsUnavailableError: too few shards answered.
    """
    composed = await backend.compose(query, ends, budget_ms)
    parts = await asyncio.to_thread(_parts, backend, bundle, query, item)
    by_reference = replace(composed, vector=parts.reference)
    answers = [_checked(answer) for answer in await backend.ask([composed, by_reference], ends)]
    return Explanation(
        query_score=float(composed.vector @ parts.target),
        reference_score=float(parts.reference @ parts.target),
        text_score=None if parts.text is None else float(parts.text @ parts.target),
        rank=_rank(answers[0], item),
        rank_without_text=_rank(answers[1], item),
        maps=parts.maps,
        unknown_words=composed.unknown_words,
        degraded=any(answer.coverage.degraded for answer in answers),
    )


class _Parts(NamedTuple):
    """What the model itself says: unit vectors (D,), and maps."""

    target: Floats
    reference: Floats
    text: Floats | None
    maps: dict[str, Floats]


def _parts(backend: Backend, bundle: Bundle, query: Query, item: str) -> _Parts:
    picture = query.reference_image or backend.gallery.image(query.reference_id or "")
    target, reference = bundle.embed([backend.gallery.image(item), picture])
    maps = explain(bundle, picture, query.text).maps if bundle.model.composer.explains else {}
    return _Parts(target, reference, _text_vector(bundle, picture, query.text), maps)


def _text_vector(bundle: Bundle, picture: bytes, text: str) -> Floats | None:
    composer = bundle.model.composer
    if not composer.uses_reference:
        alone: Floats = bundle.compose([picture], [text])[0]
        return alone
    if not composer.describes:
        return None
    tokens, lengths = (torch.from_numpy(ids) for ids in bundle.vocabulary.encode([text]))
    with torch.inference_mode():
        described = composer.describe(bundle.model.encode_descriptions(tokens, lengths))
        vector: Floats = F.normalize(described.float(), dim=1)[0].numpy()
    return vector


def _checked(answer: Answer | CirrayError) -> Answer:
    if isinstance(answer, CirrayError):
        raise answer
    return answer


def _rank(answer: Answer, item: str) -> int | None:
    return next((hit.rank for hit in answer.hits if hit.item_id == item), None)
