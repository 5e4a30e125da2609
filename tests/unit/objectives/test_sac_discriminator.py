"""SAC's discriminator: its update rule against loops, over workers, and over an interruption."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import FileStore  # type: ignore[attr-defined]  # torch does not list it
from torch.multiprocessing.spawn import spawn

from cirray.batches import Items, Pool, samplers
from cirray.datasets import PixelCache
from cirray.encoders import Vocabulary
from cirray.objectives import LossValue
from cirray.objectives.sac_consistency import SacConsistencyConfig
from cirray.objectives.sac_discriminator import SacDiscriminator, SacDiscriminatorConfig
from cirray.objectives.sac_triplet import SacTripletConfig
from cirray.recipes import RunConfig
from cirray.storage import Artifact, Location
from cirray.training.checkpoint import KIND, load_checkpoint
from cirray.training.data import TrainingData
from cirray.training.loop import fit
from cirray.training.progress import Progress
from cirray.training.trainee import Trainee
from tests.checkpoints import saved
from tests.small_models import fixed_view, small_retriever
from tests.small_runs import small_run

ROWS, DIM, WORKERS, RATE, MOMENTUM = 6, 8, 2, 0.1, 0.5

Row = list[float]


def made_loss() -> SacDiscriminator:
    config = SacDiscriminatorConfig(hidden=(5, 3), learning_rate=RATE, momentum=MOMENTUM)
    return SacDiscriminator(config, small_retriever("sac"))


def rows(seed: int = 0) -> tuple[Tensor, Tensor]:
    both = torch.randn(2, ROWS, DIM, generator=torch.Generator().manual_seed(seed))
    return both[0], both[1]


def value(loss: SacDiscriminator, queries: Tensor, targets: Tensor) -> LossValue:
    made: LossValue = loss(fixed_view(queries=queries, targets=targets))
    return made


def naive_layers(layers: list[tuple[list[Row], Row]], values: Row) -> list[Row]:
    """Return what goes into each layer, and last the discriminator's number."""
    inputs = [values]
    for number, (weights, bias) in enumerate(layers):
        out = [
            sum(w * v for w, v in zip(row, inputs[-1], strict=True)) + b for row, b in zip(weights, bias, strict=True)
        ]
        inputs.append(out if number == 2 else [v if v > 0 else 0.2 * v for v in out])
    return inputs


def sigmoid(number: float) -> float:
    return 1 / (1 + math.exp(-number))


@dataclass
class NaiveDiscriminator:
    """Three layers and SGD with momentum, one number at a time."""

    layers: list[tuple[list[Row], Row]]

    def __post_init__(self) -> None:
        self.speed = [([[0.0] * len(row) for row in weights], [0.0] * len(bias)) for weights, bias in self.layers]

    def judge(self, values: Row) -> float:
        return sigmoid(naive_layers(self.layers, values)[-1][0])

    def step(self, queries: list[Row], targets: list[Row]) -> float:
        """Go down the gradient of −mean log D(t) − mean log(1 − D(c)), by back-propagation; return the loss."""
        slopes = [([[0.0] * len(row) for row in weights], [0.0] * len(bias)) for weights, bias in self.layers]
        loss = 0.0
        for real, vectors in ((True, targets), (False, queries)):
            for vector in vectors:
                inputs = naive_layers(self.layers, vector)
                chance = sigmoid(inputs[-1][0])
                loss -= math.log(chance if real else 1 - chance) / len(vectors)
                back = [(chance - real) / len(vectors)]
                for number in (2, 1, 0):
                    weights, _ = self.layers[number]
                    for i, slope in enumerate(back):
                        slopes[number][1][i] += slope
                        for j, entered in enumerate(inputs[number]):
                            slopes[number][0][i][j] += slope * entered
                    back = [
                        sum(slope * weights[i][j] for i, slope in enumerate(back)) * (1 if entered > 0 else 0.2)
                        for j, entered in enumerate(inputs[number])
                    ]
        for (weights, bias), (fast, fast_bias), (steep, steep_bias) in zip(
            self.layers, self.speed, slopes, strict=True
        ):
            for i in range(len(bias)):
                fast_bias[i] = MOMENTUM * fast_bias[i] + steep_bias[i]
                bias[i] -= RATE * fast_bias[i]
                for j in range(len(weights[i])):
                    fast[i][j] = MOMENTUM * fast[i][j] + steep[i][j]
                    weights[i][j] -= RATE * fast[i][j]
        return loss


def naive(loss: SacDiscriminator) -> NaiveDiscriminator:
    layers = [layer for layer in loss.discriminator if isinstance(layer, nn.Linear)]
    return NaiveDiscriminator([(layer.weight.tolist(), layer.bias.tolist()) for layer in layers])


def test_the_discriminator_takes_its_step_and_then_the_model_is_judged() -> None:
    made = made_loss()
    expected = naive(made)
    for step in range(3):
        queries, targets = rows(step)
        seen = value(made, queries, targets)
        before = expected.step(queries.tolist(), targets.tolist())
        adversarial = -sum(math.log(expected.judge(query)) for query in queries.tolist()) / ROWS
        assert math.isclose(seen.parts["discriminator"].item(), before, rel_tol=1e-4)
        assert math.isclose(seen.total.item(), adversarial, rel_tol=1e-4)
    for weight, (_, bias) in zip(list(made.discriminator.parameters())[1::2], expected.layers, strict=True):
        torch.testing.assert_close(weight, torch.tensor(bias), rtol=1e-4, atol=1e-6)


def test_the_discriminator_learns_to_tell_queries_from_targets() -> None:
    made = made_loss()
    queries, targets = rows()
    losses = [value(made, queries, targets).parts["discriminator"].item() for _ in range(200)]
    assert losses[0] > 1.0
    assert losses[-1] < 0.1


def test_the_model_is_drawn_towards_the_targets_and_the_discriminator_is_not_touched_by_it() -> None:
    made = made_loss()
    queries, targets = (each.requires_grad_() for each in rows())
    value(made, queries, targets).total.backward()
    assert queries.grad is not None
    assert bool((queries.grad != 0).any(dim=1).all())
    assert targets.grad is None
    assert all(weight.grad is None and not weight.requires_grad for weight in made.parameters())


@pytest.mark.parametrize("how", ["evaluation", "without gradients"])
def test_it_learns_in_training_only(how: str) -> None:
    made = made_loss().train(how != "evaluation")
    before = {name: weight.clone() for name, weight in made.discriminator.named_parameters()}
    with torch.set_grad_enabled(how == "evaluation"):
        seen = value(made, *rows())
    assert seen.parts == {}
    assert all(torch.equal(weight, before[name]) for name, weight in made.discriminator.named_parameters())


def test_its_state_comes_back_with_that_of_its_optimiser(tmp_path: Path) -> None:
    first, second = made_loss(), made_loss()
    for step in range(2):
        value(first, *rows(step))
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for step in range(2, 4):
        assert torch.equal(value(first, *rows(step)).total, value(second, *rows(step)).total)


def _worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    store = FileStore(f"{folder}/store", WORKERS)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=WORKERS)
    made = made_loss()
    total, gradient = _three_steps(made, rank, WORKERS)
    torch.save(
        {"total": total, "gradient": gradient, "weights": dict(made.discriminator.state_dict())}, f"{folder}/{rank}"
    )
    dist.destroy_process_group()


def _three_steps(made: SacDiscriminator, rank: int, workers: int) -> tuple[Tensor, Tensor]:
    """Return the loss of the last step and its gradient."""
    for step in range(3):
        queries, targets = (each.chunk(workers)[rank].clone().requires_grad_() for each in rows(step))
        total = value(made, queries, targets).total
        total.backward()
    assert queries.grad is not None
    return total.detach(), queries.grad


def test_two_workers_with_half_the_batch_have_the_discriminator_of_one_with_all(tmp_path: Path) -> None:
    spawn(_worker, (str(tmp_path),), nprocs=WORKERS)
    shares = [torch.load(tmp_path / str(rank), weights_only=True) for rank in range(WORKERS)]
    whole = made_loss()
    total, gradient = _three_steps(whole, 0, 1)
    torch.testing.assert_close(sum(share["total"] for share in shares) / WORKERS, total)
    torch.testing.assert_close(torch.cat([share["gradient"] for share in shares]) / WORKERS, gradient)
    for share in shares:
        torch.testing.assert_close(share["weights"], dict(whole.discriminator.state_dict()))
    assert all(torch.equal(shares[0]["weights"][name], shares[1]["weights"][name]) for name in shares[0]["weights"])


TRIPLETS, ITEMS, STEPS = 48, 20, 3
VOCABULARY = Vocabulary(tokenizer="tirg", words=("a", "b", "c", "d", "e"))


def config(seed: int = 0) -> RunConfig:
    sac = "model.composer={name: sac, dim: 8}"
    run = small_run(sac, "training.epochs=2", "training.checkpoint_every_steps=1", f"seed={seed}")
    objective = {
        "triplet": SacTripletConfig(),
        "adversarial": SacDiscriminatorConfig(weight=0.6, hidden=(6, 4), learning_rate=0.05, momentum=0.9),
        "consistency": SacConsistencyConfig(weight=0.1),
    }
    return run.model_copy(update={"objective": objective})


def data(run: RunConfig) -> TrainingData:
    generator = np.random.default_rng(0)
    pool = Pool(
        items=Items([""] * ITEMS, [""] * ITEMS, [()] * ITEMS, np.arange(ITEMS)),
        references=generator.integers(0, 5, TRIPLETS),
        targets=generator.integers(0, ITEMS, TRIPLETS),
        texts=[(" ".join(generator.choice(VOCABULARY.words, 2)),) for _ in range(TRIPLETS)],
        categories=[""] * TRIPLETS,
    )
    sampler = samplers[run.training.sampler.name](run.training.sampler, pool)
    pixels = generator.integers(0, 256, (ITEMS, 16, 16, 3), dtype=np.uint8)
    return TrainingData(run, sampler, VOCABULARY, PixelCache(pixels))


def trainee(run: RunConfig) -> Trainee:
    return Trainee.build(run, VOCABULARY, STEPS, torch.device("cpu"))


def weights(learner: Trainee) -> dict[str, Tensor]:
    return {key: each.clone() for key, each in learner.step.state_dict().items() if isinstance(each, Tensor)}


def test_a_run_that_was_stopped_ends_with_the_same_model_and_discriminator(tmp_path: Path) -> None:
    run = config()
    undisturbed = trainee(run)
    fresh = weights(undisturbed)
    whole = fit(run, data(run), undisturbed).history

    class StoppedError(Exception):
        pass

    first = trainee(run)

    def save_and_stop(progress: Progress) -> None:
        if (len(progress.history), progress.partial.steps) == (0, 2):
            saved(tmp_path / "checkpoint", first, progress)
            raise StoppedError

    with pytest.raises(StoppedError):
        fit(run, data(run), first, on_progress=save_and_stop)

    second = trainee(config(seed=7))
    progress = load_checkpoint(Artifact.open(Location.parse(str(tmp_path / "checkpoint")), KIND), second)
    torch.manual_seed(123)
    history = fit(run, data(run), second, progress=progress).history
    assert [report.losses for report in history] == [report.losses for report in whole]
    expected = weights(undisturbed)
    assert all(torch.equal(each, expected[key]) for key, each in weights(second).items())
    learned = [key for key in expected if "discriminator" in key]
    assert len(learned) == 6
    assert not any(torch.equal(fresh[key], expected[key]) for key in learned)
