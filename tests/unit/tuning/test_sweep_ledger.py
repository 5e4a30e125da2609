"""What sweeps leave on the root."""

from __future__ import annotations

import pytest

from cirray.errors import ArtifactError
from cirray.storage import Root
from cirray.tuning.ledger import Begun, Ledger, Outcome, RunDetails, record_run, recorded_run


def measured(*scores: float) -> tuple[dict[str, float], ...]:
    return tuple({"epoch": float(epoch), "R@1": score} for epoch, score in enumerate(scores, start=1))


def test_trials_are_told_in_their_order_with_the_first_outcome_of_each(place_uri: str) -> None:
    ledger = Ledger.of(Root.open(place_uri), "css-2d/concat", "f" * 64)
    assert ledger.trials() == []
    runs = [f"{number:02x}" * 32 for number in range(11)]
    for number in reversed(range(11)):
        ledger.begin(Begun(number=number, values={"training.warmup": number / 10}, run=runs[number]))
    ledger.end(runs[3], Outcome(ended="stopped", history=measured(1.0)))
    ledger.end(runs[3], Outcome(ended="finished", history=measured(1.0, 2.0), model="m@1"))
    trials = ledger.trials()
    assert [trial.begun.number for trial in trials] == list(range(11))
    assert [trial.begun.number for trial in trials if trial.outcome] == [3]
    assert ledger.outcome(runs[3]) == trials[3].outcome == Outcome(ended="stopped", history=measured(1.0))
    assert ledger.outcome(runs[4]) is None


def test_a_run_is_known_as_far_as_any_sweep_took_it(place_uri: str) -> None:
    root, run = Root.open(place_uri), "ab" * 32
    assert recorded_run(root, "css-2d/concat", run) is None
    for history, model in ((measured(1.0, 2.0), ""), (measured(1.0), ""), (measured(1.0, 2.0, 3.0), "m@1")):
        record_run(root, "css-2d/concat", run, RunDetails(history=history, model=model), {})
    assert recorded_run(root, "css-2d/concat", run) == RunDetails(history=measured(1.0, 2.0, 3.0), model="m@1")
    assert recorded_run(root, "css-2d/concat", "cd" * 32) is None
    assert recorded_run(root, "css-2d/film", run) is None


def test_a_corrupt_record_says_which(tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("root")
    ledger = Ledger.of(Root.open(str(place)), "css-2d/concat", "f" * 64)
    ledger.begin(Begun(number=0, values={}, run="ab" * 32))
    (file,) = place.rglob("begun/00000.json")
    file.write_text("{}")
    with pytest.raises(ArtifactError, match=r"begun/00000\.json is corrupt"):
        ledger.trials()
