"""What each composer costs in training, beside the encoders that it stands on."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

from cirray.cli.benchmark import Measurement, Results
from cirray.cli.methods import methods_of
from cirray.composers import Retriever
from cirray.config import Config, override
from cirray.encoders import Vocabulary
from cirray.encoders.images.resnet import ResNetConfig
from cirray.objectives import Batch, Objective, Texts, View
from cirray.recipes import RunConfig, recipes

WORDS = tuple(f"word{number:02d}" for number in range(40))
TEXT_LENGTH = 8


class ComposersSettings(Config):
    """How much is measured.

    Attributes:
        dataset: whose recipes.
        methods: shell patterns, with commas between them.
        resnet: depth of the ResNet that takes the place of the recipes' small encoder; 0 keeps that one.
        side: height and width of the pictures, where there is a ResNet.
        batch_size: triplets in a step.
        repeats: steps that are timed; the median of the ratios counts.
        seed: of weights and batches.
    """

    dataset: str = "css-2d"
    methods: str = "*"
    resnet: int = 18
    side: int = 224
    batch_size: int = 8
    repeats: int = 5
    seed: int = 0


QUICK = ComposersSettings(resnet=0, batch_size=32, repeats=3)


def run_benchmark(settings: ComposersSettings) -> Results:
    """Return forward and backward of each method's step, as a ratio to those of its encoders alone.

    Raises:
        UnknownNameError: a pattern matches no method of the dataset.
    """
    results = Results("composers", settings.model_dump(mode="json"))
    for method in methods_of(settings.dataset, settings.methods):
        results.add(*_measure(method, sized_recipe(f"{settings.dataset}/{method}", settings), settings))
    return results


def sized_recipe(name: str, settings: ComposersSettings) -> RunConfig:
    """Return a recipe at the size that is asked for."""
    config = recipes[name]()
    if not settings.resnet:
        return config
    side = f"{settings.side}"
    sized = override(config, [f"model.preprocessing.height={side}", f"model.preprocessing.width={side}"])
    return with_resnet(sized, settings.resnet)


def with_resnet(config: RunConfig, depth: int) -> RunConfig:
    """Return a run with a ResNet of this depth, its weights random, as the image encoder; 0 keeps the run's own."""
    if not depth:
        return config
    encoder = override(ResNetConfig(), [f"depth={depth}"])
    return config.model_copy(update={"model": config.model.model_copy(update={"image_encoder": encoder})})


def _measure(method: str, config: RunConfig, settings: ComposersSettings) -> list[Measurement]:
    torch.manual_seed(settings.seed)
    vocabulary = Vocabulary(tokenizer=config.model.tokenizer, words=WORDS)
    model = Retriever(config.model, vocabulary).to(memory_format=torch.channels_last).train()
    objective = Objective(config.objective, model).train()
    batch = draw_batch(config, settings)
    encoders: list[float] = []
    steps: list[float] = []
    # The first turn warms up.
    for _ in range(1 + settings.repeats):
        encoders.append(_timed(lambda: _encoded(View(model, batch))))
        steps.append(_timed(lambda: objective(View(model, batch)).total))
    ratio = median(step / alone for step, alone in zip(steps[1:], encoders[1:], strict=True))
    count = sum(weight.numel() for weight in model.composer.parameters())
    return [
        Measurement(f"{method}: encoders", 1e3 * median(encoders[1:]), "ms", note="forward and backward"),
        Measurement(
            f"{method}: step", 1e3 * median(steps[1:]), "ms", note=f"composer of {count / 1e3:,.0f} k weights"
        ),
        Measurement(f"{method}: step / encoders", ratio, "ratio"),
    ]


def _encoded(view: View) -> Tensor:
    """Return a sum over all that the encoders of a method put out of a query and a target.

    So a gradient reaches all of them. Descriptions, which some losses look at, count with these losses.
    """
    features = [view.target.pooled, *view.target.maps]
    if view.model.composer.uses_reference:
        features += [view.reference.pooled, *view.reference.maps]
    for text in (view.text, view.text and view.text.second):
        features += [text.sentence, text.states] if text is not None else []
    return sum((each.sum() for each in features), torch.zeros(()))


def _timed(work: Callable[[], Tensor]) -> float:
    started = time.perf_counter()
    work().backward()
    return time.perf_counter() - started


def draw_batch(config: RunConfig, settings: ComposersSettings) -> Batch:
    """Return a batch of random pictures, texts and descriptions, in the sizes of a recipe."""
    generator = torch.Generator().manual_seed(settings.seed)
    size, (height, width) = settings.batch_size, config.model.preprocessing.size
    pixels = torch.randint(0, 256, (2, size, height, width, 3), generator=generator, dtype=torch.uint8)
    length = 1 if config.model.tokenizer == "whole" else TEXT_LENGTH
    texts = torch.randint(1, len(WORDS) + 1, (3, size, length), generator=generator)
    lengths = torch.full((size,), length)
    known = torch.ones(size, dtype=torch.bool)
    described = [Texts(tokens, lengths, known) for tokens in texts[1:]]
    return Batch(pixels[0], texts[0], lengths, pixels[1], *described)
