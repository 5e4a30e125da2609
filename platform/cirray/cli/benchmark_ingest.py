"""The benchmark of ingest: preparing and training against the bare decoder, a peer, and tensors in memory."""

from __future__ import annotations

import io
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from cirray.batches import ShuffleConfig
from cirray.cli.benchmark import Measurement, Results, environment, median
from cirray.cli.benchmark_pictures import BenchmarkPicturesConfig, write_pictures
from cirray.cli.memory import PeakMemory
from cirray.cluster import ray_cluster
from cirray.composers import ImageOnlyConfig, ModelConfig
from cirray.config import Config
from cirray.datasets import CACHE_VARIABLE, PixelCache, PreparedDataset, decode, open_source
from cirray.encoders import LstmConfig, Preprocessing, SmallCnnConfig, Vocabulary
from cirray.objectives import BatchClassificationConfig
from cirray.prepare import PrepareConfig, prepare
from cirray.recipes import RunConfig, TrainingConfig
from cirray.storage import Location, Root
from cirray.training.data import TrainingData, make_sampler
from cirray.training.loop import fit
from cirray.training.trainee import Trainee
from cirray.training.world import World

WORKERS = 2


class IngestSettings(Config):
    """How much is measured.

    Attributes:
        images: that preparing, decoding and the loader are timed on.
        steps: of training that are timed.
        batch_size: triplets in a step.
        side: pixels of the pictures that a step takes.
        prepared_side: longest side of prepared pictures.
        memory_images: sizes of the datasets whose preparation's peak memory is measured.
        repeats: how often each throughput is measured; the median counts.
        seed: of the pictures.
    """

    images: int = 2000
    steps: int = 40
    batch_size: int = 32
    side: int = 64
    prepared_side: int = 256
    memory_images: tuple[int, ...] = (5_000, 50_000)
    repeats: int = 3
    seed: int = 7


QUICK = IngestSettings(images=400, steps=10, memory_images=(200, 400), repeats=1)


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
        rates["decoder"].append(_rate(len(files), partial(_decode_alone, files, settings.prepared_side)))
        rates["loader"].append(_rate(len(files), partial(_load, files, settings.prepared_side)))
        rates["prepare"].append(_rate(len(files), partial(_prepare, root, f"timed-{repeat}", pictures, settings)))
    decoder, loader, prepared = (median(each) for each in rates.values())
    results.add(
        Measurement("bare decoder × cores", decoder, "img/s", note="read, decode, scale, encode; a process a core"),
        Measurement("torch DataLoader", loader, "img/s", note=f"{WORKERS} workers, the same work"),
        Measurement("prepare", prepared, "img/s"),
        Measurement("prepare / bare decoder", prepared / decoder, "ratio", goal=0.9),
        Measurement("prepare / DataLoader", prepared / loader, "ratio", goal=1.0),
    )
    return PreparedDataset(root.dataset("timed-0").open())


def _rate(count: int, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def _prepare(root: Root, name: str, pictures: Path, settings: IngestSettings) -> None:
    config = PrepareConfig(
        reader=BenchmarkPicturesConfig(),
        max_image_side=settings.prepared_side,
        part_rows=256,
    )
    prepare(root, name, Location.parse(str(pictures)), config)


def _decode_file(side: int, path: str) -> bytes:
    """Read, decode, scale down and encode a picture, as preparation does by `max_image_side`."""
    image = decode(Path(path).read_bytes())
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=None)
    buffer = io.BytesIO()
    if path.endswith(".png"):
        image.save(buffer, format="PNG")
    else:
        image.save(buffer, format="JPEG", quality=95)
    return buffer.getvalue()


def _decode_alone(files: list[str], side: int) -> None:
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        pool.map(partial(_decoded_size, side), files, chunksize=16)


def _decoded_size(side: int, path: str) -> int:
    return len(_decode_file(side, path))  # only a number travels between the processes


class _Files(TorchDataset[bytes]):
    def __init__(self, files: list[str], side: int) -> None:
        self._files, self._side = files, side

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> bytes:
        return _decode_file(self._side, self._files[index])


def _load(files: list[str], side: int) -> None:
    loader = DataLoader(
        _Files(files, side), batch_size=32, num_workers=WORKERS, collate_fn=list, multiprocessing_context="spawn"
    )
    for _ in loader:
        pass


def _config(settings: IngestSettings, pixels: str) -> RunConfig:
    training = {"epochs": 1, "batch_size": settings.batch_size, "pixels": pixels}
    return RunConfig(
        name="benchmark/ingest",
        dataset="benchmark",
        model=ModelConfig(
            preprocessing=Preprocessing(height=settings.side, width=settings.side),
            image_encoder=SmallCnnConfig(widths=(32, 32, 32)),
            text_encoder=LstmConfig(word_dim=32, dim=32),
            composer=ImageOnlyConfig(dim=64),
        ),
        objective=BatchClassificationConfig(),
        training=TrainingConfig(sampler=ShuffleConfig(), **training),  # type: ignore[arg-type] # mixed values
    )


@dataclass(frozen=True)
class _Run:
    rate: float
    waiting: float


def _measure_training(results: Results, settings: IngestSettings, dataset: PreparedDataset) -> None:
    size = (settings.side, settings.side)
    started = time.perf_counter()
    cache = open_source(dataset, size, "cache")
    filling = time.perf_counter() - started
    stream = open_source(dataset, size, "stream")
    memory = PixelCache(cache.pixels[:].copy()) if isinstance(cache, PixelCache) else cache
    sources = {"memory": memory, "cache": cache, "stream": stream}
    # In turn, so that what else the machine does falls on all alike.
    runs: dict[str, list[_Run]] = {name: [] for name in sources}
    first: dict[str, float] = {}
    for repeat in range(settings.repeats + 1):
        for name, source in sources.items():
            run, latency = _train(settings, dataset, source)
            first.setdefault(name, latency)
            if repeat:  # the first is the warm-up
                runs[name].append(run)
    rates = {name: median([run.rate for run in each]) for name, each in runs.items()}
    results.add(
        Measurement("filling the cache", dataset.items.num_rows / filling, "img/s"),
        Measurement("first batch, cache filled", first["cache"], "s"),
        Measurement("first batch, streamed", first["stream"], "s", note="the node's mirror of the parts included"),
        *(Measurement(f"training, {name}", rate, "triplets/s") for name, rate in rates.items()),
        Measurement("training, cache / memory", rates["cache"] / rates["memory"], "ratio", goal=0.97),
        Measurement(
            "training, stream / memory", rates["stream"] / rates["memory"], "ratio", note="decodes each step"
        ),
        Measurement("waiting, cache", median([run.waiting for run in runs["cache"]]), "ratio"),
    )


def _train(settings: IngestSettings, dataset: PreparedDataset, source: Any) -> tuple[_Run, float]:
    config = _config(settings, "auto")
    sampler = make_sampler(config, dataset)
    vocabulary = Vocabulary.of(sampler.texts())
    data = TrainingData(config, sampler, vocabulary, source)
    # As many epochs as give the steps that are asked for.
    epochs = -(-settings.steps // data.steps)
    config = config.model_copy(update={"training": config.training.model_copy(update={"epochs": epochs})})
    trainee = Trainee.build(config, len(vocabulary), data.steps, torch.device("cpu"))
    started = time.perf_counter()
    batches = data.batches(0, 0, World())
    next(batches)
    latency = time.perf_counter() - started
    batches.close()
    history = fit(config, data, trainee).history
    seconds = sum(report.seconds for report in history)
    waiting = sum(report.waiting * report.seconds for report in history) / seconds
    return _Run(epochs * data.steps * settings.batch_size / seconds, waiting), latency


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
    results.add(Measurement("peak memory, most / fewest images", most / fewest, "ratio", goal=1.15, at_most=True))
