"""Promotions at the same time, killed, and over a network that loses answers: on a folder and on a real S3."""

from __future__ import annotations

import os
import signal
import time

import pytest

from cirray.bundles import Bundle, Gate, promote, read_promotions, rollback
from cirray.datasets.prepared import PreparedDataset
from cirray.storage import Root
from cirray.storage.leftovers import find_leftovers, remove_leftovers
from tests.faulty_proxy import Fault, faulty_proxy, first
from tests.measured_models import (
    context,
    env_of_store,
    move_for_ever,
    promote_and_die,
    promote_at_once,
    put_measured,
)
from tests.service_world import MODEL

pytest_plugins = ("tests.promotions",)


def test_of_processes_that_promote_at_once_exactly_one_wins(
    root: Root, dataset: PreparedDataset, versions: list[str], gate: Gate
) -> None:
    base, *candidates = [*versions, put_measured(root, dataset, 40.0, len(versions)).version]
    aliases = [f"{kind}-{number}" for number in range(2) for kind in ("first", "next")]
    for alias in aliases:
        if alias.startswith("next"):
            promote(root, MODEL, base, gate.judge, by="before", alias=alias)
    forks = context()
    together, told = forks.Barrier(len(candidates)), forks.SimpleQueue()
    processes = [
        forks.Process(target=promote_at_once, args=(env_of_store(), root.uri, version, aliases, together, told))
        for version in candidates
    ]
    for process in processes:
        process.start()
    won = dict(told.get() for _ in processes)
    for process in processes:
        process.join()
    for alias in aliases:
        winners = [version for version in candidates if alias in won[version]]
        history = read_promotions(root, MODEL, alias)
        assert history is not None
        assert [history.version] == winners
        before = [base] if alias.startswith("next") else []
        assert [move.version for move in history.moves] == [*before, *winners]
        assert history.moves[-1].by == winners[0]


@pytest.mark.parametrize("moment", ["before", "middle", "after"])
def test_who_is_killed_while_promoting_leaves_the_old_or_the_new(
    root: Root, versions: list[str], gate: Gate, moment: str
) -> None:
    if moment == "middle" and not root.place.is_local:
        pytest.skip("an object is written in one request: a store has no middle")
    promote(root, MODEL, versions[0], gate.judge, by="me")
    process = context().Process(target=promote_and_die, args=(env_of_store(), root.uri, versions[1], moment))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    history = read_promotions(root, MODEL)
    assert history is not None
    assert history.version == versions[1 if moment == "after" else 0]
    again, _ = promote(root, MODEL, versions[2], gate.judge, by="me")
    assert again.version == versions[2]
    assert again.moves[: history.generation] == history.moves
    left = find_leftovers(root, 0)
    assert [file.path.rpartition("/")[0] for file in left.files] == [f"models/{MODEL}"] * (moment == "middle")
    remove_leftovers(root, left)
    assert read_promotions(root, MODEL) == again


def test_what_stands_at_a_random_kill_is_whole(root: Root, versions: list[str]) -> None:
    generation = 0
    for number in range(3):
        process = context().Process(target=move_for_ever, args=(env_of_store(), root.uri, versions))
        process.start()
        ready = generation + 1
        deadline = time.monotonic() + 60
        while (history := read_promotions(root, MODEL)) is None or history.generation < ready + number:
            assert time.monotonic() < deadline
            assert process.is_alive()
        process.kill()
        process.join()
        history = read_promotions(root, MODEL)
        assert history is not None
        assert history.generation == len(history.moves) > generation
        assert history.standing[-1] == history.version
        assert all(move.before == last.version for last, move in zip(history.moves, history.moves[1:], strict=False))
        Bundle.open(root.model(MODEL).open("live"))
        generation = history.generation


@pytest.mark.parametrize("fault", ["slow-down", "reset", "lost-answer"])
@pytest.mark.parametrize("place_uri", ["s3"], indirect=True)
def test_a_promotion_whose_answer_is_lost_is_one(
    root: Root, versions: list[str], gate: Gate, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_proxy(os.environ["AWS_ENDPOINT_URL"], lambda method, path: None) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        for number in (0, 1):
            proxy.decide = first(1, fault, "PUT")
            state, changed = promote(root, MODEL, versions[number], gate.judge, by="me")
            assert (state.version, state.generation, changed) == (versions[number], number + 1, True)
        proxy.decide = first(1, fault, "PUT")
        assert rollback(root, MODEL, by="me", reason="slow").version == versions[0]
        assert proxy.done[fault] == 3
        history = read_promotions(root, MODEL)
    assert history is not None
    assert [move.action for move in history.moves] == ["promote", "promote", "rollback"]
