"""The benchmark of training: both loops take the same steps, and what is compared is the same thing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cirray.batches import Items, Pool, samplers
from cirray.cli import benchmark_bare_loop
from cirray.cli.benchmark import Results
from cirray.cli.benchmark_bare_loop import BareLoop, Form
from cirray.cli.benchmark_composers import ComposersSettings
from cirray.cli.benchmark_ready import ReadyData
from cirray.cli.benchmark_training import QUICK, run_benchmark
from cirray.cli.benchmark_training_checkpoints import Rounds
from cirray.cli.benchmark_training_composers import composer_cost
from cirray.cli.benchmark_training_gpu import measure_gpu
from cirray.cli.benchmark_training_loop import Loops, difference
from cirray.cli.benchmark_training_losses import EQUAL, compare_losses
from cirray.cli.display import Display
from cirray.config import override
from cirray.datasets import PixelCache
from cirray.encoders import Vocabulary
from cirray.errors import ConfigError, UnknownNameError
from cirray.recipes import RunConfig
from cirray.training.data import TrainingData
from tests.small_runs import small_run

TRIPLETS, ITEMS, STEPS = 48, 20, 3
VOCABULARY = Vocabulary(tokenizer="tirg", words=("a", "b", "c", "d", "e"))


def config(*assignments: str) -> RunConfig:
    return small_run("training.epochs=2", *assignments)


def data(run: RunConfig) -> TrainingData:
    generator = np.random.default_rng(0)
    pool = Pool(
        items=Items([""] * ITEMS, [""] * ITEMS, [()] * ITEMS, np.arange(ITEMS)),
        references=generator.integers(0, 5, TRIPLETS),
        targets=generator.integers(0, ITEMS, TRIPLETS),
        texts=[(" ".join(generator.choice(VOCABULARY.words, generator.integers(1, 4))),) for _ in range(TRIPLETS)],
        categories=[""] * TRIPLETS,
    )
    pixels = generator.integers(0, 256, (ITEMS, 16, 16, 3), dtype=np.uint8)
    sampler = samplers[run.training.sampler.name](run.training.sampler, pool)
    return TrainingData(run, sampler, VOCABULARY, PixelCache(pixels))


def test_the_bare_loop_and_ours_come_to_the_same_losses() -> None:
    seen: list[int] = []
    run = config("model.text_encoder.dropout=0.5")
    loops = Loops(run, data(run), VOCABULARY, lambda step, steps, loss: seen.append(step))
    ours, bare = loops.ours(), loops.bare(loops.in_memory())
    assert len(bare.losses) == 2
    assert bare.losses[0] != bare.losses[1]
    assert difference(ours, bare) < 1e-6
    assert seen == list(range(1, 2 * STEPS + 1))
    assert ours.rate > 0
    assert bare.rate > 0


def test_losses_tell_steps_that_are_not_the_same() -> None:
    run, other = config(), config("training.gradient_clip=null", "training.learning_rate=1e-2")
    batches = Loops(run, data(run), VOCABULARY).in_memory()
    found = [Loops(each, data(each), VOCABULARY).bare(batches) for each in (run, other)]
    assert difference(*found) > 1e-4


def test_the_order_of_channels_in_memory_changes_no_loss() -> None:
    run = config()
    batches = Loops(run, data(run), VOCABULARY).in_memory()[0]
    losses = [
        BareLoop(run, VOCABULARY, STEPS, Form(channels_last=last)).epoch(batches).item() for last in (True, False)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_checkpoints_are_written_while_training_goes_on_and_each_pause_is_told(tmp_path: Path) -> None:
    run = config("training.epochs=1", "training.checkpoint_every_steps=1")
    ready = ReadyData(data(run), 2)
    assert ready.steps == 2
    rounds = Rounds(run, ready, VOCABULARY, tmp_path / "checkpoints")
    saved = rounds.saving()
    assert len(saved.pauses) == 2, "one between the steps, and one at the end"
    assert 0 < sum(saved.pauses) < saved.seconds
    assert saved.bytes > 1000
    assert not rounds.folder.exists()
    assert rounds.without().bytes == 0
    assert not rounds.folder.exists()


def test_a_composer_has_a_speed_and_a_peak() -> None:
    cost = composer_cost("sac", ComposersSettings(resnet=0, batch_size=4, repeats=1))
    assert cost.triplets_per_s > 0
    assert cost.peak_mib >= cost.before_mib > 50


def test_the_losses_of_others_have_the_gradients_of_ours(tmp_path: Path) -> None:
    pytest.importorskip("open_clip")
    pytest.importorskip("pytorch_metric_learning")
    settings = override(QUICK, ["loss_batch=12", "loss_dim=6", "loss_turns=2"])
    found = compare_losses(settings, tmp_path)
    assert [each.name.partition(" ")[0] for each in found] == ["ClipLoss", "ClipLoss", "NTXentLoss"]
    for each in found:
        assert each.difference <= EQUAL, each.name
        assert min(*each.ours, *each.theirs) > 0
    assert [len(each.theirs) for each in found] == [2, 2, 1]


@pytest.mark.parametrize(("module", "extra"), [("open_clip", "open-clip"), ("pytorch_metric_learning", "peers")])
def test_a_missing_library_is_told_before_anything_is_measured(
    module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("open_clip", "pytorch_metric_learning", "pytorch_metric_learning.losses"):
        monkeypatch.setitem(sys.modules, name, sys)  # whatever module, it can be imported
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"{module}.losses", raising=False)
    with pytest.raises(
        ConfigError, match=rf"'losses' .* needs the package {module}.*pip install 'cirray\[{extra}\]'"
    ):
        run_benchmark(QUICK, Display.stderr())


def test_parts_and_composers_are_chosen_by_their_names() -> None:
    assert not QUICK.judged
    with pytest.raises(ConfigError, match="parts"):
        override(QUICK, ["parts=[lop]"])
    with pytest.raises(UnknownNameError, match="no-such"):
        run_benchmark(override(QUICK, ["parts=[composers]", "methods=no-such"]), Display.stderr())


def test_without_a_gpu_there_is_a_line_and_no_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert run_benchmark(override(QUICK, ["parts=[gpu]"]), Display.stderr()).measurements == []
    assert "no GPU" in capsys.readouterr().err


def test_what_is_measured_on_a_gpu_runs_on_any_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_bare_loop, "compile_encoder", lambda model, device: False)
    results = Results("training")
    settings = override(QUICK, ["gpu_batch=2", "gpu_side=32", "gpu_steps=1"])
    measure_gpu(results, settings, torch.device("cpu"))
    names = [each.name for each in results.measurements]
    assert names[1:] == [
        "GPU, bf16, channels-last, not compiled",
        "GPU, bf16, channels-last, not compiled / float32, eager",
    ]
    assert all(each.value > 0 for each in results.measurements)
