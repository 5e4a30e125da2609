from __future__ import annotations

import faiss
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cirray.index import Hit, merge

HITS = st.lists(
    st.builds(Hit, st.text("abc", min_size=1, max_size=4), st.sampled_from([-1.0, 0.0, 0.25, 0.5])),
    max_size=20,
    unique_by=lambda hit: hit.item_id,
)


@given(HITS, st.integers(1, 4), st.integers(1, 25))
def test_the_best_of_all_shards_are_the_best_of_everything(hits: list[Hit], num_shards: int, k: int) -> None:
    def best(some: list[Hit]) -> list[Hit]:
        # Selection by repeatedly taking the best one left.
        left = list(some)
        ranked: list[Hit] = []
        while left and len(ranked) < k:
            top = left[0]
            for hit in left[1:]:
                if hit.score > top.score or (hit.score == top.score and hit.item_id < top.item_id):
                    top = hit
            ranked.append(top)
            left.remove(top)
        return ranked

    per_shard = [best(hits[number::num_shards]) for number in range(num_shards)]
    assert merge(per_shard, k) == best(hits)


def test_nothing_merges_to_nothing() -> None:
    assert merge([], 3) == merge([[], []], 3) == []


def test_the_merge_of_faiss_keeps_the_worst_inner_products_unless_told_otherwise() -> None:
    """The reason for a merge of our own: FAISS assumes distances."""
    scores = np.array([[[0.9, 0.1]], [[0.8, 0.2]]], np.float32)
    rows = np.array([[[0, 1]], [[2, 3]]], np.int64)
    by_default = faiss.merge_knn_results(scores, rows)[1]
    as_similarities = faiss.merge_knn_results(scores, rows, keep_max=True)[1]
    ours = merge([[Hit("0", 0.9), Hit("1", 0.1)], [Hit("2", 0.8), Hit("3", 0.2)]], 2)
    assert [hit.item_id for hit in ours] == ["0", "2"] == [str(row) for row in as_similarities[0]]
    assert list(by_default[0]) != [0, 2]
