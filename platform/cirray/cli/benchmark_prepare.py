"""The first half of the benchmark of ingest: preparing, against the bare decoder and a peer."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from statistics import median

from cirray.cli.benchmark import Measurement, Results
from cirray.cli.benchmark_conditions import in_turn, median_ratio
from cirray.cli.benchmark_decoders import decode_alone, rate
from cirray.cli.benchmark_ingest_settings import IngestSettings
from cirray.cli.benchmark_loader import WORKERS, load
from cirray.cli.benchmark_pictures import BenchmarkPicturesConfig, write_pictures
from cirray.cli.benchmark_shares import measure_shares
from cirray.cli.memory import PeakMemory
from cirray.cluster import usable_cores
from cirray.datasets import PreparedDataset
from cirray.prepare import PrepareConfig, prepare
from cirray.prepare.config import ResizeRule
from cirray.storage import Location, Root

FEW = 32
"""Pictures of a preparation that consists of little but its fixed costs; enough that each core gets some."""


def measure_prepare(results: Results, settings: IngestSettings, pictures: Path, folder: Path) -> PreparedDataset:
    """Time preparing, the bare decoder and the peer in turn, and return the dataset that came of it."""
    files = sorted(str(path) for path in pictures.rglob("*") if path.suffix in (".jpg", ".jpeg", ".png"))
    root = Root.open(str(folder / "root"), create=True)
    _measure_fixed_costs(results, settings, root, write_pictures(folder / "few", FEW, settings.seed))
    side = settings.prepared_side
    rates = in_turn(
        {
            "decoder": lambda _: decode_alone(files, side),
            "loader": lambda _: load(files, side),
            "prepare": lambda turn: rate(len(files), partial(_prepare, root, f"timed-{turn}", pictures, settings)),
        },
        settings.repeats,
    )
    _add_rates(results, settings, rates)
    measure_shares(results, _config(settings), pictures, folder / "shares")
    if settings.unscaled:
        _measure_unscaled(results, settings, root, pictures, files)
    return PreparedDataset(root.dataset("timed-0").open())


def measure_memory(results: Results, settings: IngestSettings, folder: Path) -> None:
    """Measure the peak memory of preparing datasets of several sizes."""
    peaks = {}
    for count in settings.memory_images:
        pictures = write_pictures(folder / f"pictures-{count}", count, settings.seed)
        root = Root.open(str(folder / f"root-{count}"), create=True)
        with PeakMemory() as memory:
            _prepare(root, "memory", pictures, settings)
        peaks[count] = memory.peak_mib
        results.add(Measurement(f"peak memory, {count:,} images", memory.peak_mib, "MiB", note="of all processes"))
    ratio = peaks[max(peaks)] / peaks[min(peaks)]
    goal = Measurement.at_most("peak memory, most / fewest images", ratio, "ratio", 1.15, judged=settings.judged)
    results.add(goal)


def _measure_fixed_costs(results: Results, settings: IngestSettings, root: Root, few: Path) -> None:
    """Time what a preparation costs besides its pictures; the first one starts Ray's workers, and warms them up."""
    for name, what in (("first", "first preparation: Ray's workers start"), ("fixed", "preparation, workers ready")):
        started = time.perf_counter()
        _prepare(root, name, few, settings, part_rows=FEW // (4 * usable_cores()) or 1)
        seconds = time.perf_counter() - started
        results.add(Measurement(f"fixed costs, {what}", seconds, "s", note=f"of {FEW} pictures"))


def _add_rates(results: Results, settings: IngestSettings, rates: dict[str, list[float]]) -> None:
    cores = f"{usable_cores()} processes at once"
    decoder, loader = (median_ratio(rates["prepare"], rates[peer]) for peer in ("decoder", "loader"))
    results.add(
        Measurement(
            "bare decoder × cores", median(rates["decoder"]), "img/s", note=f"read, decode, scale, encode; {cores}"
        ),
        Measurement("torch DataLoader", median(rates["loader"]), "img/s", note=f"the same work; {WORKERS} workers"),
        Measurement("prepare", median(rates["prepare"]), "img/s", note="from listing to manifest"),
        Measurement.at_least("prepare / bare decoder", decoder, "ratio", 0.9, judged=settings.judged),
        Measurement.at_least("prepare / DataLoader", loader, "ratio", 1.0, judged=settings.judged),
    )


def _measure_unscaled(
    results: Results, settings: IngestSettings, root: Root, pictures: Path, files: list[str]
) -> None:
    """Compare preparing pictures as they are with decoding them, which is all that both have in common then."""

    def prepared(turn: int) -> float:
        return rate(len(files), partial(_prepare, root, f"unscaled-{turn}", pictures, settings, resize="none"))

    rates = in_turn({"decoder": lambda _: decode_alone(files, None), "prepare": prepared}, settings.repeats)
    results.add(
        Measurement("bare decoder × cores, unscaled", median(rates["decoder"]), "img/s", note="read and decode"),
        Measurement(
            "prepare, unscaled / bare decoder",
            median_ratio(rates["prepare"], rates["decoder"]),
            "ratio",
            note="hashes, and every byte into a part and onto the disk, come on top of decoding",
        ),
    )


def _prepare(
    root: Root,
    name: str,
    pictures: Path,
    settings: IngestSettings,
    part_rows: int | None = None,
    resize: ResizeRule = "longest-side",
) -> None:
    prepare(root, name, Location.parse(str(pictures)), _config(settings, part_rows, resize))


def _config(
    settings: IngestSettings, part_rows: int | None = None, resize: ResizeRule = "longest-side"
) -> PrepareConfig:
    return PrepareConfig(
        reader=BenchmarkPicturesConfig(),
        resize=resize,
        size=settings.prepared_side,
        # Small enough that every core has parts to work on until the end.
        part_rows=part_rows or max(16, min(256, settings.images // (16 * usable_cores()))),
    )
