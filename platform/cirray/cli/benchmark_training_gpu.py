"""What bfloat16, channels-last memory and compilation bring on a GPU, to the plain loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import torch

from cirray.cli.benchmark import Measurement, Results
from cirray.cli.benchmark_bare_loop import BareLoop, Form
from cirray.cli.benchmark_composers import WORDS, ComposersSettings, draw_batch, sized_recipe
from cirray.cli.benchmark_conditions import in_turn, median_ratio
from cirray.cli.benchmark_training_settings import RECIPE, TrainingSettings
from cirray.encoders import Vocabulary

WARM_UP = 5


def measure_gpu(results: Results, settings: TrainingSettings, device: torch.device) -> None:
    """Time the plain loop with a ResNet-18 in both forms, in turn, on a batch that is on the device."""
    sizes = ComposersSettings(resnet=18, side=settings.gpu_side, batch_size=settings.gpu_batch, seed=settings.seed)
    config = sized_recipe(RECIPE, sizes)
    vocabulary = Vocabulary(tokenizer=config.model.tokenizer, words=WORDS)
    drawn = draw_batch(config, sizes)
    batch = replace(
        drawn,
        reference=drawn.reference.to(device),
        tokens=drawn.tokens.to(device),
        lengths=drawn.lengths.to(device),
        target=drawn.target.to(device),
    )
    steps = [(step, batch) for step in range(settings.gpu_steps)]
    forms = {
        "eager": Form(device, channels_last=False),
        "compiled": Form(device, bf16=True, compiled=True),
    }
    loops = {name: BareLoop(config, vocabulary, settings.gpu_steps, form) for name, form in forms.items()}
    for loop in loops.values():
        loop.epoch([(step, batch) for step in range(WARM_UP)])

    def rate(loop: BareLoop) -> Callable[[int], float]:
        return lambda turn: settings.gpu_steps * settings.gpu_batch / _seconds(lambda: loop.epoch(steps), device)

    rates = in_turn({name: rate(loop) for name, loop in loops.items()}, settings.gpu_rounds)
    fast = "bf16, channels-last, compiled" if loops["compiled"].compiled else "bf16, channels-last, not compiled"
    sized = f"ResNet-18, {settings.gpu_side}×{settings.gpu_side}, batch of {settings.gpu_batch}"
    results.add(
        Measurement("GPU, float32, eager", median(rates["eager"]), "triplets/s", note=sized),
        Measurement(f"GPU, {fast}", median(rates["compiled"]), "triplets/s", note=sized),
        Measurement(f"GPU, {fast} / float32, eager", median_ratio(rates["compiled"], rates["eager"]), "ratio"),
    )


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    _wait_for(device)
    started = time.perf_counter()
    work()
    _wait_for(device)
    return time.perf_counter() - started


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
