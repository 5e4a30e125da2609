"""Draws that depend on a seed and a name alone, and so are the same on every machine and in every version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")

DATABASE = "database"
QUERY = "query"


def number(seed: int, *key: object) -> int:
    """Return a number of 64 bits that looks random and belongs to `key`."""
    text = "\0".join(map(str, (seed, *key)))
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def draw(candidates: Sequence[T], count: int, seed: int, *key: object) -> list[T]:
    """Return up to `count` of `candidates` without repetition, in the order of drawing.

    Draws of different keys are independent: a candidate that is added under one key changes no other draw.
    """
    moved: dict[int, int] = {}  # a shuffle that touches only what it draws
    drawn = []
    for place in range(min(count, len(candidates))):
        chosen = place + number(seed, *key, place) % (len(candidates) - place)
        drawn.append(candidates[moved.get(chosen, chosen)])
        moved[chosen] = moved.get(place, place)
    return drawn


def database_and_queries(labels: Mapping[str, str], shots: int, seed: int) -> dict[str, str]:
    """Return, by item, whether it belongs to the labelled "database" or is a "query" of label retrieval.

    Of each label `shots` items are drawn for the database; of a label with as few or fewer, all are, and it then has
    no query. So it must have been in "Using Text to Teach Image Retrieval": with three shots its database of ADE20K
    has 2,031 images and its queries are exactly the 15,925 others, which no rule that leaves small labels out gives.

    Args:
        labels: by item id, of the items whose picture is there.
        shots: items of each label in the database.
        seed: of the draw; the paper does not say which images it took.
    """
    by_label: dict[str, list[str]] = {}
    for item_id in sorted(labels):
        by_label.setdefault(labels[item_id], []).append(item_id)
    database = chosen_of(by_label, shots, seed)
    return {item_id: DATABASE if item_id in database else QUERY for item_id in labels}


def chosen_of(groups: Mapping[str, Sequence[str]], count: int, seed: int) -> set[str]:
    """Return up to `count` members of each group."""
    drawn: Iterable[list[str]] = (draw(members, count, seed, group) for group, members in groups.items())
    return {member for members in drawn for member in members}
