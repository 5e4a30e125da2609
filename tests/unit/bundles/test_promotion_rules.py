"""Promotion and rollback by one person at a time: what may be promoted, what is recorded, and the way back."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from cirray.bundles import Gate, Verdict, promote, promotion, read_promotions, rollback
from cirray.errors import ArtifactError, ConfigError, ConflictError, MismatchError, PromotionError, StorageError
from cirray.storage import Artifact, Location, Root
from cirray.storage.artifact import MANIFEST
from tests.service_world import MODEL

pytest_plugins = ("tests.promotions",)


def live(root: Root) -> str | None:
    found = read_promotions(root, MODEL)
    return found.version if found else None


def test_the_way_up_and_all_the_way_back(root: Root, versions: list[str], gate: Gate) -> None:
    begun = datetime.now(UTC).replace(microsecond=0)
    assert live(root) is None
    for number, version in enumerate(versions):
        state, changed = promote(root, MODEL, version, gate.judge, by="ann", reason=f"try {number}")
        assert (state.version, state.generation, changed) == (version, number + 1, True)
        assert root.model(MODEL).open("live").version == version
        before = versions[number - 1] if number else None
        move = state.moves[-1]
        assert (move.action, move.before, move.by, move.reason) == ("promote", before, "ann", f"try {number}")
        assert move.verdict is not None
        assert (move.verdict.live, move.verdict.value) == (before, 10.0 * (number + 1))
        assert begun <= move.at <= datetime.now(UTC)
    assert rollback(root, MODEL, by="bob", reason="slow").version == versions[1]
    assert rollback(root, MODEL, by="bob", reason="still slow").version == versions[0]
    with pytest.raises(PromotionError, match=r"cannot go back to what was before: before it stood none"):
        rollback(root, MODEL, by="bob", reason="more")
    state, _ = promote(root, MODEL, versions[2], gate.judge, by="ann")
    assert rollback(root, MODEL, by="bob", reason="no").version == versions[0]
    history = read_promotions(root, MODEL)
    assert history is not None
    assert [move.action for move in history.moves] == 3 * ["promote"] + 2 * ["rollback"] + ["promote", "rollback"]
    assert [move.reason for move in history.moves if move.by == "bob"] == ["slow", "still slow", "no"]
    assert root.model(MODEL).open().version == versions[2]  # training's own alias is left alone


def test_a_rollback_may_skip_what_was_no_good_either(root: Root, versions: list[str], gate: Gate) -> None:
    for version in versions:
        promote(root, MODEL, version, gate.judge, by="me")
    earlier = f"{versions[1]}, {versions[0]}"
    with pytest.raises(PromotionError, match=f"cannot go back to nothing: before it stood {earlier}"):
        rollback(root, MODEL, by="me", reason="x", to="nothing")
    (root.model(MODEL).place / versions[1]).delete()
    with pytest.raises(ArtifactError, match=r"cannot take over: .* Give --to"):
        rollback(root, MODEL, by="me", reason="x")
    assert live(root) == versions[2]
    state = rollback(root, MODEL, by="me", reason="x", to=versions[0])
    assert (state.version, state.standing) == (versions[0], [versions[0]])


def test_what_is_live_already_stays(root: Root, versions: list[str], gate: Gate) -> None:
    first, _ = promote(root, MODEL, versions[0], gate.judge, by="me")
    assert promote(root, MODEL, versions[0], gate.judge, by="you") == (first, False)
    assert promote(root, MODEL, versions[0], gate.judge, by="you", force=True, reason="x") == (first, False)


def test_aliases_are_promoted_apart_and_can_be_promoted(root: Root, versions: list[str], gate: Gate) -> None:
    promote(root, MODEL, versions[1], gate.judge, by="me", alias="staging")
    assert live(root) is None
    assert promote(root, MODEL, "staging", gate.judge, by="me")[0].version == versions[1]
    assert promote(root, MODEL, None, gate.judge, by="me")[0].version == versions[2]
    assert root.model(MODEL).open("staging").version == versions[1]


@pytest.mark.parametrize("alias", ["latest", "../live", "a/b", "", "Live", "0123456789abcdef", "deadbeefdeadbeef"])
def test_what_is_no_alias_is_refused(root: Root, versions: list[str], gate: Gate, alias: str) -> None:
    with pytest.raises(ConfigError, match="no alias that models are promoted to"):
        promote(root, MODEL, versions[0], gate.judge, by="me", alias=alias)
    with pytest.raises(ConfigError, match="no alias that models are promoted to"):
        rollback(root, MODEL, by="me", reason="x", alias=alias)


def test_who_does_not_pass_changes_nothing(root: Root, versions: list[str], gate: Gate) -> None:
    promote(root, MODEL, versions[1], gate.judge, by="me")
    with pytest.raises(PromotionError, match="does not pass"):
        promote(root, MODEL, versions[0], gate.judge, by="me")
    history = read_promotions(root, MODEL)
    assert history is not None
    assert (history.version, history.generation) == (versions[1], 1)


def test_force_is_recorded_with_its_reason_and_with_what_it_overruled(
    root: Root, versions: list[str], gate: Gate
) -> None:
    promote(root, MODEL, versions[1], gate.judge, by="me")
    for reason in ("", "  "):
        with pytest.raises(ConfigError, match="--reason"):
            promote(root, MODEL, versions[0], gate.judge, by="me", force=True, reason=reason)
    state, _ = promote(root, MODEL, versions[0], gate.judge, by="me", force=True, reason="recall of the law")
    move = state.moves[-1]
    assert (move.reason, move.verdict) == ("recall of the law", None)
    assert "is 10.00, where the live model has 20.00" in move.overruled
    assert "--force" not in move.overruled
    # Where nothing had to be overruled, nothing was.
    state, _ = promote(root, MODEL, versions[2], gate.judge, by="me", force=True, reason="to be sure")
    assert (state.moves[-1].overruled, state.moves[-1].verdict is None) == ("", False)


def test_a_live_model_that_is_gone_is_told(root: Root, versions: list[str], gate: Gate) -> None:
    promote(root, MODEL, versions[0], gate.judge, by="me")
    (root.model(MODEL).place / versions[0]).delete()
    with pytest.raises(PromotionError, match=r"live model .* cannot be compared with.*--force"):
        promote(root, MODEL, versions[1], gate.judge, by="me")
    assert promote(root, MODEL, versions[1], gate.judge, by="me", force=True, reason="it is gone")[1]


def break_weights(place: Location) -> None:
    artifact = Artifact.open(place, "bundle")
    (place / artifact.entry("model.safetensors").path).delete()


def cut_weights(place: Location) -> None:
    artifact = Artifact.open(place, "bundle")
    weights = place / artifact.entry("model.safetensors").path
    weights.write(weights.read()[:-7])


def change_weights(place: Location) -> None:
    artifact = Artifact.open(place, "bundle")
    weights = place / artifact.entry("model.safetensors").path
    weights.write(weights.read()[:-1] + b"?")


def lose_manifest(place: Location) -> None:
    (place / MANIFEST).delete()


def cut_manifest(place: Location) -> None:
    (place / MANIFEST).write((place / MANIFEST).read()[:-40])


@pytest.mark.parametrize("damage", [break_weights, cut_weights, change_weights, lose_manifest, cut_manifest])
@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("place_uri", ["folder"], indirect=True)
def test_half_a_bundle_is_never_promoted(
    root: Root, versions: list[str], gate: Gate, damage: object, force: bool
) -> None:
    assert callable(damage)
    promote(root, MODEL, versions[0], gate.judge, by="me")
    damage(root.model(MODEL).place / versions[1])
    with pytest.raises(ArtifactError):
        promote(root, MODEL, versions[1], gate.judge, by="me", force=force, reason="please")
    assert live(root) == versions[0]


@pytest.mark.parametrize("to", [f"{MODEL}/0123456789abcdef", "other/tirg/{version}", "tirg/{version}"])
@pytest.mark.parametrize("place_uri", ["folder"], indirect=True)
def test_a_bundle_of_another_model_or_version_is_never_promoted(
    root: Root, versions: list[str], gate: Gate, to: str
) -> None:
    source, target = root.model(MODEL).place / versions[1], root.place / "models" / to.format(version=versions[1])
    for file in source.files():
        (target / file.path).write((source / file.path).read())
    name, _, version = to.format(version=versions[1]).rpartition("/")
    with pytest.raises(MismatchError, match=rf"is of {MODEL}@{versions[1]}, not of {name}@{version}"):
        promote(root, name, version, gate.judge, by="me", force=True, reason="please")
    assert read_promotions(root, name) is None


def test_who_lost_the_race_is_told_to_whom(root: Root, versions: list[str], gate: Gate) -> None:
    promote(root, MODEL, versions[0], gate.judge, by="me")

    def judge(candidate: Artifact, before: Artifact | None) -> Verdict:
        promote(root, MODEL, versions[2], gate.judge, by="the other")
        return gate.judge(candidate, before)

    with pytest.raises(ConflictError, match=f"moved to {versions[2]} by the other in between.*Try again"):
        promote(root, MODEL, versions[1], judge, by="me")
    assert live(root) == versions[2]


def test_of_two_rollbacks_at_once_one_is_done(
    root: Root, versions: list[str], gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in versions:
        promote(root, MODEL, version, gate.judge, by="me")
    whole = promotion.open_whole

    def slow(root: Root, name: str, version: str | None) -> Artifact:
        monkeypatch.setattr(promotion, "open_whole", whole)
        rollback(root, MODEL, by="the other", reason="first")
        return whole(root, name, version)

    monkeypatch.setattr(promotion, "open_whole", slow)
    with pytest.raises(ConflictError, match="by the other in between"):
        rollback(root, MODEL, by="me", reason="second")
    assert live(root) == versions[1]


@pytest.mark.parametrize("place_uri", ["folder"], indirect=True)
def test_nothing_promoted_and_nothing_readable_are_told(root: Root, versions: list[str], gate: Gate) -> None:
    with pytest.raises(PromotionError, match="Nothing was ever promoted"):
        rollback(root, MODEL, by="me", reason="x")
    with pytest.raises(ConfigError, match="--reason"):
        rollback(root, MODEL, by="me", reason=" ")
    with pytest.raises(ArtifactError, match="Nor was an alias 'live' ever set"):
        root.model(MODEL).open("live")
    place = root.model(MODEL).place / "live.json"
    place.write(json.dumps({"version": versions[0], "generation": 1}).encode())
    with pytest.raises(ArtifactError, match="corrupt"):
        promote(root, MODEL, versions[0], gate.judge, by="me")


@pytest.mark.parametrize("place_uri", ["folder"], indirect=True)
def test_a_store_that_fails_is_no_conflict(
    root: Root, versions: list[str], gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(promotion, "write_alias", fail)
    with pytest.raises(StorageError, match="disk is full"):
        promote(root, MODEL, versions[0], gate.judge, by="me")
    assert live(root) is None
