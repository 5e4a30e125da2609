"""A sweep on real Ray and a real S3: killed in the middle, finished by the same command, and met again by another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.util.placement_group import placement_group

from cirray.bundles import Bundle
from cirray.errors import ArtifactError
from cirray.storage import Artifact, Location, Root
from cirray.tuning.holding import giving_back
from cirray.tuning.ledger import Ledger, Trial

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1800)]

RECIPE = "css-2d/tirg-last-fc"
TRIALS, EPOCHS = 6, 3
JOB = Path(__file__).parents[2] / "jobs" / "tune.py"
SETTINGS = (
    *("--epochs", str(EPOCHS), "--metric", "R@10", "--hold-out", "0.4", "--concurrent", "2", "--json"),
    *("--set", "training.batch_size=32", "--set", "model.image_encoder.widths=[8,8,8]"),
)


def command(root: Root, space: Path, *more: str, trials: int = TRIALS) -> list[str]:
    base = [sys.executable, str(JOB), RECIPE, "--root", root.uri, "--space", str(space), "--trials", str(trials)]
    return [*base, *SETTINGS, *more]


def environment(address: str | None = None) -> dict[str, str]:
    gcs = ray.get_runtime_context().gcs_address
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "RAY_ADDRESS": address or gcs}


def modified(place: Location) -> dict[str, int]:
    return {file.path: file.modified_ns for file in place.files()}


@dataclass(frozen=True)
class Killed:
    """A sweep whose driver was killed, and what the same command made of it.

    Attributes:
        root: its root.
        space: file of its dials.
        before: its trials when the driver was dead.
        files: of runs, models and outcomes then, with the time of each.
    jobs: of Ray, whose placement groups there were then.
        summary: of the second driver.
    """

    root: Root
    space: Path
    before: list[Trial]
    files: dict[str, int]
    jobs: set[str]
    summary: dict[str, Any]


@pytest.fixture(scope="module")
def killed(css_root: str, bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Killed:
    folder = tmp_path_factory.mktemp("tuning")
    space = folder / "space.yaml"
    space.write_text(
        "training.learning_rate: {kind: around, factor: 30.0}\n"
        "objective.batch-classification.scale: {kind: log-uniform, low: 1.0, high: 20.0}\n"
    )
    root = Root.open(f"{bucket}/{folder.name}")
    source = Location.parse(css_root) / "datasets"
    for file in source.files():
        (root.place / "datasets" / file.path).write((source / file.path).read())

    driver = subprocess.Popen(command(root, space), env=environment(), stdout=subprocess.PIPE)
    try:
        while not (trials := [trial for ledger in ledgers(root) for trial in ledger.trials()]) or not any(
            trial.outcome for trial in trials
        ):
            assert driver.poll() is None, "the driver ended before its first trial did"
            time.sleep(0.2)  # an outcome is an object that appears; nothing tells of it
    finally:
        driver.kill()
        driver.communicate()
    assert driver.returncode == -signal.SIGKILL
    (ledger,) = ledgers(root)
    before, files, jobs = ledger.trials(), modified(root.place), set(map(job_of, ray.util.placement_group_table()))
    assert 0 < sum(trial.outcome is not None for trial in before) < TRIALS

    second = subprocess.run(command(root, space), env=environment(), stdout=subprocess.PIPE, check=True)
    return Killed(root, space, before, files, jobs, json.loads(second.stdout))


def job_of(group: str) -> str:
    """Return the id of Ray's job, with which the id of a placement group ends."""
    return group[-ray.JobID.size() * 2 :]


def ledgers(root: Root) -> list[Ledger]:
    return [Ledger(root.sweeps(RECIPE) / name) for name in root.sweeps(RECIPE).folders()]


def trials_of(killed: Killed) -> Iterator[Trial]:
    (ledger,) = ledgers(killed.root)
    yield from ledger.trials()


def test_the_same_command_ends_the_sweep_and_redoes_nothing(killed: Killed) -> None:
    after = {trial.begun.number: trial for trial in trials_of(killed)}
    assert sorted(after) == list(range(TRIALS))
    assert all(trial.outcome for trial in after.values())
    now = modified(killed.root.place)
    for trial in killed.before:
        assert after[trial.begun.number].begun == trial.begun
        if trial.outcome is None:
            continue
        assert after[trial.begun.number].outcome == trial.outcome
        # Neither its checkpoints nor its bundle were touched again.
        own = [path for path in killed.files if trial.begun.run[:16] in path]
        assert len(own) > 2
        assert {path: now[path] for path in own} == {path: killed.files[path] for path in own}


def test_trials_that_lag_are_stopped_and_the_others_leave_a_bundle(killed: Killed) -> None:
    ended = {row["number"]: row for row in killed.summary["trials"]}
    kinds = [row["ended"] for row in ended.values()]
    assert set(kinds) == {"finished", "stopped"}
    # Of two trials that are proposed together either may start first, and be number 0.
    assert [row["number"] for row in ended.values() if row["defaults"]] in ([0], [1])
    for row in ended.values():
        assert (row["epochs"] == EPOCHS) == (row["ended"] == "finished") == bool(row["model"])
    best = killed.summary["best"]
    assert best["score"] == max(row["score"] for row in ended.values() if row["ended"] == "finished")
    name, _, version = best["model"].partition("@")
    bundle = Bundle.open(killed.root.model(name).open(version))
    settings = bundle.artifact.manifest.settings
    assert settings["training"]["learning_rate"] == best["values"]["training.learning_rate"]
    assert settings["hold_out"] == {"share": 0.4, "seed": 0}
    assert best["commands"][0] == f"cirray models promote {best['model']} --root {killed.root.uri}"
    # No trial is what the model's bare name means.
    with pytest.raises(ArtifactError):
        killed.root.model(name).open()


def test_stopped_trials_give_back_what_their_workers_held(killed: Killed) -> None:
    deadline = time.monotonic() + 60
    # What a killed driver's trials held is for Ray to free, by way of its dashboard, of which there is none here.
    while left := [
        group
        for name, group in ray.util.placement_group_table().items()
        if job_of(name) not in killed.jobs and group["state"] != "REMOVED"
    ]:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.2)  # groups are removed behind one's back


def test_what_was_held_before_a_sweep_is_not_given_back_after_it(ray_session: None) -> None:
    class Controller:
        def ask_for_workers(self) -> str:
            group = placement_group([{"CPU": 0.1}])
            ray.get(group.ready())
            return str(group.id.hex())

    own = placement_group([{"CPU": 0.1}])
    with giving_back():
        controller: Any = ray.remote(num_cpus=0)(Controller).remote()
        asked = ray.get(controller.ask_for_workers.remote())
        ray.kill(controller)
    groups = ray.util.placement_group_table()
    assert (groups[asked]["state"], groups[own.id.hex()]["state"]) == ("REMOVED", "CREATED")
    ray.util.remove_placement_group(own)


def test_a_finished_sweep_is_told_again_without_ray(killed: Killed) -> None:
    again = subprocess.run(
        command(killed.root, killed.space), env=environment("127.0.0.1:1"), stdout=subprocess.PIPE, check=True
    )
    assert json.loads(again.stdout) == killed.summary
    (ledger,) = ledgers(killed.root)
    page = (ledger.place / "report.html").read().decode()
    assert page.count("<polyline") == TRIALS
    assert "http" not in page.replace("http-equiv", "").replace(killed.root.uri, "")


def test_another_sweep_takes_over_what_this_one_trained(killed: Killed) -> None:
    before = modified(killed.root.place)
    other = command(killed.root, killed.space, "--metric", "R@5", "--seed", "0", trials=1)
    found = subprocess.run(other, env=environment(), stdout=subprocess.PIPE, check=True)
    (row,) = json.loads(found.stdout)["trials"]
    (same,) = [row for row in killed.summary["trials"] if row["defaults"]]
    if same["ended"] == "finished":
        assert (row["ended"], row["model"]) == ("finished", same["model"])
        now = modified(killed.root.place)
        grown = {path for path in now if now[path] != before.get(path)}
        assert not [path for path in grown if not path.startswith("sweeps/")]
    else:
        # Stopped there, it went on from its checkpoint here: what was measured then was not measured again.
        assert (row["ended"], row["epochs"]) == ("finished", EPOCHS)
        artifact = Artifact.open(killed.root.model(RECIPE).place / row["model"].partition("@")[2], "bundle")
        assert len(artifact.manifest.details["history"]) == EPOCHS


def test_what_cannot_be_scheduled_is_refused_before_anything_runs(killed: Killed) -> None:
    before = modified(killed.root.place)
    asked = command(killed.root, killed.space, "--workers-per-trial", "16", "--concurrent", "4", "--seed", "9")
    refused = subprocess.run(asked, env=environment(), stderr=subprocess.PIPE, check=False)
    assert refused.returncode == 2
    assert b"Set --concurrent to 1 or less" in refused.stderr
    now = modified(killed.root.place)
    assert {path: now[path] for path in before} == before
    # That it may be written to is found out before Ray is asked.
    assert {path.rpartition("/")[2] for path in now.keys() - before.keys()} == {"lease.json"}


def test_the_best_trial_is_one_command_from_promotion(killed: Killed) -> None:
    """Nobody has measured it on the test split, which the sweep never looks at: the promotion does."""
    best = killed.summary["best"]
    name, _, version = best["model"].partition("@")
    command = [sys.executable, str(JOB.with_name("models.py")), *best["commands"][0].split()[2:], "--json"]
    found = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, check=True)
    assert json.loads(found.stdout)["move"]["verdict"]["split"] == "test"
    assert killed.root.model(name).open("live").version == version
