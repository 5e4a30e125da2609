"""The second half of the benchmark of ingest: training from cache and stream, against tensors in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from statistics import median

import torch

from cirray.cli.benchmark import Measurement, Results
from cirray.cli.benchmark_conditions import in_turn, median_ratio
from cirray.cli.benchmark_ingest_settings import IngestSettings
from cirray.cli.benchmark_ready import ReadyData
from cirray.composers import ModelConfig
from cirray.composers.image_only import ImageOnlyConfig
from cirray.datasets import PreparedDataset, open_source
from cirray.encoders import Preprocessing, Vocabulary
from cirray.encoders.images.small_cnn import SmallCnnConfig
from cirray.encoders.texts.lstm import LstmConfig
from cirray.objectives.batch_classification import BatchClassificationConfig
from cirray.recipes import RunConfig, TrainingConfig
from cirray.training.data import TrainingData, make_sampler
from cirray.training.loop import fit
from cirray.training.progress import EpochReport
from cirray.training.trainee import Trainee
from cirray.training.world import World


def measure_training(results: Results, settings: IngestSettings, dataset: PreparedDataset) -> None:
    """Time training on tensors in memory, from the cache and from the stream, in turn."""
    size = (settings.side, settings.side)
    started = time.perf_counter()
    cache = open_source(dataset, size, "cache")
    filling = time.perf_counter() - started
    config = _config(settings)
    sampler = make_sampler(config, dataset)
    vocabulary = Vocabulary.of(sampler.texts())
    cached = TrainingData(config, sampler, vocabulary, cache)
    streamed = TrainingData(config, sampler, vocabulary, open_source(dataset, size, "stream"))
    results.add(
        Measurement("filling the cache", dataset.items.num_rows / filling, "img/s"),
        Measurement("first batch, cache filled", _first_batch(cached), "s"),
        Measurement("first batch, streamed", _first_batch(streamed), "s", note="with the node's mirror of the parts"),
    )
    data = {"memory": ReadyData(cached), "cache": cached, "stream": streamed}
    _add_rates(results, settings, _rounds(config, settings, data, vocabulary))


def _rounds(
    config: RunConfig, settings: IngestSettings, data: dict[str, TrainingData], vocabulary: Vocabulary
) -> dict[str, list[EpochReport]]:
    """Return what each round of training came to, the first of which was the warm-up."""

    def work(each: TrainingData) -> Callable[[int], EpochReport]:
        return lambda turn: _train(config, settings, each, vocabulary)

    reports = in_turn({name: work(each) for name, each in data.items()}, settings.rounds + 1)
    return {name: each[1:] for name, each in reports.items()}


def _add_rates(results: Results, settings: IngestSettings, reports: dict[str, list[EpochReport]]) -> None:
    rates = {name: [report.triplets_per_s for report in each] for name, each in reports.items()}
    cache, stream = (median_ratio(rates[name], rates["memory"]) for name in ("cache", "stream"))
    waiting = median(report.waiting for report in reports["cache"])
    results.add(
        *(Measurement(f"training, {name}", median(each), "triplets/s") for name, each in rates.items()),
        Measurement.at_least("training, cache / memory", cache, "ratio", 0.97, judged=settings.judged),
        Measurement("training, stream / memory", stream, "ratio", note="decodes on and on"),
        Measurement("waiting, cache", waiting, "ratio", note="share of the time"),
    )


def _config(settings: IngestSettings) -> RunConfig:
    return RunConfig(
        name="benchmark/ingest",
        dataset="benchmark",
        model=ModelConfig(
            preprocessing=Preprocessing(height=settings.side, width=settings.side),
            image_encoder=SmallCnnConfig(widths=(32, 32, 32)),
            text_encoder=LstmConfig(word_dim=32, dim=32),
            composer=ImageOnlyConfig(dim=64),
        ),
        objective={"retrieval": BatchClassificationConfig()},
        training=TrainingConfig(epochs=1, batch_size=settings.batch_size),
    )


def _first_batch(data: TrainingData) -> float:
    started = time.perf_counter()
    with closing(data.batches(0, 0, World())) as batches:
        next(batches)
        return time.perf_counter() - started


def _train(config: RunConfig, settings: IngestSettings, data: TrainingData, vocabulary: Vocabulary) -> EpochReport:
    """Train for as many epochs as have the steps that are asked for, and return what they came to."""
    epochs = -(-settings.steps // data.steps)
    config = config.model_copy(update={"training": config.training.model_copy(update={"epochs": epochs})})
    trainee = Trainee.build(config, vocabulary, data.steps, torch.device("cpu"))
    history = fit(config, data, trainee).history
    seconds = sum(report.seconds for report in history)
    waiting = sum(report.waiting * report.seconds for report in history) / seconds
    rate = epochs * data.steps * config.training.batch_size / seconds
    return history[-1].model_copy(update={"seconds": seconds, "triplets_per_s": rate, "waiting": waiting})
