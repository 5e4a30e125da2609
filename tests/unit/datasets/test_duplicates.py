from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cirray.datasets.duplicates import cross_split_duplicates


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([(), ("train",), ("test",), ("train", "test")]))))
def test_what_equals_a_test_item_is_dropped_from_elsewhere(rows: list[tuple[int, tuple[str, ...]]]) -> None:
    ids = [f"i{place}" for place in range(len(rows))]
    found = cross_split_duplicates(ids, [str(pixels) for pixels, _ in rows], [splits for _, splits in rows])
    expected = {}
    for i, (pixels, splits) in enumerate(rows):
        twins = sorted(ids[j] for j, (other, others) in enumerate(rows) if other == pixels and "test" in others)
        if "test" not in splits and twins:
            expected[ids[i]] = twins[0]
    assert found == expected
