"""The benchmark of ingest: preparing and training against the bare decoder, a peer, and tensors in memory."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import torch

from cirray.cli.benchmark import Measurement, Results
from cirray.cli.benchmark_decoders import WORKERS, decode_alone, load, rate
from cirray.cli.benchmark_pictures import BenchmarkPicturesConfig, write_pictures
from cirray.cli.memory import PeakMemory
from cirray.cluster import ray_cluster, usable_cores
from cirray.composers import ModelConfig
from cirray.composers.image_only import ImageOnlyConfig
from cirray.config import Config
from cirray.datasets import CACHE_VARIABLE, PreparedDataset, open_source
from cirray.encoders import Preprocessing, Vocabulary
from cirray.encoders.images.small_cnn import SmallCnnConfig
from cirray.encoders.texts.lstm import LstmConfig
from cirray.objectives import Batch
from cirray.objectives.batch_classification import BatchClassificationConfig
from cirray.prepare import PrepareConfig, prepare
from cirray.recipes import RunConfig, TrainingConfig
from cirray.storage import Location, Root
from cirray.training.data import TrainingData, make_sampler
from cirray.training.loop import fit
from cirray.training.progress import EpochReport
from cirray.training.trainee import Trainee
from cirray.training.world import World


class IngestSettings(Config):
    """How much is measured.

    Attributes:
        images: that preparing, decoding and the loader are timed on.
        steps: of training that are timed.
        batch_size: triplets in a step.
        side: pixels of the pictures that a step takes.
        prepared_side: longest side of prepared pictures.
        memory_images: sizes of the datasets whose preparation's peak memory is measured.
        repeats: how often preparing, decoding and the loader are timed; the median counts.
        rounds: how often training is timed.
        seed: of the pictures.
    """

    images: int = 2000
    steps: int = 40
    batch_size: int = 32
    side: int = 64
    prepared_side: int = 256
    memory_images: tuple[int, ...] = (5_000, 50_000)
    repeats: int = 3
    rounds: int = 7
    seed: int = 7


QUICK = IngestSettings(images=256, steps=8, memory_images=(128, 256), repeats=1, rounds=3)


def run_benchmark(settings: IngestSettings, source: Path | None = None) -> Results:
    """Measure, and return the results.

    Args:
        settings: how much.
        source: folder of JPEG and PNG pictures to use; by default they are made.
    """
    results = Results("ingest", settings.model_dump(mode="json"))
    with tempfile.TemporaryDirectory(prefix="cirray-benchmark-") as name:
        folder = Path(name)
        with environment(**{CACHE_VARIABLE: str(folder / "cache")}), ray_cluster():
            pictures = source or write_pictures(folder / "pictures", settings.images, settings.seed)
            dataset = _measure_prepare(results, settings, pictures, folder)
            _measure_training(results, settings, dataset)
            _measure_memory(results, settings, folder)
    return results


def _measure_prepare(results: Results, settings: IngestSettings, pictures: Path, folder: Path) -> PreparedDataset:
    files = sorted(str(path) for path in pictures.rglob("*") if path.suffix in (".jpg", ".jpeg", ".png"))
    root = Root.open(str(folder / "root"), create=True)
    # Ray starts its workers when they are first needed; that is not what is measured.
    _prepare(root, "warm-up", write_pictures(folder / "warm-up", 8, settings.seed), settings)
    rates: dict[str, list[float]] = {"decoder": [], "loader": [], "prepare": []}
    for repeat in range(settings.repeats):
        rates["decoder"].append(decode_alone(files, settings.prepared_side))
        rates["loader"].append(load(files, settings.prepared_side))
        rates["prepare"].append(rate(len(files), partial(_prepare, root, f"timed-{repeat}", pictures, settings)))
    decoder, loader, prepared = (median(each) for each in rates.values())
    results.add(
        Measurement("bare decoder × cores", decoder, "img/s", note="read, decode, scale, encode; a process a core"),
        Measurement("torch DataLoader", loader, "img/s", note=f"{WORKERS} workers, the same work"),
        Measurement("prepare", prepared, "img/s"),
        Measurement.at_least("prepare / bare decoder", prepared / decoder, "ratio", 0.9),
        Measurement.at_least("prepare / DataLoader", prepared / loader, "ratio", 1.0),
    )
    return PreparedDataset(root.dataset("timed-0").open())


def _prepare(root: Root, name: str, pictures: Path, settings: IngestSettings) -> None:
    config = PrepareConfig(
        reader=BenchmarkPicturesConfig(),
        resize="longest-side",
        size=settings.prepared_side,
        # Small enough that every core has parts to work on until the end.
        part_rows=max(16, min(256, settings.images // (8 * usable_cores()))),
    )
    prepare(root, name, Location.parse(str(pictures)), config)


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


class _Ready(TrainingData):
    """Batches that were made beforehand: what no ingest can be faster than."""

    def __init__(self, data: TrainingData) -> None:
        self.pixels, self.steps = data.pixels, data.steps
        self._ready = list(data.batches(0, 0, World()))

    def batches(self, epoch: int, first_step: int, world: World) -> Generator[Batch, None, None]:
        """Yield the batches of the first epoch."""
        yield from self._ready[first_step:]


def _measure_training(results: Results, settings: IngestSettings, dataset: PreparedDataset) -> None:
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
    # In turn, so that what else the machine does falls on all alike; the first round is the warm-up.
    data = {"memory": _Ready(cached), "cache": cached, "stream": streamed}
    rounds = [
        {name: _train(config, settings, each, vocabulary) for name, each in data.items()}
        for _ in range(settings.rounds + 1)
    ]
    rates = {name: [each[name].triplets_per_s for each in rounds[1:]] for name in data}
    results.add(
        *(Measurement(f"training, {name}", median(each), "triplets/s") for name, each in rates.items()),
        Measurement.at_least("training, cache / memory", _ratio(rates["cache"], rates["memory"]), "ratio", 0.97),
        Measurement(
            "training, stream / memory", _ratio(rates["stream"], rates["memory"]), "ratio", note="decodes on and on"
        ),
        Measurement(
            "waiting, cache",
            median([each["cache"].waiting for each in rounds[1:]]),
            "ratio",
            note="share of the time",
        ),
    )


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median of the ratios of one round each."""
    return median([our / their for our, their in zip(ours, theirs, strict=True)])


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


def _measure_memory(results: Results, settings: IngestSettings, folder: Path) -> None:
    peaks = {}
    for count in settings.memory_images:
        pictures = write_pictures(folder / f"pictures-{count}", count, settings.seed)
        root = Root.open(str(folder / f"root-{count}"), create=True)
        with PeakMemory() as memory:
            _prepare(root, "memory", pictures, settings)
        peaks[count] = memory.peak_mib
        results.add(Measurement(f"peak memory, {count:,} images", memory.peak_mib, "MiB", note="of all processes"))
    fewest, most = peaks[min(peaks)], peaks[max(peaks)]
    results.add(Measurement.at_most("peak memory, most / fewest images", most / fewest, "ratio", 1.15))


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Have environment variables in the block, and what they were before after it."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
