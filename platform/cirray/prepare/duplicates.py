"""Which items show the same picture, or nearly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cirray.datasets.schema import DUPLICATES
from cirray.prepare.rejects import DUPLICATE_OF_OTHER_SPLIT, Reject

TRAIN = "train"

BANDED = 5
"""Largest radius for which bands of bits are looked up: with more, each is so narrow that most hashes share one."""

Hashes64 = npt.NDArray[np.uint64]


def find_duplicates(hashes: pa.Table, similar_bits: int | None) -> pa.Table:
    """Return the duplicates, schema `DUPLICATES`, sorted by id, among the items of `hashes` (schema `HASHES`).

    Of items with the same bytes the first by id stands for all, and likewise of those of the same pixels. Those that
    are left are compared by perceptual hash: an item is similar to the first before it that is itself no duplicate.
    """
    ids = hashes["item_id"].to_pylist()
    order = sorted(range(len(ids)), key=ids.__getitem__)
    found: dict[int, tuple[int, str]] = {}
    for kind, column in (("same-bytes", "bytes"), ("same-pixels", "pixels")):
        keys = hashes[column].to_pylist()
        found |= {row: (first, kind) for row, first in _firsts(order, keys).items()}
        order = [row for row in order if row not in found]
    if similar_bits is not None:
        perceptual = hashes["perceptual"].to_numpy()[order]
        near = _near_firsts(perceptual, similar_bits)
        found |= {order[row]: (order[first], "similar") for row, first in near.items()}
    rows = [(ids[row], ids[first], kind) for row, (first, kind) in found.items()]
    return pa.Table.from_pylist([dict(zip(DUPLICATES.names, row, strict=True)) for row in sorted(rows)], DUPLICATES)


def duplicates_of_other_splits(
    hashes: pa.Table, splits: Mapping[str, Iterable[str]], others: Iterable[str]
) -> list[Reject]:
    """Return the items of the split "train" that have the same pixels as an item of one of the `others`.

    Items that belong to such a split themselves stay.

    Args:
        hashes: schema `HASHES`.
        splits: that each item belongs to, by its id.
        others: splits that are to be kept apart from "train".
    """
    apart = set(others)
    rows = sorted(zip(hashes["item_id"].to_pylist(), hashes["pixels"].to_pylist(), strict=True))
    held: dict[str, str] = {}
    for item_id, pixels in rows:
        shared = sorted(apart.intersection(splits[item_id]))
        if shared:
            held.setdefault(pixels, f"the same pixels as {item_id} of {shared[0]}")
    return [
        Reject("item", item_id, DUPLICATE_OF_OTHER_SPLIT, held[pixels])
        for item_id, pixels in rows
        if pixels in held and TRAIN in splits[item_id] and not apart.intersection(splits[item_id])
    ]


def _firsts(order: list[int], keys: list[Hashable]) -> dict[int, int]:
    """Return, for each row of `order` whose key an earlier row has, the first such row."""
    firsts: dict[Hashable, int] = {}
    return {row: first for row in order if (first := firsts.setdefault(keys[row], row)) != row}


def _near_firsts(hashes: Hashes64, radius: int) -> dict[int, int]:
    """Return, for each row within `radius` bits of an earlier one that is no duplicate itself, the first such row.

    Two hashes that differ in at most `radius` bits agree in one of `radius` + 1 bands of bits, so only rows that
    share a band are compared (Norouzi et al., "Fast search in Hamming space with multi-index hashing", 2012). A hash
    of no bits says nothing of a picture but that it is even, and is like no other.
    """
    unique, first_row = np.unique(hashes, return_index=True)
    order = np.argsort(first_row, kind="stable")
    unique, first_row = unique[order], first_row[order]
    leaders = _leaders(unique, radius)
    leader_row = {int(value): int(first_row[leaders[at]]) for at, value in enumerate(unique)}
    rows = ((row, leader_row[int(value)]) for row, value in enumerate(hashes) if value)
    return {row: first for row, first in rows if first != row}


def _leaders(unique: Hashes64, radius: int) -> list[int]:
    """Return for each of the different hashes the first leader within `radius`, or itself, which then leads."""
    if radius > BANDED:
        return _leaders_of_all(unique, radius)
    shifts, masks = _bands(radius + 1)
    buckets: list[defaultdict[int, list[int]]] = [defaultdict(list) for _ in shifts]
    leaders = []
    for at, value in enumerate(unique):
        keys = [int(value) >> shift & mask for shift, mask in zip(shifts, masks, strict=True)]
        near = np.array(sorted({row for bucket, key in zip(buckets, keys, strict=True) for row in bucket[key]}), int)
        close = near[np.bitwise_count(unique[near] ^ value) <= radius] if len(near) and value else near[:0]
        if len(close):
            leaders.append(int(close[0]))
            continue
        leaders.append(at)
        if value:
            for bucket, key in zip(buckets, keys, strict=True):
                bucket[key].append(at)
    return leaders


def _leaders_of_all(unique: Hashes64, radius: int) -> list[int]:
    """Return what `_leaders` does by comparing each hash with all leaders."""
    led, count, leaders = np.empty_like(unique), 0, []
    places = np.empty(len(unique), np.int64)
    for at, value in enumerate(unique):
        close = np.bitwise_count(led[:count] ^ value) <= radius if value else led[:0]
        if len(close) and close[first := int(close.argmax())]:
            leaders.append(int(places[first]))
            continue
        leaders.append(at)
        if value:
            led[count], places[count] = value, at
            count += 1
    return leaders


def _bands(count: int) -> tuple[list[int], list[int]]:
    """Cut 64 bits into `count` bands: return where each begins, and a mask as wide."""
    edges = [64 * band // count for band in range(count + 1)]
    return edges[:-1], [(1 << (end - start)) - 1 for start, end in pairwise(edges)]
