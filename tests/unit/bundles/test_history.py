"""The history of an alias: what a rollback returns to, and that it is believed only where it fits the alias."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cirray.bundles import Move, PromotedAlias
from cirray.bundles.history import standing


def move(version: str, action: str = "promote") -> Move:
    return Move.model_validate({"action": action, "version": version, "before": None, "by": "me"})


steps = st.lists(st.sampled_from("abc") | st.integers(0, 3), max_size=30)


@settings(deadline=None)
@given(steps)
def test_each_rollback_returns_to_what_was_before_what_it_undoes(given_steps: list[str | int]) -> None:
    moves: list[Move] = []
    # By copies of the whole state: what the alias was at each promotion that still stands.
    states: list[list[str]] = [[]]
    for step in given_steps:
        if isinstance(step, str):
            moves.append(move(step))
            states.append([*states[-1], step])
        elif len(states[-1]) > 1:
            *earlier, _ = states[-1]
            target = earlier[-1 - min(step, len(earlier) - 1)]
            # Of a version that stood there twice, the later one is gone back to.
            while earlier[-1] != target:
                earlier.pop()
            moves.append(move(target, "rollback"))
            states.append(earlier)
        assert standing(moves) == states[-1]


def test_a_history_must_have_led_to_the_alias() -> None:
    moves = (move("a"), move("b"))
    assert PromotedAlias(version="b", generation=2, moves=moves).standing == ["a", "b"]
    for version, generation in (("a", 2), ("b", 1), ("b", 3)):
        with pytest.raises(ValidationError, match="not those that led here"):
            PromotedAlias(version=version, generation=generation, moves=moves)
    with pytest.raises(ValidationError, match="at least 1"):
        PromotedAlias(version="a", generation=0, moves=())


def test_a_history_survives_being_written() -> None:
    alias = PromotedAlias(version="b", generation=2, moves=(move("a"), move("b")))
    assert PromotedAlias.model_validate_json(alias.model_dump_json()) == alias
    assert alias.moves[0].id != alias.moves[1].id
    assert alias.moves[0].at.tzinfo is not None
