"""Aliases: moved by one at a time."""

from __future__ import annotations

import threading

import pytest

from cirray.errors import ArtifactError, ConflictError
from cirray.storage import Alias, Location, move_alias, read_alias


def test_an_alias_counts_its_moves(place_uri: str) -> None:
    shelf = Location.parse(place_uri) / "toys"
    assert read_alias(shelf, "live") is None
    assert move_alias(shelf, "live", "v1") == Alias(version="v1", generation=1)
    assert move_alias(shelf, "live", "v2") == Alias(version="v2", generation=2)
    assert move_alias(shelf, "live", "v2") == Alias(version="v2", generation=2)
    assert read_alias(shelf, "live") == Alias(version="v2", generation=2)
    assert read_alias(shelf, "latest") is None


def test_who_saw_an_older_generation_has_lost(place_uri: str) -> None:
    shelf = Location.parse(place_uri) / "toys"
    move_alias(shelf, "live", "v1", expected_generation=0)
    move_alias(shelf, "live", "v2", expected_generation=1)
    with pytest.raises(ConflictError, match=r"generation 2, not 1"):
        move_alias(shelf, "live", "v3", expected_generation=1)
    assert read_alias(shelf, "live") == Alias(version="v2", generation=2)


def test_of_many_at_once_exactly_one_moves_it(place_uri: str) -> None:
    shelf = Location.parse(place_uri) / "toys"
    move_alias(shelf, "live", "v0")
    won: list[str] = []
    lost: list[str] = []
    barrier = threading.Barrier(6)

    def race(version: str) -> None:
        barrier.wait()
        try:
            move_alias(shelf, "live", version, expected_generation=1)
        except ConflictError:
            lost.append(version)
        else:
            won.append(version)

    threads = [threading.Thread(target=race, args=(f"v{number}",)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert len(lost) == 5
    assert read_alias(shelf, "live") == Alias(version=won[0], generation=2)


def test_a_corrupt_alias_is_told(place_uri: str) -> None:
    shelf = Location.parse(place_uri) / "toys"
    (shelf / "live.json").write(b"v1")
    with pytest.raises(ArtifactError, match="corrupt"):
        read_alias(shelf, "live")
