"""The benchmark of ingest: preparing and training against the bare decoder, a peer, and tensors in memory."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from cirray.cli.benchmark import Measurement, Results
from cirray.cli.benchmark_conditions import environment
from cirray.cli.benchmark_ingest_settings import QUICK, IngestSettings
from cirray.cli.benchmark_ingest_training import measure_training
from cirray.cli.benchmark_pictures import write_pictures
from cirray.cli.benchmark_prepare import measure_memory, measure_prepare
from cirray.cluster import ray_cluster
from cirray.datasets import CACHE_VARIABLE

__all__ = ["QUICK", "IngestSettings", "run_benchmark"]


def run_benchmark(settings: IngestSettings, source: Path | None = None) -> Results:
    """Measure, and return the results.

    Args:
        settings: how much.
        source: folder of JPEG and PNG pictures to use; by default they are made.
    """
    results = Results("ingest", settings.model_dump(mode="json"))
    with tempfile.TemporaryDirectory(prefix="cirray-benchmark-") as name:
        folder = Path(name)
        started = time.perf_counter()
        # Ray gives its workers less of a busy machine than other processes get; here all are to get the same.
        with environment(**{CACHE_VARIABLE: str(folder / "cache"), "RAY_worker_niceness": "0"}), ray_cluster():
            results.add(Measurement("fixed costs, Ray's start", time.perf_counter() - started, "s"))
            pictures = source or write_pictures(folder / "pictures", settings.images, settings.seed)
            dataset = measure_prepare(results, settings, pictures, folder)
            measure_training(results, settings, dataset)
            measure_memory(results, settings, folder)
    return results
