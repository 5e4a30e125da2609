from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirray.config import override
from cirray.datasets import items_table
from cirray.prepare import PrepareConfig
from cirray.prepare.plan import Part, part_ends, plan_parts
from cirray.storage import FileStat

CONFIG = override(PrepareConfig.of("css-2d"), ["part_rows=40"])
IDS = [f"item-{number:05d}" for number in range(4000)]


def pieces(ids: list[str], part_rows: int = 40) -> list[tuple[str, ...]]:
    ends = part_ends(ids, [1] * len(ids), part_rows)
    return [tuple(ids[start:end]) for start, end in itertools.pairwise([0, *ends])]


def plan(ids: list[str], config: PrepareConfig = CONFIG, version: int = 1, modified: int = 0) -> list[Part]:
    items = items_table({"item_id": i, "path": i, "splits": ["train"]} for i in ids)
    return plan_parts(items, {i: FileStat(i, 9, modified) for i in ids}, config, version)


def test_parts_have_about_the_size_asked_for() -> None:
    sizes = [len(piece) for piece in pieces(IDS)]
    assert all(20 <= size <= 80 for size in sizes[:-1])
    assert 32 <= sum(sizes) / len(sizes) <= 45


@given(ids=st.lists(st.text(max_size=3), unique=True), rows=st.integers(1, 9))
def test_parts_hold_all_items_in_their_order(ids: list[str], rows: int) -> None:
    cut = pieces(sorted(ids), rows)
    assert [item for piece in cut for item in piece] == sorted(ids)
    assert all(1 <= len(piece) <= 2 * rows for piece in cut)


def test_one_item_more_or_less_changes_one_or_two_parts() -> None:
    before = set(pieces(IDS))
    changed = []
    for number in random.Random(0).sample(range(4000), 200):
        more = sorted([*IDS, f"{IDS[number]}-new"])
        less = IDS[:number] + IDS[number + 1 :]
        changed += [len(set(pieces(ids)) - before) for ids in (more, less)]
    assert sum(count <= 2 for count in changed) >= 0.98 * len(changed)
    assert max(changed) <= 8
    assert sum(changed) / len(changed) < 1.5


def test_large_pictures_end_a_part_early() -> None:
    assert part_ends(IDS[:10], [40, 40, 40, 100, 1, 1, 1, 1, 1, 1], 100, max_bytes=100) == [3, 4, 10]


def test_the_fingerprint_of_a_part_says_what_it_depends_on() -> None:
    first = plan(IDS)
    assert [part.fingerprint for part in plan(IDS)] == [part.fingerprint for part in first]
    later = plan(IDS[len(first[0].ids) :])
    assert (later[0].number, later[0].fingerprint) == (0, first[1].fingerprint)
    assert plan(IDS, modified=1)[0].fingerprint != first[0].fingerprint
    assert plan(IDS, version=2)[0].fingerprint != first[0].fingerprint
    assert plan(IDS, override(CONFIG, ["similar_bits=5"]))[0].fingerprint == first[0].fingerprint


@pytest.mark.parametrize("setting", ["row_group_size=7", "resize=pad", "size=33"])
def test_settings_that_change_the_files_change_the_fingerprint(setting: str) -> None:
    assert plan(IDS, override(CONFIG, [setting]))[0].fingerprint != plan(IDS)[0].fingerprint
