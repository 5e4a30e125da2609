"""Which kind a gallery gets, and the settings that say so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cirray.config import override
from cirray.errors import ConfigError
from cirray.index import Dials, IndexConfig, kinds
from cirray.index.choice import choose, chosen
from cirray.index.plan import plan_of


@pytest.mark.parametrize(
    ("rows", "memory", "kind"),
    [
        (1, None, "flat"),
        (50_000, None, "flat"),
        (50_001, None, "ivf-flat"),
        (1_000_000, None, "ivf-flat"),
        (1_000_001, None, "ivf-sq8"),
        (30_000_000, None, "ivf-sq8"),
        # 200,000 x 256: a graph takes 261 MB, lists of float32 206 MB, of bytes 53 MB.
        (200_000, 300, "hnsw"),
        (200_000, 220, "ivf-flat"),
        (200_000, 100, "ivf-sq8"),
        # 50,000 x 256: 51 MB as float32.
        (50_000, 60, "flat"),
        (50_000, 20, "ivf-sq8"),
    ],
)
def test_the_kind_follows_from_the_rows_and_the_memory(rows: int, memory: float | None, kind: str) -> None:
    choice = choose(rows, 256, memory)
    assert choice.kind == kind
    assert f"{rows:,} rows a shard" in choice.why
    assert set(choice.dials.given()) == set(kinds[kind].dials)


def test_what_fits_nowhere_is_an_error_that_says_how_much_it_takes() -> None:
    with pytest.raises(
        ConfigError, match=r"200,000 vectors of 256 dimensions takes 53 MB as ivf-sq8.*is 10.*num_shards"
    ):
        choose(200_000, 256, 10)


@given(st.integers(1, 10**9), st.integers(1, 2048))
def test_lists_have_enough_to_train_on(rows: int, dim: int) -> None:
    dials = kinds["ivf-flat"].rule(rows, dim)
    nlist, nprobe = dials.need("nlist"), dials.need("nprobe")
    assert nlist & (nlist - 1) == 0
    assert nlist == 1 or nlist * 39 <= rows
    assert 1 <= nprobe <= nlist
    assert nlist <= 6 * rows**0.5


def test_what_a_person_sets_wins_over_the_rule() -> None:
    choice = chosen("ivf-flat", 100_000, 64, Dials(nlist=100))
    assert choice.dials.nlist == 100
    assert choice.dials.nprobe == kinds["ivf-flat"].rule(100_000, 64).nprobe


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["kind=hsnw"], r"no kind of index 'hsnw'; there are: auto, flat, hnsw, ivf-flat, ivf-sq8"),
        (["dials.nprobe=4"], "name it with kind="),
        (["kind=hnsw", "dials.nprobe=4"], r"'hnsw' has no dial 'nprobe'; it has: links, ef_construction"),
        (["kind=flat", "dials.nprobe=4"], "has no dial 'nprobe'; it has: none"),
        (["kind=ivf-flat", "dials.nprobe=0"], "nprobe"),
        (["min_recall=1.5"], "min_recall"),
        (["max_memory_mb=0"], "max_memory_mb"),
    ],
)
def test_settings_that_make_no_index_are_refused(assignments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override(IndexConfig(), assignments)


def test_a_kind_and_its_dials_can_be_set() -> None:
    config = override(IndexConfig(), ["kind=ivf-sq8", "dials.nprobe=4"])
    assert config.dials.given() == {"nprobe": 4}
    assert config.identity() != override(IndexConfig(), ["kind=ivf-sq8"]).identity()


def test_dials_are_raised_as_far_as_they_go() -> None:
    sq8, hnsw = kinds["ivf-sq8"], kinds["hnsw"]
    assert sq8.raised(Dials(nlist=8, nprobe=4, refine=2), frozenset()) == Dials(nlist=8, nprobe=8, refine=2)
    assert sq8.raised(Dials(nlist=8, nprobe=8, refine=2), frozenset()) == Dials(nlist=8, nprobe=8, refine=4)
    assert sq8.raised(Dials(nlist=8, nprobe=8, refine=128), frozenset()) is None
    assert sq8.raised(Dials(nlist=8, nprobe=4, refine=2), frozenset({"nprobe", "refine"})) is None
    assert kinds["ivf-flat"].raised(Dials(nlist=8, nprobe=8, refine=1), frozenset()) is None
    raised = hnsw.raised(Dials(links=8, ef_construction=40, ef_search=64, refine=1), frozenset())
    assert raised is not None
    assert raised.ef_search == 128
    assert hnsw.raised(Dials(links=8, ef_construction=40, ef_search=4096, refine=1), frozenset()) is None
    assert kinds["flat"].raised(Dials(), frozenset()) is None


@pytest.mark.parametrize(
    ("passing", "rows", "plan"),
    [
        (0, 10**6, "exact-scan"),
        (10_000, 15_000, "exact-scan"),
        (10_001, 15_000, "ann"),
        (50_000, 10**6, "exact-scan"),
        (50_001, 10**6, "widened-ann"),
        (499_999, 10**6, "widened-ann"),
        (500_000, 10**6, "ann"),
    ],
)
def test_the_plan_follows_from_how_many_rows_pass(passing: int, rows: int, plan: str) -> None:
    assert plan_of(passing, rows) == plan
