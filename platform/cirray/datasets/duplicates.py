"""The same picture on both sides of a split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def cross_split_duplicates(
    item_ids: Sequence[str],
    pixel_hashes: Sequence[str | bytes],
    splits: Sequence[Iterable[str]],
    keep: str = "test",
) -> dict[str, str]:
    """Return the items to drop from other splits, each with an item of split `keep` that has the same pixels.

    Items of `keep` are never dropped, so that its queries and its gallery stay as they are.

    Args:
        item_ids: of all items.
        pixel_hashes: of each item's decoded picture.
        splits: of each item.
        keep: the split that stays whole.
    """
    members = [keep in of_item for of_item in splits]
    kept: dict[str | bytes, str] = {}
    for item_id, pixels, member in zip(item_ids, pixel_hashes, members, strict=True):
        if member:
            kept[pixels] = min(item_id, kept.get(pixels, item_id))
    return {
        item_id: kept[pixels]
        for item_id, pixels, member in zip(item_ids, pixel_hashes, members, strict=True)
        if not member and pixels in kept
    }
