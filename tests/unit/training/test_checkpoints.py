"""The checkpoints of a run: whole or not there, kept by policy, and one damaged is one less."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cirray.batches import Items, Pool, samplers
from cirray.config import override
from cirray.datasets import PixelCache
from cirray.encoders import Vocabulary
from cirray.errors import ArtifactError, ConfigError, MismatchError, StorageError, TrainingError
from cirray.recipes import RunConfig, recipes
from cirray.storage import Location, s3
from cirray.storage.leftovers import begun_uploads
from cirray.training.checkpoint import Snapshot, load_checkpoint, load_progress, load_weights
from cirray.training.checkpoints import Checkpoints
from cirray.training.data import TrainingData
from cirray.training.loop import fit
from cirray.training.progress import EpochReport, PartialEpoch, Progress
from cirray.training.trainee import Trainee
from tests.checkpoints import checkpoints, path_of, saved

WORDS = ("a", "b", "c")
ROWS, STEPS = 12, 3
FILES = ("model.safetensors", "training.pt", "progress.json")


def config(*assignments: str) -> RunConfig:
    small = (
        "model.preprocessing.height=8",
        "model.preprocessing.width=8",
        "model.image_encoder.widths=[3]",
        "model.image_encoder.strides=[2]",
        "model.text_encoder.word_dim=3",
        "model.text_encoder.dim=3",
        "model.composer.dim=4",
        "training.batch_size=4",
        "training.epochs=1",
    )
    return override(recipes["css-2d/tirg-last-conv"](), [*small, *assignments])


def trainee(run: RunConfig | None = None) -> Trainee:
    return Trainee.build(run or config(), Vocabulary(tokenizer="tirg", words=WORDS), STEPS, torch.device("cpu"))


def trained() -> tuple[Trainee, Progress]:
    """Return a trainee after an epoch, so that its optimiser has a state."""
    run, learner = config(), trainee()
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (ROWS, 8, 8, 3), dtype=np.uint8)
    pool = Pool(
        items=Items([""] * ROWS, [""] * ROWS, [()] * ROWS, np.arange(ROWS)),
        references=np.arange(ROWS),
        targets=np.arange(ROWS)[::-1].copy(),
        texts=[(WORDS[row % 3],) for row in range(ROWS)],
        categories=[""] * ROWS,
    )
    sampler = samplers[run.training.sampler.name](run.training.sampler, pool)
    data = TrainingData(run, sampler, Vocabulary(tokenizer="tirg", words=WORDS), PixelCache(pixels))
    return learner, fit(run, data, learner)


def tensors(value: object) -> list[Tensor]:
    """Return all tensors in a nested state."""
    if isinstance(value, Tensor):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [tensor for each in inner for tensor in tensors(each)]


def progress(epochs: int, steps: int = 0, **losses: float) -> Progress:
    reports = tuple(
        EpochReport(
            epoch=number + 1,
            losses={"total": 1.0, **losses},
            learning_rate=0.1,
            gradient_norm=1.0,
            seconds=1.0,
            triplets_per_s=1.0,
            waiting=0.0,
        )
        for number in range(epochs)
    )
    partial = PartialEpoch(steps=steps, losses={"total": 1.0} if steps else {})
    return Progress(history=reports, partial=partial)


def snapshot(epochs: int, steps: int = 0, **losses: float) -> Snapshot:
    weights = {"model": {"weight": torch.full((2,), float(epochs))}, "schedule": {"last_epoch": epochs}}
    return Snapshot(weights, progress(epochs, steps, **losses))


def store(place: Path | str, **keep: object) -> Checkpoints:
    return checkpoints(Location.parse(str(place)), **keep)


def name(epochs: int, steps: int = 0) -> str:
    return f"epoch-{epochs:05d}-step-{steps:06d}"


def test_all_that_a_trainee_is_comes_back(tmp_path: Path) -> None:
    learner, done = trained()
    again = trainee(config("seed=7"))
    assert load_checkpoint(saved(tmp_path / "one", learner, done), again) == done
    left, right = learner.state_dict(), again.state_dict()
    assert list(left) == ["model", "objective", "optimizer", "schedule", "watch"]
    assert len(tensors(left["optimizer"])) > 10
    for part in left:
        assert all(torch.equal(*pair) for pair in zip(tensors(left[part]), tensors(right[part]), strict=True))
    assert left["schedule"]["last_epoch"] == right["schedule"]["last_epoch"] == STEPS


def test_a_part_that_joins_a_trainee_is_in_its_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner, again = trainee(), trainee()
    extra = {id(learner): torch.nn.Linear(2, 2), id(again): torch.nn.Linear(2, 2)}
    parts = Trainee.parts
    monkeypatch.setattr(Trainee, "parts", lambda self: {**parts(self), "average": extra[id(self)]})
    load_checkpoint(saved(tmp_path / "one", learner), again)
    assert torch.equal(extra[id(learner)].weight, extra[id(again)].weight)
    monkeypatch.undo()
    old = saved(tmp_path / "old", learner)
    monkeypatch.setattr(Trainee, "parts", lambda self: {**parts(self), "average": extra[id(self)]})
    with pytest.raises(TrainingError, match="does not fit this run: 'average'"):
        load_checkpoint(old, again)


def test_a_snapshot_stays_as_it_was_while_training_goes_on() -> None:
    learner, done = trained()
    taken = Snapshot.of(learner, done)
    before = [tensor.clone() for tensor in tensors(dict(taken.state))]
    with torch.no_grad():
        for tensor in tensors(learner.state_dict()):
            tensor.add_(1)
    assert all(torch.equal(*pair) for pair in zip(before, tensors(dict(taken.state)), strict=True))
    assert all(tensor.is_contiguous() for tensor in tensors(dict(taken.state)))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", ["gone", "cut", "rubbish", "one bit"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path, file: str, damage: str) -> None:
    kept, learner, said = store(tmp_path), trainee(), list[str]()
    for steps in (1, 2):
        kept.save(Snapshot.of(learner, progress(0, steps)))
    path = path_of(kept.open(name(0, 2)), file)
    whole = path.read_bytes()
    path.unlink()
    if damage != "gone":
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        path.write_bytes({"cut": whole[:middle], "rubbish": b"rubbish", "one bit": flipped}[damage])
    found = kept.newest(lambda checkpoint: load_checkpoint(checkpoint, learner), said.append)
    assert found == (name(0, 1), progress(0, 1))
    (line,) = said
    assert name(0, 2) in line
    assert "damaged" in line
    # Removed, so that the run can write it again when it is there again.
    assert kept.names() == [name(0, 1)]
    assert not (tmp_path / name(0, 2)).exists()


@pytest.mark.parametrize("content", [b"", b"{", b"{}"])
def test_a_checkpoint_with_a_damaged_manifest_gives_way_too(tmp_path: Path, content: bytes) -> None:
    kept, said = store(tmp_path), list[str]()
    for epochs in (1, 2):
        kept.save(snapshot(epochs))
    (tmp_path / name(2) / "manifest.json").write_bytes(content)
    found = kept.newest(load_progress, said.append)
    assert found == (name(1), progress(1))
    assert len(said) == 1


def test_where_all_are_damaged_a_run_begins_anew(tmp_path: Path) -> None:
    kept, said = store(tmp_path), list[str]()
    kept.save(snapshot(1))
    path_of(kept.open(name(1)), FILES[2]).unlink()
    assert kept.newest(load_progress, said.append) is None
    assert len(said) == 1


def test_a_store_that_does_not_answer_is_no_damage(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.save(snapshot(1))

    def read(checkpoint: object) -> None:
        raise StorageError("no answer")

    with pytest.raises(StorageError, match="no answer"):
        kept.newest(read, lambda text: None)
    assert kept.names() == [name(1)]


def test_one_that_was_never_finished_is_not_there(place_uri: str) -> None:
    kept = store(place_uri)
    kept.save(snapshot(1))

    def killed() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.save(snapshot(2), killed)
    assert kept.names() == [name(1)]
    assert {file.path.split("/")[0] for file in kept.place.files()} == {name(1), name(2)}
    before = {file.path for file in kept.place.files() if file.path.startswith(name(1))}
    kept.sweep()
    assert {file.path for file in kept.place.files()} == before
    assert kept.newest(load_progress, lambda text: None) == (name(1), progress(1))


def test_uploads_that_were_never_completed_are_swept(bucket: str, tmp_path: Path) -> None:
    kept = store(f"{bucket}/{tmp_path.name}")
    key = f"{tmp_path.name}/{name(1)}/model.bin"
    s3.client().create_multipart_upload(Bucket=bucket.removeprefix("s3://"), Key=key)
    assert len(begun_uploads(kept.place, -60)) == 1
    kept.sweep()
    assert begun_uploads(kept.place, -60) == ()


def test_the_last_ones_are_kept(place_uri: str) -> None:
    kept = store(place_uri, last=2)
    for epochs, steps in ((0, 1), (0, 2), (1, 0), (1, 1)):
        kept.save(snapshot(epochs, steps))
    assert kept.names() == [name(1), name(1, 1)]
    assert {file.path.split("/")[0] for file in kept.place.files()} == {name(1), name(1, 1)}


@pytest.mark.parametrize(("order", "expected"), [("min", [2, 4, 6]), ("max", [1, 5, 6])])
def test_the_best_ones_are_kept_beside_the_last(tmp_path: Path, order: str, expected: list[int]) -> None:
    kept = store(tmp_path, last=1, best=2, metric="margin", order=order)
    for epoch, margin in enumerate((0.9, 0.1, 0.5, 0.2, 0.8, 0.3), start=1):
        # In the middle of an epoch nothing was measured.
        kept.save(snapshot(epoch - 1, 1))
        kept.save(snapshot(epoch, margin=margin))
    assert kept.names() == [name(epoch) for epoch in expected]


def test_a_metric_that_is_not_measured_is_an_error(tmp_path: Path) -> None:
    kept = store(tmp_path, best=1, metric="recall")
    kept.save(snapshot(0, 1))
    with pytest.raises(ConfigError, match=r"'recall'.*loss, total"):
        kept.save(snapshot(1))


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    store(tmp_path).save(snapshot(1))
    other = Checkpoints(Location.parse(str(tmp_path)), "css-2d/val", "e" * 64, store(tmp_path).keep)
    told = r"css-2d/tirg with fingerprint f{64}, not.*css-2d/val with e{64}"
    with pytest.raises(MismatchError, match=told):
        other.sweep()
    with pytest.raises(MismatchError, match=told):
        other.newest(load_progress, lambda text: None)
    assert store(tmp_path).names() == [name(1)]


def test_a_checkpoint_of_a_gpu_is_opened_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner, done = trained()
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        kept = saved(tmp_path / "one", learner, done)
    again = trainee(config("seed=7"))
    load_checkpoint(kept, again)
    pairs = zip(tensors(learner.state_dict()), tensors(again.state_dict()), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


def test_weights_are_read_without_what_only_training_needs(tmp_path: Path) -> None:
    learner, again = trainee(), trainee(config("seed=7"))
    kept = saved(tmp_path / "one", learner)
    path_of(kept, "training.pt").unlink()
    load_weights(kept, again.step.model)
    expected = learner.step.model.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in again.step.model.state_dict().items())
    with pytest.raises(TrainingError, match="does not fit"):
        load_weights(kept, trainee(config("model.composer.dim=12")).step.model)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path(str(tmp_path / "ran")).write_text, ("code ran",))

    learner = trainee()
    taken = Snapshot.of(learner, Progress())
    kept = store(tmp_path / "run")
    kept.save(Snapshot({**taken.state, "optimizer": {"payload": Payload()}}, Progress()))
    with pytest.raises(TrainingError, match="does not fit"):
        load_checkpoint(kept.open(name(0)), learner)
    assert not (tmp_path / "ran").exists()


def test_the_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    kept = saved(tmp_path / "one", trainee(config("model.composer.dim=12")))
    with pytest.raises(TrainingError, match="does not fit"):
        load_checkpoint(kept, trainee())


def test_progress_is_read_alone_and_checked(tmp_path: Path) -> None:
    kept = saved(tmp_path / "one", trainee(), progress(2))
    path_of(kept, "model.safetensors").unlink()
    assert load_progress(kept) == progress(2)
    path_of(kept, "progress.json").write_bytes(b"{}")
    with pytest.raises(ArtifactError, match="not what its manifest lists"):
        load_progress(kept)
