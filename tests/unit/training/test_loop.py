"""The plain training loop, without Ray: it learns, repeats itself, and goes on where it stopped."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from cirray.batches import Items, Pool, samplers
from cirray.config import override
from cirray.datasets import PixelCache
from cirray.encoders import Vocabulary
from cirray.errors import ConfigError, TrainingError
from cirray.objectives import LossValue, Objective, View
from cirray.recipes import RunConfig
from cirray.storage import Artifact
from cirray.training.checkpoint import load_checkpoint, load_weights
from cirray.training.data import TrainingData
from cirray.training.loop import fit
from cirray.training.progress import EpochReport, Progress
from cirray.training.randomness import step_seed
from cirray.training.trainee import Trainee
from cirray.training.world import World
from tests.checkpoints import saved
from tests.small_runs import small_run

TRIPLETS, ITEMS, STEPS = 48, 20, 3
WORDS = ("a", "b", "c", "d", "e")


def config(*assignments: str, recipe: str = "css-2d/tirg-last-conv") -> RunConfig:
    return small_run("training.epochs=3", *assignments, recipe=recipe)


def data(run: RunConfig) -> TrainingData:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (ITEMS, 16, 16, 3), dtype=np.uint8)
    pool = Pool(
        items=Items([""] * ITEMS, [""] * ITEMS, [()] * ITEMS, np.arange(ITEMS)),
        references=generator.integers(0, 5, TRIPLETS),
        targets=generator.integers(0, ITEMS, TRIPLETS),
        texts=[(" ".join(generator.choice(WORDS, generator.integers(1, 4))),) for _ in range(TRIPLETS)],
        categories=[""] * TRIPLETS,
    )
    sampler = samplers[run.training.sampler.name](run.training.sampler, pool)
    return TrainingData(run, sampler, Vocabulary(tokenizer="tirg", words=WORDS), PixelCache(pixels))


def trainee(run: RunConfig) -> Trainee:
    return Trainee.build(run, Vocabulary(tokenizer="tirg", words=WORDS), STEPS, torch.device("cpu"))


def train(run: RunConfig, learner: Trainee, progress: Progress | None = None) -> list[EpochReport]:
    return list(fit(run, data(run), learner, progress=progress).history)


def weights(learner: Trainee) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in learner.step.state_dict().items()}


def test_the_loss_goes_down_and_every_epoch_is_reported() -> None:
    run = config("training.epochs=30", "training.learning_rate=2e-2", "model.text_encoder.dropout=0.0")
    history = train(run, trainee(run))
    assert [report.epoch for report in history] == list(range(1, 31))
    assert history[-1].losses["total"] < 0.65 * history[0].losses["total"]
    assert history[-1].learning_rate == pytest.approx(0.0, abs=1e-9)
    assert all(report.triplets_per_s > 0 and 0 <= report.waiting <= 1 for report in history)
    assert all(report.gradient_norm > 0 for report in history)


def test_steps_are_counted_over_all_epochs_and_tell_their_loss() -> None:
    run = config("training.epochs=2")
    seen: list[tuple[int, int, float]] = []
    history = fit(
        run, data(run), trainee(run), on_step=lambda step, steps, loss: seen.append((step, steps, loss))
    ).history
    assert [(step, steps) for step, steps, _ in seen] == [(step, 6) for step in range(1, 7)]
    for number, report in enumerate(history):
        steps_of_epoch = [loss for _, _, loss in seen[3 * number : 3 * number + 3]]
        assert report.losses["total"] == pytest.approx(sum(steps_of_epoch) / 3)


def test_the_same_seed_gives_the_same_weights_and_another_one_others() -> None:
    results = []
    for run in (config(), config(), config("seed=1")):
        learner = trainee(run)
        train(run, learner)
        results.append(weights(learner))
    assert all(torch.equal(results[0][key], results[1][key]) for key in results[0])
    assert not all(torch.equal(results[0][key], results[2][key]) for key in results[0])


AUGMENTED = "training.augmentations=[{name: random-crop, padding: 2}, {name: horizontal-flip}, {name: colour-jitter}]"


@pytest.mark.parametrize(("epoch", "step"), [(0, 1), (0, 2), (1, 0), (1, 1), (2, 2)])
def test_a_run_that_was_stopped_ends_with_the_same_weights_and_metrics(tmp_path: Path, epoch: int, step: int) -> None:
    run = config("training.checkpoint_every_steps=1", AUGMENTED)
    undisturbed = trainee(run)
    whole = train(run, undisturbed)

    class StoppedError(Exception):
        pass

    first = trainee(run)
    kept: list[Artifact] = []

    def save_and_stop(progress: Progress) -> None:
        if (len(progress.history), progress.partial.steps) == (epoch, step):
            kept.append(saved(tmp_path / "checkpoint", first, progress))
            raise StoppedError

    with pytest.raises(StoppedError):
        fit(run, data(run), first, on_progress=save_and_stop)

    second = trainee(config("seed=7"))
    progress = load_checkpoint(kept[0], second)
    assert (len(progress.history), progress.partial.steps) == (epoch, step)
    # Whatever was drawn in this process before must not matter.
    torch.manual_seed(123)
    history = train(run, second, progress)
    assert [report.epoch for report in history] == [1, 2, 3]
    assert [report.losses for report in history] == [report.losses for report in whole]
    assert [report.gradient_norm for report in history] == [report.gradient_norm for report in whole]
    assert all(report.seconds > 0 and 0 <= report.waiting <= 1 for report in history)
    expected = weights(undisturbed)
    assert all(torch.equal(value, expected[key]) for key, value in weights(second).items())


REMEMBERING = {
    "average": ("training.ema_decay=0.5",),
    "plateau": ("training.schedule=plateau", "training.plateau_patience=0", "training.decay=0.5"),
    "parts": ("training.micro_batch=5", "training.batch_statistics=micro-batch"),
    "frozen statistics": ("training.batch_statistics=frozen",),
}


@pytest.mark.parametrize("settings", REMEMBERING.values(), ids=REMEMBERING)
def test_whatever_a_run_remembers_goes_on_from_a_checkpoint(tmp_path: Path, settings: tuple[str, ...]) -> None:
    run = config("training.checkpoint_every_steps=1", "training.learning_rate=0.02", "training.epochs=4", *settings)
    undisturbed = trainee(run)
    whole = train(run, undisturbed)
    first = trainee(run)
    kept: list[Artifact] = []

    def save(progress: Progress) -> None:
        if (len(progress.history), progress.partial.steps) == (2, 1):
            kept.append(saved(tmp_path / "checkpoint", first, progress))

    fit(run, data(run), first, on_progress=save)
    second = trainee(override(run, ["seed=7"]))
    history = train(run, second, load_checkpoint(kept[0], second))
    assert [report.losses for report in history] == [report.losses for report in whole]
    assert [report.learning_rates for report in history] == [report.learning_rates for report in whole]
    expected = undisturbed.kept.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in second.kept.state_dict().items())
    assert second.watch == undisturbed.watch
    assert second.watch.lowest < second.watch.first


def test_the_average_is_what_is_kept(tmp_path: Path) -> None:
    run = config("training.ema_decay=0.5")
    learner = trainee(run)
    train(run, learner)
    opened = trainee(config()).step.model
    load_weights(saved(tmp_path / "checkpoint", learner), opened)
    assert learner.average is not None
    average, last = learner.average.model.state_dict(), learner.step.model.state_dict()
    assert all(torch.equal(value, average[key]) for key, value in opened.state_dict().items())
    assert not torch.equal(average["composer.project.bias"], last["composer.project.bias"])


@pytest.mark.parametrize(("every", "expected"), [("null", []), ("1", [1, 2]), ("2", [2]), ("3", []), ("9", [])])
def test_checkpoints_come_every_so_many_steps_and_at_the_end_of_each_epoch(every: str, expected: list[int]) -> None:
    run = config(f"training.checkpoint_every_steps={every}", "training.epochs=2")
    seen: list[tuple[int, int]] = []
    fit(
        run,
        data(run),
        trainee(run),
        on_progress=lambda progress: seen.append((len(progress.history), progress.partial.steps)),
    )
    assert seen == [place for epoch in (0, 1) for place in [*((epoch, step) for step in expected), (epoch + 1, 0)]]


def test_a_loss_that_is_no_number_stops_the_run_before_it_spoils_the_weights() -> None:
    run = config()
    learner = trainee(run)
    with torch.no_grad():
        learner.step.model.composer.project.bias.fill_(float("nan"))  # type: ignore[union-attr, operator]
    text_weights = weights(learner)["model.text_encoder.words.weight"]
    with pytest.raises(TrainingError, match=r"loss is nan at step 1 of epoch 1.*learning_rate"):
        train(run, learner)
    assert torch.equal(weights(learner)["model.text_encoder.words.weight"], text_weights)


class SquareRoot(Objective):
    """An objective whose loss is finite where its gradient is not."""

    def forward(self, view: View) -> LossValue:
        return LossValue((view.queries * 0).sum().sqrt())


def test_a_gradient_that_is_no_number_stops_the_run_before_it_spoils_the_weights() -> None:
    run = config()
    learner = trainee(run)
    learner.step.objective = SquareRoot({}, learner.step.model)
    before = weights(learner)
    with pytest.raises(TrainingError, match=r"norm of the gradient is nan at step 1 of epoch 1.*learning_rate"):
        train(run, learner)
    parameters = dict(learner.step.named_parameters())
    assert all(torch.equal(value, before[name]) for name, value in parameters.items())


class Immeasurable(Objective):
    """An objective that is well, but for something that it records of itself."""

    def forward(self, view: View) -> LossValue:
        return LossValue(view.queries.sum(), {"scale": torch.tensor(float("inf"))})


@pytest.mark.parametrize(("every", "step"), [("null", STEPS), ("2", 2)])
def test_an_epoch_whose_report_would_have_what_is_no_number_stops_the_run(every: str, step: int) -> None:
    run = config(f"training.checkpoint_every_steps={every}")
    learner = trainee(run)
    learner.step.objective = Immeasurable({}, learner.step.model)
    with pytest.raises(TrainingError, match=rf"sum of 'scale' is inf at step {step} of epoch 1.*learning_rate"):
        train(run, learner)


def test_the_objective_has_all_digits_whatever_the_model_ran_in() -> None:
    # A model without an LSTM, which many processors cannot run in bf16.
    run = config(recipe="css-2d/image-only")
    learner = trainee(run)
    seen: list[torch.dtype] = []

    class Spy(Objective):
        def forward(self, view: View) -> LossValue:
            seen.extend([view.queries.dtype, view.targets.dtype, (view.queries @ view.targets.T).dtype])
            return LossValue(view.queries.sum())

    with closing(data(run).batches(0, 0, World())) as batches:
        batch = next(batches)
    with torch.autocast("cpu", torch.bfloat16):
        queries = learner.step.model.compose(batch.reference, batch.tokens, batch.lengths)
        full, _ = learner.step(batch, 1)
        learner.step.objective = Spy({}, learner.step.model)
        learner.step(batch, 1)
    assert queries.dtype == torch.bfloat16, "or there is nothing to keep from the objective"
    assert full.dtype == torch.float32
    assert seen == [torch.float32] * 3


def test_workers_that_cannot_share_the_batch_are_refused() -> None:
    run = config()
    with pytest.raises(ConfigError, match="multiple of 3"):
        fit(run, data(run), trainee(run), world=World(size=3))


def test_seeds_differ_by_seed_epoch_step_and_stream() -> None:
    seeds = {
        step_seed(seed, epoch, step, stream)
        for seed in (0, 1, 2**62)
        for epoch in range(4)
        for step in range(6)
        for stream in range(2)
    }
    assert len(seeds) == 3 * 4 * 6 * 2
    assert all(0 <= seed < 2**63 for seed in seeds)
