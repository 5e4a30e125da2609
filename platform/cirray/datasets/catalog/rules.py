"""Triplets by rule: pairs of items that differ in one attribute, or in one word of their captions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cirray.datasets.catalog.config import AttributeRule, CaptionWordRule
from cirray.datasets.schema import triplets_table

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ItemValues:
    """The items of one split, as far as rules look at them.

    Attributes:
        ids: all different.
        captions: of each item.
        attributes: the values of each attribute.
    """

    ids: Sequence[str]
    captions: Sequence[str]
    attributes: Mapping[str, Sequence[str]]


class _Slot(NamedTuple):
    """A value of an item that another may take the place of: that of any item with the same `rest`."""

    reference: str
    value: str
    name: str
    rest: tuple[object, ...]
    item: int


def make_triplets(items: ItemValues, rule: AttributeRule | CaptionWordRule) -> pa.Table:
    """Return triplets of schema `TRIPLETS`, made of the items of one split.

    For an item, each other value that occurs where all else is equal gives one query, "replace <value> with <other
    value>"; its target is some item with that other value. Items without a value of an attribute that the rule looks
    at are in none of its queries.

    The draw, for each kind of queries alone (one attribute that changes, or all words of captions): the queries are
    sorted by reference id, then by text. One `numpy.random.default_rng(seed)` first takes, of each reference that has
    more, `choice(its queries, per_reference, replace=False)`, then, if still more than `limit` are left,
    `choice(left, limit, replace=False)`; the order stays. At last it draws a target for each that was taken.

    Args:
        items: of one split.
        rule: which pairs, and how many of them.
    """
    rows = []
    if isinstance(rule, CaptionWordRule):
        rows += _drawn("caption-word", _word_slots(items), items, rule)
    else:
        for changed in rule.change or tuple(items.attributes):
            rows += _drawn(changed, _attribute_slots(items, changed, rule.fixed), items, rule)
    return triplets_table(rows)


def _attribute_slots(items: ItemValues, changed: str, fixed: Sequence[str] | None) -> list[_Slot]:
    equal = [name for name in (items.attributes if fixed is None else fixed) if name != changed]
    rests = zip(*(items.attributes[name] for name in equal), strict=True) if equal else [()] * len(items.ids)
    rows = zip(items.ids, items.attributes[changed], rests, strict=True)
    return [
        _Slot(item_id, value, changed, rest, place)
        for place, (item_id, value, rest) in enumerate(rows)
        if value and all(rest)
    ]


def _word_slots(items: ItemValues) -> list[_Slot]:
    slots = []
    for place, (item_id, caption) in enumerate(zip(items.ids, items.captions, strict=True)):
        words = caption.split()
        # Hashes of what is before and behind each word: written out, the rests of a text of n words are n² words.
        before, behind = _running(words), _running(words[::-1])[::-1]
        for at, word in enumerate(words):
            slots.append(_Slot(item_id, word, f"word-{at}", (at, before[at], behind[at + 1]), place))
    return slots


def _running(words: Sequence[str]) -> list[bytes]:
    """Return a hash of the first n words, for each n from 0 on."""
    found = [b""]
    for word in words:
        # Hashed again, hashes are as long as one another, so that no text can be read in two ways.
        found.append(hashlib.blake2b(found[-1] + word.encode(), digest_size=16).digest())
    return found


def _drawn(
    kind: str, slots: list[_Slot], items: ItemValues, rule: AttributeRule | CaptionWordRule
) -> list[dict[str, object]]:
    """Return the triplets of one kind. Queries are counted, and only those that are drawn are written out."""
    slots = sorted(slots, key=lambda slot: slot[:3])
    groups: dict[tuple[object, ...], dict[str, list[int]]] = {}
    for slot in slots:
        groups.setdefault(slot.rest, {}).setdefault(slot.value, []).append(slot.item)
    ordered = {rest: sorted(values) for rest, values in groups.items()}
    ends = np.cumsum([len(ordered[slot.rest]) - 1 for slot in slots], dtype=np.int64)
    generator = np.random.default_rng(rule.seed)
    chosen = _chosen(ends, [slot.reference for slot in slots], rule, generator)
    picks = generator.random(len(chosen))

    rows: list[dict[str, object]] = []
    at = np.searchsorted(ends, chosen, side="right")
    for query, place, pick in zip(chosen.tolist(), at.tolist(), picks.tolist(), strict=True):
        slot = slots[place]
        others = ordered[slot.rest]
        number = query - (int(ends[place - 1]) if place else 0)
        # The slot's own value is no other: those from its place on are one further.
        new = others[number + (others[number] >= slot.value)]
        targets = groups[slot.rest][new]
        rows.append(
            {
                "query_id": f"{slot.reference}/{slot.name}/{new}",
                "reference_id": slot.reference,
                "texts": [f"replace {slot.value} with {new}"],
                "target_id": items.ids[targets[int(pick * len(targets))]],
                "category": kind,
            }
        )
    return rows


def _chosen(
    ends: Ints,
    references: Sequence[str],
    rule: AttributeRule | CaptionWordRule,
    generator: np.random.Generator,
) -> Ints:
    """Return the numbers of the queries that are taken, sorted; slot i has those from `ends[i - 1]` to `ends[i]`."""
    total = int(ends[-1]) if len(ends) else 0
    if rule.per_reference is None:
        if total <= rule.limit:
            return np.arange(total)
        return np.sort(generator.choice(total, rule.limit, replace=False))
    parts, start = [], 0
    for place, end in enumerate(ends.tolist()):
        if place + 1 < len(references) and references[place + 1] == references[place]:
            continue
        count = end - start
        own = np.arange(count)
        if count > rule.per_reference:
            own = np.sort(generator.choice(count, rule.per_reference, replace=False))
        parts.append(start + own)
        start = end
    chosen = np.concatenate(parts) if parts else np.arange(0)
    if len(chosen) > rule.limit:
        chosen = chosen[np.sort(generator.choice(len(chosen), rule.limit, replace=False))]
    return chosen
